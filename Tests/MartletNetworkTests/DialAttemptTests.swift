import Glibc
import Logging
import MartletBus
import MartletConfiguration
import MartletTLS
import NIOCore
import NIOPosix
import Testing
import XMPPAddress
import XMPPStreams

@testable import MartletNetwork

@Suite struct DialAttemptTests {
    /// Answers from a table; what is not in it fails.
    struct Table: NameResolver {
        var answers: [ResolutionQuery: ResolverAnswer]

        func lookup(
            _ query: ResolutionQuery, for cause: Cause, completion: @escaping @Sendable (ResolverAnswer) -> Void
        ) {
            completion(answers[query] ?? .failure("no answer"))
        }
    }

    /// A loop that dials in the name of pilsen.example.
    private func loop(
        _ recorder: Recorder, _ answers: [ResolutionQuery: ResolverAnswer], allowing networks: String = "[]",
        more sections: String = ""
    ) async throws -> LoopMailbox<ConnectionLoop.Item> {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let configuration = try SiteConfiguration.parse(
            "[site]\ndomain = \"pilsen.example\"\n[federation]\nallow_networks = \(networks)\n\(sections)",
            fileName: "test.toml")
        let contexts = try TestContexts.make()
        let bound = try await eventLoop.submit {
            let loop = ConnectionLoop(
                index: 0, eventLoop: eventLoop, site: recorder, passwords: WorkPool(.passwords),
                settings: NetworkSettings(configuration, dialbackSecret: [1, 2, 3]), contexts: contexts,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            loop.dialer = Dialer(loop: loop, resolver: Table(answers: answers))
            return NIOLoopBound(loop, eventLoop: eventLoop)
        }.get()
        return LoopMailbox(eventLoop: eventLoop) { bound.value.perform($0) }
    }

    private func request(_ number: UInt64, remembered: [RememberedEndpoint] = []) throws -> DialRequest {
        DialRequest(
            id: DialID(number), pair: DomainPair(local: try JID("pilsen.example"), peer: try JID("brno.example")),
            purpose: .link, remembered: remembered, requiresCertificate: false, cause: Cause(.person, .site))
    }

    private func failure(_ number: UInt64, _ recorder: Recorder) async -> DialFailure {
        await recorder.first { event in
            if case .dialFailed(DialID(number), let failure) = event { failure } else { nil }
        }
    }

    private func services(_ answer: ResolverAnswer) -> [ResolutionQuery: ResolverAnswer] {
        [
            ResolutionQuery(name: "_xmpps-server._tcp.brno.example", type: .srv): answer,
            ResolutionQuery(name: "_xmpp-server._tcp.brno.example", type: .srv): answer,
        ]
    }

    @Test("a domain that is proven not to exist is told apart from one that cannot be resolved now")
    func absence() async throws {
        let recorder = Recorder()
        var answers = services(.nameDoesNotExist)
        answers[ResolutionQuery(name: "brno.example", type: .a)] = .nameDoesNotExist
        answers[ResolutionQuery(name: "brno.example", type: .aaaa)] = .nameDoesNotExist
        var healthy = answers
        healthy[ResolutionQuery(name: ".", type: .a)] = .noData
        try await loop(recorder, healthy).post([.dial(try request(1))])
        #expect(await failure(1, recorder) == .noSuchDomain)
        healthy = answers
        healthy[ResolutionQuery(name: "_xmpp-server._tcp.pilsen.example", type: .srv)] = .noData
        try await loop(recorder, healthy).post([.dial(try request(3))])
        #expect(await failure(3, recorder) == .noSuchDomain)
        try await loop(recorder, [:]).post([.dial(try request(2))])
        guard case .unreachable(let words) = await failure(2, recorder) else {
            Issue.record("a failure was taken for an absence")
            return
        }
        #expect(words.contains("no answer"))
    }

    @Test("a resolver that denies every name, our own too, proves nothing")
    func denial() async throws {
        let recorder = Recorder()
        var answers = services(.nameDoesNotExist)
        for name in [".", "brno.example"] {
            for type in [ResolutionQuery.RecordType.a, .aaaa] {
                answers[ResolutionQuery(name: name, type: type)] = .nameDoesNotExist
            }
        }
        answers[ResolutionQuery(name: "_xmpp-server._tcp.pilsen.example", type: .srv)] = .nameDoesNotExist
        answers[ResolutionQuery(name: "_xmpps-server._tcp.pilsen.example", type: .srv)] = .nameDoesNotExist
        try await loop(recorder, answers).post([.dial(try request(1))])
        guard case .unreachable(let words) = await failure(1, recorder) else {
            Issue.record("a denial of everything was taken for an absence")
            return
        }
        #expect(words.contains("cannot be believed"))
    }

    @Test("a stranger's record that leads inside is not dialled, and the words name the setting")
    func policy() async throws {
        let recorder = Recorder()
        var answers = services(.noData)
        let inside = try #require(IPAddress("10.9.8.7"))
        answers[ResolutionQuery(name: "brno.example", type: .a)] = .records([.address(inside)], secure: false)
        answers[ResolutionQuery(name: "brno.example", type: .aaaa)] = .noData
        try await loop(recorder, answers).post([.dial(try request(1))])
        guard case .unreachable(let words) = await failure(1, recorder) else {
            Issue.record("an address inside was dialled")
            return
        }
        #expect(words.contains("federation.allow_networks"))
    }

    @Test("when DNS is dead, what worked before is tried; a refused port fails at once")
    func remembered() async throws {
        let recorder = Recorder()
        let port = try FreePort.find()
        let remembered = RememberedEndpoint(address: "127.0.0.1", port: port, directTLS: false)
        try await loop(recorder, [:], allowing: "[\"127.0.0.0/8\"]").post([.dial(try request(1, remembered: [remembered]))])
        guard case .unreachable(let words) = await failure(1, recorder) else {
            Issue.record("nobody listens there")
            return
        }
        #expect(words.contains("127.0.0.1:\(port)"))
        #expect(words.contains("refused"))
        #expect(words.hasPrefix("DNS: ") && words.contains("using the address that worked a moment ago"))
    }

    @Test(
        "a resolver that denies the peer keeps nobody away who was reached a day ago",
        arguments: [ResolverAnswer.nameDoesNotExist, .noData])
    func deniedButRemembered(_ denial: ResolverAnswer) async throws {
        let recorder = Recorder()
        var answers = services(.nameDoesNotExist)
        for type in [ResolutionQuery.RecordType.a, .aaaa] {
            answers[ResolutionQuery(name: "brno.example", type: type)] = denial
        }
        // It may be right about everything else.
        answers[ResolutionQuery(name: ".", type: .a)] = .noData
        let port = try FreePort.find()
        let remembered = RememberedEndpoint(address: "127.0.0.1", port: port, directTLS: false)
        try await loop(recorder, answers, allowing: "[\"127.0.0.0/8\"]").post([.dial(try request(1, remembered: [remembered]))])
        guard case .unreachable(let words) = await failure(1, recorder) else {
            Issue.record("the denial was believed")
            return
        }
        #expect(words.hasPrefix("DNS: the domain ") && words.contains("using the address that worked a moment ago"), "\(words)")
        #expect(words.contains("127.0.0.1:\(port)") && words.contains("refused"), "\(words)")
    }

    @Test("RFC 2782: the peer's own word that it offers no service is believed, whatever is remembered")
    func refusedAndRemembered() async throws {
        let recorder = Recorder()
        let nowhere = ResourceRecord.service(priority: 0, weight: 0, port: 0, target: ".")
        let port = try FreePort.find()
        let remembered = RememberedEndpoint(address: "127.0.0.1", port: port, directTLS: false)
        try await loop(recorder, services(.records([nowhere], secure: false)))
            .post([.dial(try request(1, remembered: [remembered]))])
        #expect(await failure(1, recorder) == .serviceNotOffered)
    }

    @Test("the address that worked stands in for a configured name that cannot be resolved")
    func configuredName() async throws {
        let recorder = Recorder()
        let port = try FreePort.find()
        let remembered = RememberedEndpoint(address: "127.0.0.1", port: port, directTLS: false)
        let sites =
            "[[federation.sites]]\ndomain = \"brno.example\"\nname = \"Brno\"\naddresses = [\"xmpp.brno.example:5269\"]\n"
        try await loop(recorder, [:], more: sites).post([.dial(try request(1, remembered: [remembered]))])
        guard case .unreachable(let words) = await failure(1, recorder) else {
            Issue.record("nobody listens there")
            return
        }
        #expect(words.contains("no address of xmpp.brno.example") && words.contains("127.0.0.1:\(port)"), "\(words)")
    }

    /// The accepting side of TLS and nothing else.
    private final class Accepting: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let tls: TLSEngine
        private let greeted: EventLoopPromise<String>
        private var heard: [UInt8] = []

        init(_ tls: TLSEngine, _ greeted: EventLoopPromise<String>) {
            self.tls = tls
            self.greeted = greeted
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            do {
                _ = try tls.receive(Array(unwrapInboundIn(data).readableBytesView), plaintext: &heard)
            } catch {
                greeted.fail(error)
            }
            tls.withOutput { context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: $0)), promise: nil) }
            let said = String(decoding: heard, as: UTF8.self)
            if said.contains("<stream:stream") { greeted.succeed(said) }
        }

        func channelInactive(context: ChannelHandlerContext) { greeted.fail(ChannelError.eof) }
    }

    @Test("XEP-0368: an attempt with direct TLS shakes hands once, and opens its stream once")
    func directTLS() async throws {
        let contexts = try TestContexts.make()
        let group = MultiThreadedEventLoopGroup.singleton
        let greeted = group.next().makePromise(of: String.self)
        let server = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try TLSEngine(accepting: contexts.accepting)
                    try channel.pipeline.syncOperations.addHandler(Accepting(tls, greeted))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(try #require(server.localAddress?.port))
        let recorder = Recorder()
        let remembered = RememberedEndpoint(address: "127.0.0.1", port: port, directTLS: true)
        try await loop(recorder, [:], allowing: "[\"127.0.0.0/8\"]").post([.dial(try request(1, remembered: [remembered]))])
        let said = try await greeted.futureResult.get()
        #expect(said.split(separator: "<stream:stream").count == 2, "\(said)")
        #expect(said.contains("to='brno.example'"))
        try await server.close()
    }

    @Test("two servers that accept connections and say nothing hide the third for seconds only, and are let go")
    func silentServers() async throws {
        let contexts = try TestContexts.make()
        let group = MultiThreadedEventLoopGroup.singleton
        let greeted = group.next().makePromise(of: String.self)
        // Longer than two negotiations may take one after the other, on a machine that is busy with other tests.
        group.next().scheduleTask(in: .seconds(300)) { greeted.fail(ChannelError.connectTimeout(.seconds(300))) }
        var silent: [any Channel] = []
        for _ in 0..<2 { silent.append(try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()) }
        let good = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try TLSEngine(accepting: contexts.accepting)
                    try channel.pipeline.syncOperations.addHandler(Accepting(tls, greeted))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let remembered = try (silent + [good]).map {
            RememberedEndpoint(
                address: "127.0.0.1", port: UInt16(try #require($0.localAddress?.port)), directTLS: true)
        }
        let recorder = Recorder()
        try await loop(recorder, [:], allowing: "[\"127.0.0.0/8\"]").post([.dial(try request(1, remembered: remembered))])
        #expect(try await greeted.futureResult.get().contains("to='brno.example'"))
        for server in silent + [good] { try await server.close() }
    }

    @Test("an attempt with little patience ends when it hangs, where nobody answers and where a server says nothing")
    func patience() async throws {
        // Whoever connects is kept waiting by the kernel, since nobody accepts.
        let silent = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(silent) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                #expect(bind(silent, $0, length) == 0 && listen(silent, 0) == 0 && getsockname(silent, $0, &length) == 0)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        let recorder = Recorder()
        let mailbox = try await loop(recorder, [:], allowing: "[\"127.0.0.0/8\"]")
        // The second finds the queue of the kernel full, or a connection on which nothing is said: either ends soon.
        for number: UInt64 in 1...4 {
            let remembered = RememberedEndpoint(address: "127.0.0.1", port: port, directTLS: false)
            var request = try request(number, remembered: [remembered])
            request.patience = 100
            mailbox.post([.dial(request)])
            guard case .unreachable(let words) = await failure(number, recorder) else {
                Issue.record("nobody answers there")
                return
            }
            #expect(words.contains("in time"), "\(words)")
        }
    }

    @Test("connections that we open count until they are closed, and strangers' do not take those of offices")
    func opened() async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let listener = try await ServerBootstrap(group: eventLoop).bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(IPAddress("127.0.0.1"))
        let port = UInt16(try #require(listener.localAddress?.port))
        let endpoint = XMPPStreams.Endpoint(
            address: address, port: port, directTLS: false, host: "brno.example", isSecure: false)
        let configuration = try SiteConfiguration.parse("[site]\ndomain = \"pilsen.example\"\n", fileName: "test.toml")
        let contexts = try TestContexts.make()
        let bound = try await eventLoop.submit {
            let loop = ConnectionLoop(
                index: 0, eventLoop: eventLoop, site: Recorder(), passwords: WorkPool(.passwords),
                settings: NetworkSettings(configuration, dialbackSecret: [1, 2, 3]), contexts: contexts,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            // Of sixteen connections strangers have two.
            let dialer = Dialer(loop: loop, resolver: Table(answers: [:]), connections: 16)
            return NIOLoopBound(dialer, eventLoop: eventLoop)
        }.get()
        @Sendable func connect(_ cause: Cause) async throws -> any Channel {
            try await eventLoop.flatSubmit { bound.value.connect(to: endpoint, segmentLimit: nil, for: cause) }.get()
        }
        func stranger(_ number: Int) -> Cause { Cause(.stranger, .address(RemoteAddress("192.0.2.\(number)"))) }
        let first = try await connect(stranger(1))
        let second = try await connect(stranger(2))
        await #expect(throws: (any Error).self) { try await connect(stranger(3)) }
        let office = try await connect(Cause(.office, .peer(try JID("brno.example"))))
        try await first.close().get()
        let third = try await connect(stranger(3))
        for channel in [second, office, third, listener] { try await channel.close().get() }
    }

    @Test("a cancelled attempt says nothing any more")
    func cancelled() async throws {
        let recorder = Recorder()
        let mailbox = try await loop(recorder, [:])
        mailbox.post([.dial(try request(1)), .cancelDial(DialID(1)), .dial(try request(2))])
        _ = await failure(2, recorder)
        #expect(recorder.all.count == 1)
    }
}
