import Testing
import XMPPStreams

/// A generator for these tests: SplitMix64.
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

@Suite("IPAddress")
struct IPAddressTests {
    @Test(
        "addresses in any form are parsed and written in the form of RFC 5952",
        arguments: [
            ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8::A", "2001:db8::a"),
            ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
            ("1:0:0:4:0:0:0:8", "1:0:0:4::8"), ("fe80::0:0:1", "fe80::1"),
        ])
    func parsing(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(canonical) == address)
        #expect(IPAddress(bytes: address.bytes) == address)
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.-4", "1.2.3.4 ", "1.2..4", "0x1.2.3.4", ":", ":::",
            "1:",
            ":1", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "12345::", "g::",
            "fe80::1%eth0", "[::1]", "::+1", "1.2.3.4::", "::1.2.3", "::1.2.3.4:5", "example.org", "١.٢.٣.٤",
        ])
    func refused(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test("bytes of another number than four or sixteen are no address")
    func bytes() {
        #expect(IPAddress(bytes: [1, 2, 3]) == nil)
        #expect(IPAddress(bytes: [127, 0, 0, 1]) == IPAddress("127.0.0.1"))
        #expect(IPAddress(bytes: [UInt8](repeating: 0, count: 15) + [1]) == IPAddress("::1"))
        #expect(IPAddress(bytes: [UInt8](repeating: 0, count: 17)) == nil)
    }

    @Test(
        "scopes",
        arguments: [
            ("127.0.0.1", .loopback), ("127.255.255.255", .loopback), ("::1", .loopback), ("::ffff:127.0.0.1", .loopback),
            ("64:ff9b::7f00:1", .loopback), ("0.0.0.0", .unspecified), ("0.1.2.3", .unspecified), ("::", .unspecified),
            ("169.254.169.254", .linkLocal), ("fe80::1", .linkLocal), ("febf::1", .linkLocal), ("224.0.0.1", .multicast),
            ("239.255.255.255", .multicast), ("ff02::1", .multicast), ("10.0.0.1", .privateUse), ("172.16.0.1", .privateUse),
            ("172.31.255.255", .privateUse), ("172.32.0.0", .global), ("192.168.1.1", .privateUse), ("100.64.0.1", .privateUse),
            ("100.128.0.1", .global), ("fd00::1", .privateUse), ("fec0::1", .privateUse), ("192.0.2.1", .reserved),
            ("198.18.0.1", .reserved), ("255.255.255.255", .reserved), ("2001:db8::1", .reserved), ("::7f00:1", .reserved),
            ("8.8.8.8", .global), ("2001:4860::1", .global), ("::ffff:10.0.0.1", .privateUse),
        ] as [(String, IPAddressScope)])
    func scope(text: String, scope: IPAddressScope) {
        #expect(IPAddress(text)?.scope == scope)
    }
}

@Suite("IPNetwork")
struct IPNetworkTests {
    @Test(
        "a network contains the addresses that share its prefix",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.0", false), ("10.1.2.3/8", "10.9.9.9", true),
            ("0.0.0.0/0", "192.0.2.1", true), ("0.0.0.0/0", "::1", false), ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false), ("192.0.2.0/31", "192.0.2.1", true), ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false), ("2001:db8::/65", "2001:db8::7fff:0:0:1", true),
            ("2001:db8::/65", "2001:db8::8000:0:0:1", false), ("2001:db8::/64", "2001:db8::ffff:0:0:1", true),
            ("::1/128", "::1", true),
            ("::/0", "2001:db8::1", true), ("10.0.0.0/8", "::ffff:10.1.1.1", true), ("::ffff:10.0.0.0/104", "10.1.1.1", true),
            ("::ffff:10.0.0.0/104", "::ffff:11.1.1.1", false), ("::/0", "10.0.0.1", false),
        ])
    func contains(network: String, address: String, expected: Bool) throws {
        #expect(try #require(IPNetwork(network)).contains(try #require(IPAddress(address))) == expected)
    }

    @Test(
        "what is no network is refused",
        arguments: [
            "", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8", "10/8",
            "::ffff:1.2.3.4/129",
        ])
    func refused(text: String) {
        #expect(IPNetwork(text) == nil)
    }

    @Test("a network is written with its first address")
    func description() {
        #expect(IPNetwork("10.1.2.3/8")?.description == "10.0.0.0/8")
        #expect(IPNetwork("2001:db8::1")?.description == "2001:db8::1/128")
    }
}

@Suite("ServiceTarget")
struct ServiceTargetTests {
    private func target(_ host: String, _ priority: UInt16, _ weight: UInt16) -> ServiceTarget {
        ServiceTarget(host: host, port: 5269, directTLS: false, priority: priority, weight: weight)
    }

    @Test("RFC 2782: targets go by priority whatever their weight")
    func priority() {
        var random = Generator(state: 1)
        for _ in 0..<100 {
            let ordered = ServiceTarget.ordered([target("c", 3, 9), target("a", 1, 0), target("b", 2, 65_535)], using: &random)
            #expect(ordered.map(\.host) == ["a", "b", "c"])
        }
    }

    @Test("RFC 2782: within a priority the first place goes by weight, and weight 0 has a very small chance")
    func weight() {
        var random = Generator(state: 2)
        var first: [String: Int] = [:]
        for _ in 0..<4_000 {
            let ordered = ServiceTarget.ordered(
                [target("heavy", 1, 30), target("light", 1, 10), target("never", 1, 0)], using: &random)
            #expect(ordered.count == 3)
            first[ordered[0].host, default: 0] += 1
        }
        #expect((2_700...3_100).contains(first["heavy", default: 0]))
        #expect((850...1_150).contains(first["light", default: 0]))
        #expect((20...250).contains(first["never", default: 0]))
    }

    @Test("targets without weight all get their turn at the end, and none is lost")
    func zero() {
        var random = Generator(state: 3)
        let targets = (0..<5).map { target("h\($0)", 0, 0) }
        #expect(Set(ServiceTarget.ordered(targets, using: &random)) == Set(targets))
        #expect(ServiceTarget.ordered([], using: &random).isEmpty)
    }
}

/// A resolution with a resolver that knows a table.
private struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let answers: [String: ResolverAnswer]
    let expected: PeerResolution.Action

    init(_ description: String, _ answers: [String: ResolverAnswer], _ expected: PeerResolution.Action) {
        testDescription = description
        self.answers = answers
        self.expected = expected
    }
}

private func srv(_ records: (UInt16, UInt16, String)...) -> ResolverAnswer {
    .records(records.map { .service(priority: $0.0, weight: 0, port: $0.1, target: $0.2) }, secure: false)
}

private func addresses(_ texts: String..., secure: Bool = false) -> ResolverAnswer {
    .records(texts.compactMap { IPAddress($0).map { .address($0) } }, secure: secure)
}

private func endpoint(_ address: String, _ port: UInt16, _ host: String, directTLS: Bool = false) -> Endpoint {
    Endpoint(address: IPAddress(address) ?? .v4(0), port: port, directTLS: directTLS, host: host)
}

private let direct = "_xmpps-server._tcp.a.example SRV"
private let startTLS = "_xmpp-server._tcp.a.example SRV"
private let servfail = ResolverAnswer.failure("SERVFAIL")
private let missing = ResolverAnswer.nameDoesNotExist

/// Names not in the table exist without the record asked for, unless they are SRV names: those do not exist.
private let cases: [Case] = [
    Case(
        "both kinds of SRV records are tried by priority together",
        [
            direct: srv((2, 5270, "x.example")), startTLS: srv((1, 5269, "x.example"), (3, 5269, "y.example")),
            "x.example A": addresses("192.0.2.1"), "y.example A": addresses("192.0.2.2"),
        ],
        .connect([
            endpoint("192.0.2.1", 5269, "x.example"), endpoint("192.0.2.1", 5270, "x.example", directTLS: true),
            endpoint("192.0.2.2", 5269, "y.example"),
        ])),
    Case(
        "RFC 8305 §4: families in turn, IPv6 first, and the rest at the end",
        [
            startTLS: srv((1, 5269, "x.example")), "x.example A": addresses("192.0.2.1", "192.0.2.2", "192.0.2.3"),
            "x.example AAAA": addresses("2001:db8::1"),
        ],
        .connect([
            endpoint("2001:db8::1", 5269, "x.example"), endpoint("192.0.2.1", 5269, "x.example"),
            endpoint("192.0.2.2", 5269, "x.example"), endpoint("192.0.2.3", 5269, "x.example"),
        ])),
    Case(
        "RFC 6120 §3.2.2: without SRV records the domain's own addresses and port 5269",
        ["a.example A": addresses("192.0.2.1")], .connect([endpoint("192.0.2.1", 5269, "a.example")])),
    Case(
        "a failed SRV lookup never falls back to the domain's address",
        [startTLS: servfail, "a.example A": addresses("192.0.2.1")], .failed("\(startTLS): SERVFAIL")),
    Case(
        "a failed lookup of direct TLS never falls back either",
        [direct: servfail, "a.example A": addresses("192.0.2.1")], .failed("\(direct): SERVFAIL")),
    Case(
        "one failed SRV lookup does not hide the targets of the other",
        [direct: servfail, startTLS: srv((1, 5269, "x.example")), "x.example A": addresses("192.0.2.1")],
        .connect([endpoint("192.0.2.1", 5269, "x.example")])),
    Case(
        "RFC 2782: a sole target of \".\" means that the service is not offered",
        [startTLS: srv((0, 0, ".")), "a.example A": addresses("192.0.2.1")], .notOffered),
    Case("both refused", [startTLS: srv((0, 0, ".")), direct: srv((0, 0, "."))], .notOffered),
    Case(
        "\".\" for one kind leaves the other",
        [startTLS: srv((0, 0, ".")), direct: srv((0, 5270, "x.example")), "x.example A": addresses("192.0.2.1")],
        .connect([endpoint("192.0.2.1", 5270, "x.example", directTLS: true)])),
    Case(
        "XEP-0368 §3: \".\" for direct TLS alone forbids the fallback to the domain's address",
        [direct: srv((0, 0, ".")), "a.example A": addresses("192.0.2.1")], .notOffered),
    Case(
        "\".\" is not final while the other kind is unknown", [startTLS: srv((0, 0, ".")), direct: servfail],
        .failed("\(direct): SERVFAIL")),
    Case(
        "\".\" among other targets is passed over",
        [startTLS: srv((0, 1, "."), (1, 5269, "x.example")), "x.example A": addresses("192.0.2.1")],
        .connect([endpoint("192.0.2.1", 5269, "x.example")])),
    Case(
        "NXDOMAIN for everything proves that there is no such domain", ["a.example A": missing, "a.example AAAA": missing],
        .noSuchDomain),
    Case("a domain that exists without an address has no server", [:], .noAddress),
    Case(
        "a domain with other records at its SRV name exists",
        [startTLS: .noData, "a.example A": missing, "a.example AAAA": missing], .noAddress),
    Case(
        "a failed address lookup is no proof of absence", ["a.example AAAA": missing, "a.example A": servfail],
        .failed("a.example A: SERVFAIL")),
    Case(
        "a failed family does not hide the other",
        ["a.example AAAA": servfail, "a.example A": addresses("192.0.2.1")],
        .connect([endpoint("192.0.2.1", 5269, "a.example")])),
    Case(
        "announced servers without addresses are not proof of absence",
        [startTLS: srv((1, 5269, "x.example")), "x.example A": missing, "x.example AAAA": missing],
        .failed("no server of a.example has an address")),
    Case(
        "one target without an address does not hide the others",
        [
            startTLS: srv((1, 5269, "x.example"), (2, 5269, "y.example")), "x.example A": missing,
            "y.example A": addresses("192.0.2.2"),
        ],
        .connect([endpoint("192.0.2.2", 5269, "y.example")])),
    Case(
        "records of another type in an answer are passed over",
        [
            startTLS: .records(
                [.address(.v4(1)), .service(priority: 1, weight: 0, port: 5269, target: "x.example")], secure: false),
            "x.example A": addresses("2001:db8::1", "192.0.2.1", "192.0.2.1"),
        ], .connect([endpoint("192.0.2.1", 5269, "x.example")])),
    Case(
        "SRV records of which none is usable tell nothing", [startTLS: srv((1, 0, "x.example"))],
        .failed("\(startTLS): no usable record")),
]

@Suite("PeerResolution")
struct PeerResolutionTests {
    /// Answers everything the resolution asks, in an order drawn from the generator.
    private func run(
        _ domain: String, seed: UInt64 = 0, _ resolver: (ResolutionQuery) -> ResolverAnswer
    ) -> (last: PeerResolution.Action, asked: [ResolutionQuery]) {
        var random = Generator(state: seed)
        var resolution = PeerResolution(domain: domain)
        var action = resolution.started()
        var open: [ResolutionQuery] = []
        var asked: [ResolutionQuery] = []
        while true {
            switch action {
            case .ask(let queries):
                open += queries
                asked += queries
            case .wait: break
            default:
                #expect(open.isEmpty)
                return (action, asked)
            }
            guard !open.isEmpty else {
                Issue.record("waits without a question")
                return (action, asked)
            }
            let query = open.remove(at: Int.random(in: 0..<open.count, using: &random))
            action = resolution.answered(query, resolver(query), using: &random)
        }
    }

    @Test("RFC 6120 §3.2 and XEP-0368", arguments: cases)
    private func table(of one: Case) {
        for seed in 0..<5 as Range<UInt64> {
            let (last, _) = run("a.example", seed: seed) { query in
                one.answers[query.description] ?? (query.type == .srv ? .nameDoesNotExist : .noData)
            }
            #expect(last == one.expected)
        }
    }

    @Test("both kinds of service are asked for together, and each host once per family")
    func queries() {
        let (_, asked) = run("a.example") { query in
            query.type == .srv ? srv((1, 5269, "x.example"), (2, 5270, "x.example")) : .noData
        }
        #expect(asked.prefix(2).map(\.description) == [direct, startTLS])
        #expect(asked.dropFirst(2).map(\.description) == ["x.example AAAA", "x.example A"])
    }

    @Test("an address literal needs no resolver", arguments: [("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "2001:db8::1")])
    func literal(domain: String, address: String) {
        #expect(run(domain) { _ in servfail }.last == .connect([endpoint(address, 5269, domain)]))
    }

    @Test("endpoints are secure only if DNSSEC proved both the SRV record and the address")
    func secure() {
        for (service, address) in [(true, true), (true, false), (false, true)] {
            let (last, _) = run("a.example") { query in
                switch query.type {
                case .srv where query.description == direct: .noData
                case .srv: .records([.service(priority: 1, weight: 1, port: 5269, target: "x.example")], secure: service)
                case .a: addresses("192.0.2.1", secure: address)
                default: .noData
                }
            }
            guard case .connect(let endpoints) = last else {
                Issue.record("\(last)")
                continue
            }
            #expect(endpoints.map(\.isSecure) == [service && address])
        }
    }

    @Test("a hostile domain with hundreds of targets and addresses costs a bounded number of lookups and connections")
    func bounds() {
        let (last, asked) = run("a.example") { query in
            switch query.type {
            case .srv:
                .records(
                    (0..<500).map { .service(priority: 1, weight: 1, port: 5269, target: "h\($0).example") }, secure: false)
            case .a: .records((0..<500).map { .address(.v4($0)) }, secure: false)
            default: .noData
            }
        }
        #expect(asked.count == 2 + 2 * 16)
        guard case .connect(let endpoints) = last else {
            Issue.record("\(last)")
            return
        }
        #expect(endpoints.count == 16 * 8)
    }

    @Test("answers that were not waited for change nothing")
    func strays() {
        var random = Generator(state: 0)
        var resolution = PeerResolution(domain: "a.example")
        let query = ResolutionQuery(name: "a.example", type: .a)
        let service = ResolutionQuery(name: "_xmpp-server._tcp.a.example", type: .srv)
        #expect(resolution.answered(query, .noData, using: &random) == .wait)
        _ = resolution.started()
        #expect(resolution.started() == .wait)
        #expect(resolution.answered(query, addresses("192.0.2.1"), using: &random) == .wait)
        #expect(resolution.answered(service, .noData, using: &random) == .wait)
        #expect(resolution.answered(service, servfail, using: &random) == .wait)
        let other = ResolutionQuery(name: "_xmpps-server._tcp.a.example", type: .srv)
        #expect(
            resolution.answered(other, .noData, using: &random)
                == .ask([ResolutionQuery(name: "a.example", type: .aaaa), query]))
    }

    @Test("names that DNS has no room for are told")
    func names() {
        let label = String(repeating: "a", count: 63)
        let longest = [label, label, label, String(repeating: "a", count: 61)].joined(separator: ".")
        for name in [".", "a.example", "_xmpp-server._tcp.example", label, longest] {
            #expect(ResolutionQuery(name: name, type: .a).isPossibleName)
        }
        for name in ["", "a..b", "a.", label + "a", longest + "a", "a b", "a\\b", "ü.example"] {
            #expect(!ResolutionQuery(name: name, type: .a).isPossibleName)
        }
    }
}
