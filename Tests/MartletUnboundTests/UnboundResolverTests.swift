import Glibc
import Synchronization
import Testing
import XMPPStreams

@testable import MartletUnbound

private func ask(
    _ resolver: UnboundResolver, _ name: String, _ type: ResolutionQuery.RecordType, deadline: Duration = .seconds(30)
) async -> ResolverAnswer {
    await withCheckedContinuation { continuation in
        resolver.lookup(ResolutionQuery(name: name, type: type), deadline: deadline) { continuation.resume(returning: $0) }
    }
}

private func configuration(_ servers: [String]) -> UnboundResolver.Configuration {
    UnboundResolver.Configuration(servers: servers, hostsFile: nil)
}

private func isFailure(_ answer: ResolverAnswer) -> Bool {
    if case .failure = answer { true } else { false }
}

private func address(_ text: String) -> ResourceRecord { .address(IPAddress(text) ?? .v4(0)) }

private let records = [
    "_xmpp-server._tcp.a.example. 300 IN SRV 1 5 5269 XMPP.a.example.",
    "_xmpp-server._tcp.a.example. 300 IN SRV 2 0 5270 backup.a.example.",
    "_xmpps-server._tcp.a.example. 300 IN SRV 0 0 0 .",
    "xmpp.a.example. 300 IN A 127.0.0.2",
    "backup.a.example. 300 IN A 127.0.0.3",
    "backup.a.example. 300 IN AAAA ::1",
    "_5269._tcp.xmpp.a.example. 300 IN TLSA 3 1 1 00ff10",
]

@Suite("UnboundResolver", .serialized, .enabled(if: NameServer.isInstalled))
struct UnboundResolverTests {
    @Test("records of all types come decoded; no data and no such name are told apart; a refusing server is a failure")
    func answers() async throws {
        let server = try NameServer(records)
        let resolver = try UnboundResolver(configuration([server.address]))
        guard case .records(let targets, secure: false) = await ask(resolver, "_xmpp-server._tcp.a.example", .srv) else {
            Issue.record("no records")
            return
        }
        #expect(
            Set(targets) == [
                .service(priority: 1, weight: 5, port: 5269, target: "xmpp.a.example"),
                .service(priority: 2, weight: 0, port: 5270, target: "backup.a.example"),
            ])
        #expect(
            await ask(resolver, "_xmpps-server._tcp.a.example", .srv)
                == .records([.service(priority: 0, weight: 0, port: 0, target: ".")], secure: false))
        #expect(await ask(resolver, "xmpp.a.example", .a) == .records([address("127.0.0.2")], secure: false))
        #expect(await ask(resolver, "XMPP.A.example", .a) == .records([address("127.0.0.2")], secure: false))
        #expect(await ask(resolver, "backup.a.example", .aaaa) == .records([address("::1")], secure: false))
        #expect(
            await ask(resolver, "_5269._tcp.xmpp.a.example", .tlsa)
                == .records([.certificate(usage: 3, selector: 1, matching: 1, data: [0, 255, 16])], secure: false))
        #expect(await ask(resolver, "xmpp.a.example", .aaaa) == .noData)
        #expect(await ask(resolver, "a.example", .a) == .noData)
        #expect(await ask(resolver, "none.example", .a) == .nameDoesNotExist)
        #expect(await ask(resolver, "_xmpp-server._tcp.none.example", .srv) == .nameDoesNotExist)
        #expect(isFailure(await ask(resolver, "x.refused.example", .a)))
    }

    @Test("names that cannot be in DNS do not exist")
    func impossibleNames() async throws {
        let resolver = try UnboundResolver(configuration(["127.0.0.1@\(NameServer.freePort())"]))
        for name in [
            "", "a..example", String(repeating: "a", count: 64) + ".example", String(repeating: "a.", count: 127) + "a",
        ] {
            #expect(await ask(resolver, name, .a) == .nameDoesNotExist)
        }
    }

    @Test("a dead server is a failure, not absence, and its names resolve again when it is back")
    func deadServer() async throws {
        let port = NameServer.freePort()
        let resolver = try UnboundResolver(configuration(["127.0.0.1@\(port)"]))
        for number in 0..<3 {
            #expect(isFailure(await ask(resolver, "x\(number).example", .a, deadline: .milliseconds(300))))
        }
        #expect(isFailure(await ask(resolver, "xmpp.a.example", .a, deadline: .milliseconds(300))))
        let server = try NameServer(records, port: port)
        var answer = ResolverAnswer.failure("not asked")
        for _ in 0..<60 where isFailure(answer) { answer = await ask(resolver, "xmpp.a.example", .a, deadline: .seconds(1)) }
        #expect(answer == .records([address("127.0.0.2")], secure: false))
        #expect(server.port == port)
    }

    @Test("lookups beyond the limit fail at once, and shutting down answers those outstanding and all later ones")
    func limitAndShutdown() async throws {
        var limited = configuration(["127.0.0.1@\(NameServer.freePort())"])
        limited.outstandingLimit = 2
        let resolver = try UnboundResolver(limited)
        let answers = Mutex<[ResolverAnswer]>([])
        for number in 0..<3 {
            resolver.lookup(ResolutionQuery(name: "x\(number).example", type: .a), deadline: .seconds(600)) { answer in
                answers.withLock { $0.append(answer) }
            }
        }
        #expect(answers.withLock { $0 } == [.failure("too many lookups are outstanding")])
        resolver.shutdown()
        #expect(answers.withLock { $0.count } == 3)
        #expect(answers.withLock { $0.allSatisfy(isFailure) })
        #expect(await ask(resolver, "a.example", .a) == .failure("the resolver is shut down"))
        resolver.shutdown()
    }

    @Test("a resolver can be let go from its own completion")
    func lettingGo() async throws {
        let server = try NameServer(records)
        let resolver = try UnboundResolver(configuration([server.address]))
        let answer: ResolverAnswer = await withCheckedContinuation { continuation in
            resolver.lookup(ResolutionQuery(name: "xmpp.a.example", type: .a)) { answer in
                resolver.shutdown()
                continuation.resume(returning: answer)
            }
        }
        #expect(answer == .records([address("127.0.0.2")], secure: false))
    }

    @Test("200 lookups at a time each get their own answer")
    func many() async throws {
        let server = try NameServer((0..<200).map { "h\($0).example. 300 IN A 127.0.1.\($0)" })
        let resolver = try UnboundResolver(configuration([server.address]))
        await withTaskGroup(of: (Int, ResolverAnswer).self) { group in
            for number in 0..<200 { group.addTask { (number, await ask(resolver, "h\(number).example", .a)) } }
            for await (number, answer) in group { #expect(answer == .records([address("127.0.1.\(number)")], secure: false)) }
        }
    }

    @Test("the hosts file wins for addresses")
    func hosts() async throws {
        let file = try writeTemporary("127.0.0.9 XMPP.a.example other.example\n::1 six.example\n")
        defer { unlink(file) }
        let server = try NameServer(records)
        let resolver = try UnboundResolver(UnboundResolver.Configuration(servers: [server.address], hostsFile: file))
        #expect(await ask(resolver, "xmpp.a.example", .a) == .records([address("127.0.0.9")], secure: false))
        #expect(await ask(resolver, "other.example", .a) == .records([address("127.0.0.9")], secure: false))
        #expect(await ask(resolver, "six.example", .aaaa) == .records([address("::1")], secure: false))
        #expect(await ask(resolver, "backup.a.example", .a) == .records([address("127.0.0.3")], secure: false))
    }

    @Test("a machine without a file of hosts resolves all the same")
    func noHosts() {
        #expect(UnboundResolver.hostsFile("/nonexistent/hosts") == nil)
        #expect(UnboundResolver.hostsFile("/etc/passwd") == "/etc/passwd")
    }

    @Test("what is no server and files that cannot be read are refused in words")
    func refusedConfigurations() {
        #expect(throws: UnboundFailure.self) { try UnboundResolver(servers: ["not an address"]) }
        #expect(throws: UnboundFailure.self) {
            try UnboundResolver(UnboundResolver.Configuration(servers: ["127.0.0.1"], hostsFile: "/nonexistent/hosts"))
        }
    }

    @Test("a peer is resolved from its domain to its endpoints")
    func peer() async throws {
        let server = try NameServer(records)
        let resolver = try UnboundResolver(configuration([server.address]))
        var random = SystemRandomNumberGenerator()
        var resolution = PeerResolution(domain: "a.example")
        var action = resolution.started()
        while case .ask(let queries) = action {
            for query in queries {
                action = resolution.answered(query, await ask(resolver, query.name, query.type), using: &random)
            }
        }
        guard case .connect(let endpoints) = action else {
            Issue.record("\(action)")
            return
        }
        #expect(endpoints.map(\.description) == ["127.0.0.2:5269", "[::1]:5270", "127.0.0.3:5270"])
        #expect(endpoints.allSatisfy { !$0.directTLS })
    }
}

@Suite("Raw record data")
struct RecordDataTests {
    @Test("a target is read as a name in lower case")
    func names() {
        let head: [UInt8] = [0, 1, 0, 2, 0x14, 0x95]
        #expect(
            ResourceRecord(head + [1, 0x41, 2, 0x62, 0x2D, 0], .srv)
                == .service(priority: 1, weight: 2, port: 5269, target: "a.b-"))
        #expect(ResourceRecord(head + [0], .srv) == .service(priority: 1, weight: 2, port: 5269, target: "."))
    }

    @Test("data of a wrong length, pointers, unfinished names and names with other bytes than hosts have are passed over")
    func malformed() {
        let head: [UInt8] = [0, 1, 0, 2, 0x14, 0x95]
        let tails: [[UInt8]] = [
            [], [1], [1, 0x61], [2, 0x61, 0], [0xC0, 0x0C], [1, 0x61, 0, 0], [64] + [UInt8](repeating: 0x61, count: 64) + [0],
            [1, 0x2E, 0], [1, 0, 0], [1, 0xFF, 0], [1, 0x20, 0],
            (0..<128).flatMap { _ in [1, 0x61] as [UInt8] } + [0],
        ]
        for tail in tails { #expect(ResourceRecord(head + tail, .srv) == nil, "\(tail)") }
        #expect(ResourceRecord([0, 1, 0], .srv) == nil)
        for count in [0, 3, 5, 16] { #expect(ResourceRecord([UInt8](repeating: 1, count: count), .a) == nil) }
        for count in [0, 4, 15, 17] { #expect(ResourceRecord([UInt8](repeating: 1, count: count), .aaaa) == nil) }
        #expect(ResourceRecord([3, 1, 1], .tlsa) == nil)
    }
}
