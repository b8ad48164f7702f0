import Glibc
import Logging
import MartletBus
import MartletConfiguration
import MartletCrypto
import MartletRuntime
import NIOCore
import NIOPosix
import Synchronization
import Testing
import XMPPAddress
import XMPPStreams

@testable import MartletNetwork

/// How much of what one connection says is handed to the site at a time, on real sockets.
@Suite struct HandoverTests {
    /// A client that has logged in, and the site that it talks to: a recorder, which handles what it is told when the test says so.
    private struct Line {
        let client: RawClient
        let recorder: Recorder
        let loop: LoopMailbox<ConnectionLoop.Item>
        let server: any Channel

        func perform(_ command: StreamCommand) { loop.post([.command(slot: 0, generation: 1, command)]) }

        /// Everything that was said to the loop before has been done, and what it has read is posted.
        func settle() async throws {
            perform(.send(Array("<mark/>".utf8)))
            _ = try await NIOThreadPool.singleton.runIfActive { [client] in client.receive(until: "<mark/>") }
        }

        /// The ids of the stanzas so far.
        var ids: [String] {
            recorder.all.compactMap { event in
                if case .client(_, .stanza(let stanza)) = event { stanza.id } else { nil }
            }
        }

        func stanza(_ id: Int) async {
            _ = await recorder.first { event -> Bool? in
                if case .client(_, .stanza(let stanza)) = event, stanza.id == "\(id)" { true } else { nil }
            }
        }

        func close() async throws { try await server.close().get() }
    }

    private static let account = JID(
        preparedLocalpart: "anna", preparedDomainpart: "pilsen.example", preparedResourcepart: nil)

    @Test("who says what he has to say for a handshake and ends before his turn makes us calculate nothing")
    func handshakeOfSomebodyGone() async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let configuration = try SiteConfiguration.parse("[site]\ndomain = \"pilsen.example\"\n", fileName: "test.toml")
        let (settings, contexts) = (NetworkSettings(configuration, dialbackSecret: [1]), try TestContexts.make())
        let bound = try await eventLoop.submit {
            let loop = ConnectionLoop(
                index: 0, eventLoop: eventLoop, site: Recorder(), passwords: WorkPool(.passwords), settings: settings,
                contexts: contexts, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            return NIOLoopBound(loop, eventLoop: eventLoop)
        }.get()
        let listener = NetworkSettings.Listener(
            kind: .client, path: "listeners.client[0]", address: "127.0.0.1", port: 0, directTLS: true)
        let server = try await ServerBootstrap(group: eventLoop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // Others want so many that this one has to wait for seconds.
                    for _ in 0..<HandshakeLine.burst + 1 {
                        _ = bound.value.askForHandshake(
                            ConnectionID(loop: 0, slot: 9999, generation: 9), RemoteAddress("192.0.2.1"), isFamiliar: false)
                    }
                    let handler = bound.value.accept(listener, from: RemoteAddress("127.0.0.1"))
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        // Nobody is accepted before all is said.
        let isSaid = Atomic<Bool>(false)
        eventLoop.execute { while !isSaid.load(ordering: .acquiring) { usleep(1000) } }
        let client = try RawClient(port: UInt16(try #require(server.localAddress?.port)))
        // A record of TLS with nothing of sense in it: whoever reads it answers with an alert.
        client.send("\u{16}\u{03}\u{01}\u{00}\u{05}hello")
        client.shutDown()
        isSaid.store(true, ordering: .releasing)
        #expect(client.receive(count: 1) == 0)
        try await server.close().get()
    }

    private func logIn() async throws -> Line {
        let recorder = Recorder()
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        // Between what it hears and what it answers a test may wait for minutes behind others that want the processor.
        let patient = "[site]\ndomain = \"pilsen.example\"\n[limits]\npreauth_time = \"10m\"\n"
        let configuration = try SiteConfiguration.parse(patient, fileName: "test.toml")
        let (settings, contexts) = (NetworkSettings(configuration, dialbackSecret: [1]), try TestContexts.make())
        let bound = try await eventLoop.submit {
            let loop = ConnectionLoop(
                index: 0, eventLoop: eventLoop, site: recorder, passwords: WorkPool(.passwords), settings: settings,
                contexts: contexts, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            return NIOLoopBound(loop, eventLoop: eventLoop)
        }.get()
        let listener = NetworkSettings.Listener(
            kind: .client, path: "listeners.client[0]", address: "127.0.0.1", port: 0, directTLS: false,
            allowsPlainAuthentication: true)
        let server = try await ServerBootstrap(group: eventLoop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = bound.value.accept(listener, from: RemoteAddress("127.0.0.1"))
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(try #require(server.localAddress?.port))
        let line = Line(
            client: try RawClient(port: port), recorder: recorder,
            loop: LoopMailbox(eventLoop: eventLoop) { bound.value.perform($0) }, server: server)
        let header =
            "<stream:stream to='pilsen.example' version='1.0' xmlns='jabber:client' "
            + "xmlns:stream='http://etherx.jabber.org/streams'>"
        line.client.send(header)
        line.client.send(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>\(Base64.encode(Array("\0anna\0secret".utf8)))</auth>"
        )
        _ = await recorder.first { event -> Bool? in
            if case .client(_, .credentialsWanted) = event { true } else { nil }
        }
        let keys = SCRAMKeys(algorithm: .sha256, password: Array("secret".utf8), salt: [1], iterations: 1)
        line.perform(
            .credentials(
                StoredCredentials(
                    account: Self.account, salt: [1], iterations: 1, storedKey: keys.storedKey, serverKey: keys.serverKey,
                    generation: 1, isDecoy: false)))
        _ = await recorder.first { event -> Bool? in if case .client(_, .authenticated) = event { true } else { nil } }
        line.perform(.admit)
        line.client.send(header)
        _ = try await NIOThreadPool.singleton.runIfActive { [client = line.client] in
            let features = client.receive(until: "</stream:features>")
            if !features.contains("xmpp-bind") { _ = client.receive(until: "</stream:features>") }
        }
        return line
    }

    private func messages(_ ids: ClosedRange<Int>) -> String { ids.map { "<message id='\($0)'/>" }.joined() }

    @Test(
        "one read brings hundreds of stanzas: a few are handed over, and more only when the site has handled those; none is lost"
    )
    func manyAtOnce() async throws {
        let line = try await logIn()
        line.client.send(messages(1...500))
        await line.stanza(HandoverWindow.first)
        try await line.settle()
        #expect(line.ids.count == HandoverWindow.first)
        var (handled, answered) = (0, 0)
        while handled < 500 {
            let questions = line.recorder.questions.dropFirst(answered)
            #expect(!questions.isEmpty)
            if questions.isEmpty { break }
            answered += questions.count
            handled += questions.reduce(0) { $0 + $1.count }
            line.loop.post(questions.map { .handled(slot: 0, generation: 1, $0.count) })
            try await line.settle()
            #expect(line.ids.count - handled <= 64)
            if line.ids.count == 500, line.recorder.questions.count == answered { break }
        }
        #expect(line.ids == (1...500).map(String.init))
        try await line.close()
    }

    @Test("the site is asked also where the window is half full, nothing was asked before, and nothing would be read again")
    func halfFull() async throws {
        let line = try await logIn()
        line.client.send(messages(1...18))
        await line.stanza(HandoverWindow.first)
        try await line.settle()
        line.loop.post(line.recorder.questions.map { .handled(slot: 0, generation: 1, $0.count) })
        let answered = line.recorder.questions.count
        await line.stanza(18)
        try await line.settle()
        line.client.send(messages(19...19))
        line.loop.post(line.recorder.questions.dropFirst(answered).map { .handled(slot: 0, generation: 1, $0.count) })
        await line.stanza(19)
        #expect(line.ids == (1...19).map(String.init))
        try await line.close()
    }

    @Test("whatever the sizes, a window that is shut has asked when it may open", arguments: 0..<200 as Range<UInt64>)
    func sizes(seed: UInt64) {
        var window = HandoverWindow(limit: 64)
        var random = SystemRandomNumberGenerator()
        var asked: [Int] = []
        for _ in 0..<400 {
            if window.room > 0, Bool.random(using: &random) {
                if let count = window.posted(Int.random(in: 1...(seed % 2 == 0 ? 1 : 17), using: &random)) {
                    asked.append(count)
                }
            } else if !asked.isEmpty {
                window.handled(asked.removeFirst())
            }
            #expect(window.isOpen || !asked.isEmpty)
        }
    }

    @Test("who has to rest is not listened to meanwhile, and comes back with one stanza at a time")
    func rest() async throws {
        let line = try await logIn()
        let began = ContinuousClock.now
        line.perform(.rest(300))
        try await line.settle()
        line.client.send(messages(1...20))
        await line.stanza(1)
        #expect(ContinuousClock.now - began >= .milliseconds(299))
        try await line.settle()
        #expect(line.ids == ["1"])
        line.loop.post([.handled(slot: 0, generation: 1, 1)])
        await line.stanza(3)
        try await line.settle()
        #expect(line.ids == ["1", "2", "3"])
        try await line.close()
    }

    @Test("what was sent before the socket was closed is handed over all the same, and only then the end")
    func closed() async throws {
        let line = try await logIn()
        line.perform(.rest(200))
        try await line.settle()
        line.client.send(messages(1...100) + "</stream:stream>")
        line.client.shutDown()
        var answered = 0
        while line.ids.count < 100 {
            // Looked at before the questions: what came with these or before them is answered.
            let count = line.ids.count
            let questions = line.recorder.questions.dropFirst(answered)
            answered += questions.count
            line.loop.post(questions.map { .handled(slot: 0, generation: 1, $0.count) })
            await line.stanza(count + 1)
        }
        line.loop.post(line.recorder.questions.dropFirst(answered).map { .handled(slot: 0, generation: 1, $0.count) })
        _ = await line.recorder.first { event -> Bool? in if case .client(_, .closed) = event { true } else { nil } }
        #expect(line.ids == (1...100).map(String.init))
        // What it cost is told before the end, unless it was told already.
        let ends = line.recorder.all.compactMap { event -> String? in
            switch event {
            case .client(_, .spent): nil
            case .client(_, .streamEnded): "stream ended"
            case .client(_, .closed): "closed"
            default: "else"
            }
        }
        #expect(ends.suffix(3) == ["else", "stream ended", "closed"])
        try await line.close()
    }

    @Test(
        "what was sent while the site was still at something else is handed over too, although its sender has closed the socket"
    )
    func closedWhileHeld() async throws {
        let line = try await logIn()
        line.perform(.hold)
        try await line.settle()
        line.client.send(messages(1...100) + "</stream:stream>")
        line.client.shutDown()
        // The socket is gone.
        _ = try await NIOThreadPool.singleton.runIfActive { [client = line.client] in client.receive(count: 1) }
        #expect(line.ids.isEmpty)
        line.perform(.goOn)
        func isOver() -> Bool {
            line.recorder.all.contains { event in if case .client(_, .closed) = event { true } else { false } }
        }
        var answered = 0
        for round in 0..<6000 where !isOver() {
            let questions = line.recorder.questions.dropFirst(answered)
            answered += questions.count
            line.loop.post(questions.map { .handled(slot: 0, generation: 1, $0.count) })
            // Once more at work in between.
            if round == 1 {
                line.perform(.hold)
                line.perform(.goOn)
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(line.ids == (1...100).map(String.init))
        let hasEnded = line.recorder.all.contains { event in if case .client(_, .streamEnded) = event { true } else { false } }
        #expect(hasEnded)
        try await line.close()
    }
}
