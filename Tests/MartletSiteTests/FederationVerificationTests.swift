import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStreams

@testable import MartletFederation

private typealias Harness = FederationHarness

/// What strangers can make us do by dialback (XEP-0220), which takes no proof of anything.
@Suite struct FederationVerificationTests {
    private static func domain(_ name: String) -> JID {
        JID(preparedLocalpart: nil, preparedDomainpart: name, preparedResourcepart: nil)
    }

    private static func key(_ number: Int, for peer: JID, from address: String) -> PeerStreamEvent {
        .dialbackKeyReceived(
            DomainPair(local: Harness.local, peer: peer), key: "key\(number)", streamID: "stream\(number)",
            address: RemoteAddress(address))
    }

    /// Whoever is asked refuses at once, for so long; how often somebody was asked.
    private static func refuseAll(_ harness: inout FederationHarness, for milliseconds: Int64, _ more: (inout Harness) -> Void)
        -> Int
    {
        var count = 0
        let end = harness.now + milliseconds
        while harness.now < end {
            more(&harness)
            let dials = harness.takeDials()
            count += dials.count
            for dial in dials { harness.step { $0.dialbackEnded(dial.id, .invalid, $1) } }
            harness.effects = []
            harness.pass(50)
        }
        return count
    }

    @Test("one address has no more verified than a few in a second, however many domains and streams it names")
    func addresses() {
        var harness = Harness(known: false)
        var number = 0
        let count = Self.refuseAll(&harness, for: 10_000) { harness in
            let connection = harness.newConnection()
            for _ in 0..<16 {
                number += 1
                harness.receive(Self.key(number, for: Self.domain("d\(number).example"), from: "192.0.2.1"), on: connection)
            }
        }
        #expect(number == 3200)
        #expect(count > 40 && count <= 16 + 4 * 10 + 1)
    }

    @Test("a domain is asked about once at a time, and not more than a few times in a second, by however many addresses")
    func domains() {
        var harness = Harness(known: false)
        var number = 0
        let victim = Self.domain("victim.example")
        for _ in 0..<50 {
            number += 1
            harness.receive(Self.key(number, for: victim, from: "192.0.2.\(number)"), on: harness.newConnection())
        }
        #expect(harness.takeDials().count == 1)
        harness.step { federation, turn in for id in 1...50 { federation.dialbackEnded(DialID(UInt64(id)), .invalid, turn) } }
        let count = Self.refuseAll(&harness, for: 10_000) { harness in
            for address in 0..<10 {
                number += 1
                harness.receive(Self.key(number, for: victim, from: "198.51.100.\(address)"), on: harness.newConnection())
            }
        }
        #expect(count <= 16 + 4 * 10 + 1)
    }

    @Test("a domain that does not answer is not asked again for some seconds: who waits for it is told what is known")
    func silence() throws {
        var harness = Harness(known: false)
        let victim = Self.domain("victim.example")
        let streams = (0..<5).map { _ in harness.newConnection() }
        for (number, stream) in streams.enumerated() {
            harness.receive(Self.key(number, for: victim, from: "192.0.2.\(number)"), on: stream)
        }
        let dials = harness.takeDials()
        #expect(dials.count == 1)
        harness.step { $0.dialbackEnded(dials[0].id, .error(.remoteServerTimeout, words: "no answer"), $1) }
        #expect(harness.takeDials().isEmpty)
        for stream in streams {
            let pair = DomainPair(local: Harness.local, peer: victim)
            let told = Effect.stream(stream, .dialbackVerdict(pair, .error(.remoteServerTimeout, words: "no answer")))
            #expect(harness.effects.contains(told))
        }
        harness.receive(Self.key(9, for: victim, from: "192.0.2.9"), on: harness.newConnection())
        #expect(harness.takeDials().isEmpty)
        harness.pass(5000)
        harness.receive(Self.key(10, for: victim, from: "192.0.2.10"), on: harness.newConnection())
        #expect(harness.takeDials().count == 1)
    }

    @Test("who floods with keys waits behind himself: a key from elsewhere is verified next")
    func fairness() throws {
        var harness = Harness(known: false)
        for stream in 0..<4 {
            let connection = harness.newConnection()
            for number in 0..<16 {
                harness.receive(
                    Self.key(number, for: Self.domain("d\(stream)-\(number).example"), from: "192.0.2.1"), on: connection)
            }
        }
        #expect(harness.takeDials().count == 16)
        harness.receive(Self.key(0, for: Self.domain("other.example"), from: "192.0.2.2"), on: harness.newConnection())
        let next = try #require(harness.takeDials().first)
        #expect(next.pair.peer == Self.domain("other.example"))
        #expect(next.cause == Cause(.stranger, .address(RemoteAddress("192.0.2.2"))))
    }

    @Test("strangers who speak in the name of an office are not in the way of one that has proven itself from its address")
    func offices() throws {
        var harness = Harness()
        let office = harness.newConnection()
        _ = harness.takeDials()
        harness.receive(Self.key(0, for: Harness.peer, from: "203.0.113.1"), on: office)
        let first = try #require(harness.takeDials().first)
        #expect(first.cause.standing == .stranger)
        harness.step { $0.dialbackEnded(first.id, .valid, $1) }
        for number in 0..<200 {
            harness.receive(Self.key(number, for: Harness.peer, from: "192.0.2.\(number % 50)"), on: harness.newConnection())
        }
        _ = harness.takeDials()
        harness.receive(Self.key(1, for: Harness.peer, from: "203.0.113.1"), on: harness.newConnection())
        let second = try #require(harness.takeDials().first { $0.purpose != .link })
        #expect(second.purpose == .verify(key: "key1", streamID: "stream1"))
        #expect(second.cause == Cause(.office, .address(RemoteAddress("203.0.113.1"))))
    }

    @Test(
        "where we have found an office ourselves it comes before strangers, also after a start, and nobody makes us forget where it was"
    )
    func foundOffices() throws {
        var harness = Harness()
        harness.acceptMessage("one")
        let link = try #require(harness.takeDials().first)
        let features = PeerFeatures(relay: true, streamManagement: false, proof: .dialback, peerCertificateVerified: false)
        let found = [RememberedEndpoint(address: "2001:db8:1:2:3::4", port: 5269, directTLS: false)]
        let outgoing = harness.newConnection()
        harness.step { $0.dialed(link.id, outgoing, features, found, $1) }
        harness.restart()
        harness.effects = []
        harness.receive(Self.key(1, for: Harness.peer, from: "2001:db8:1:2::/64"), on: harness.newConnection())
        let first = try #require(harness.takeDials().first { $0.purpose != .link })
        #expect(first.cause == Cause(.office, .address(RemoteAddress("2001:db8:1:2::/64"))))
        harness.step { $0.dialbackEnded(first.id, .valid, $1) }
        harness.receive(Self.key(2, for: Harness.peer, from: "203.0.113.1"), on: harness.newConnection())
        let second = try #require(harness.takeDials().first { $0.purpose != .link })
        #expect(second.cause.standing == .stranger)
        harness.step { $0.dialbackEnded(second.id, .valid, $1) }
        // A stranger with a domain and as many addresses as there is room for.
        var ended: [Verification] = []
        for number in 0..<5000 {
            let peer = Self.domain("d\(number).example")
            let verification = Verification(
                connection: outgoing, pair: DomainPair(local: Harness.local, peer: peer), key: "", streamID: "",
                address: RemoteAddress("x\(number)"), standing: .stranger)
            ended.append(verification)
        }
        harness.step { for verification in ended { $0.verifications.ended(verification, .valid, at: $1.now, $1.policy) } }
        harness.pass(10_000)
        _ = harness.takeDials()
        harness.receive(Self.key(3, for: Harness.peer, from: "203.0.113.1"), on: harness.newConnection())
        let third = try #require(harness.takeDials().first { $0.purpose != .link })
        #expect(third.cause.standing == .office)
    }

    @Test("all strangers together have no more verified than some in a second, however many addresses and domains they have")
    func everybody() {
        var harness = Harness(known: false)
        var number = 0
        let count = Self.refuseAll(&harness, for: 10_000) { harness in
            let connections = (0..<12).map { _ in harness.newConnection() }
            harness.step { federation, turn in
                for connection in connections {
                    number += 1
                    let key = Self.key(number, for: Self.domain("d\(number).example"), from: "2001:db8:0:\(number)::/64")
                    federation.received(key, on: connection, turn)
                }
            }
        }
        #expect(count > 200 && count <= 64 + 40 * 10 + 1)
    }

    @Test("what came on a stream that has ended is not verified any more, and leaves nothing behind")
    func endedStreams() {
        var harness = Harness(known: false)
        for round in 0..<200 {
            let connection = harness.newConnection()
            for number in 0..<16 {
                let peer = Self.domain("d\(round)-\(number).example")
                harness.receive(Self.key(number, for: peer, from: "192.0.2.\(round)"), on: connection)
            }
            harness.receive(.closed("gone"), on: connection)
        }
        let begun = Set(harness.takeDials().map(\.id))
        let ended = Set(harness.effects.compactMap { if case .cancelDial(let id) = $0 { id } else { nil } })
        #expect(begun == ended)
        harness.pass(60_000)
        #expect(harness.takeDials().isEmpty)
        #expect(harness.federation.dials.isEmpty)
        #expect(harness.federation.verifications.waiting == 0 && harness.federation.verifications.underWay == 0)
    }

    @Test("in whatever order verifications come, end and are given up, none is left over and a later one is begun")
    func anyOrder() throws {
        for seed in 0..<30 as Range<UInt64> {
            var random = RandomStream(seed: seed)
            var harness = Harness(known: false)
            var streams = (0..<6).map { _ in harness.newConnection() }
            var begun: [DialRequest] = []
            for number in 0..<300 {
                let stream = Int.random(in: 0..<6, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1:
                    let peer = Self.domain("d\(Int.random(in: 0..<40, using: &random)).example")
                    harness.receive(Self.key(number, for: peer, from: "192.0.2.\(stream)"), on: streams[stream])
                case 2:
                    guard let dial = begun.popLast() else { continue }
                    let verdicts: [DialbackVerdict] = [.valid, .invalid, .error(.remoteServerTimeout, words: "")]
                    let verdict = verdicts.randomElement(using: &random) ?? .valid
                    harness.step { $0.dialbackEnded(dial.id, verdict, $1) }
                default:
                    if Int.random(in: 0..<5, using: &random) == 0 {
                        harness.receive(.closed("gone"), on: streams[stream])
                        streams[stream] = harness.newConnection()
                    } else {
                        harness.pass(Int64.random(in: 0..<2000, using: &random))
                    }
                }
                begun += harness.takeDials()
            }
            harness.pass(60_000)
            #expect(harness.federation.dials.isEmpty && harness.federation.verifications.underWay == 0)
            #expect(harness.federation.verifications.waiting == 0)
            harness.receive(Self.key(0, for: Self.domain("last.example"), from: "192.0.2.77"), on: harness.newConnection())
            #expect(harness.takeDials().last?.pair.peer == Self.domain("last.example"))
        }
    }

    @Test("whose doing an attempt is: an office's, an account's, nobody's here")
    func causes() throws {
        var harness = Harness()
        harness.acceptMessage("one")
        #expect(harness.takeDials().map(\.cause) == [Cause(.office, .peer(Harness.peer))])
        let elsewhere = JID(preparedLocalpart: "eve", preparedDomainpart: "far.example", preparedResourcepart: nil)
        harness.step { _, turn in _ = AddressTable.makeNumber(of: Harness.alice.bare, in: turn.store) }
        harness.acceptMessage("two", to: elsewhere)
        let dial = try #require(harness.takeDials().first)
        #expect(dial.cause.standing == .person)
        guard case .account = dial.cause.party else {
            Issue.record("the account is not named")
            return
        }
    }
}
