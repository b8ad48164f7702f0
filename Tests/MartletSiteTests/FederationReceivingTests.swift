import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

@Suite struct FederationReceivingTests {
    typealias Harness = FederationHarness
    private static let epoch = Epoch(high: 5, low: 6)

    /// Entry `number`, behind the one before; the first of a numbering behind `replaced`.
    private static func entry(_ number: UInt64, epoch: Epoch = epoch, replaced: UInt64? = nil) -> PeerStreamEvent {
        var stanza = Harness.message("m\(number)", from: Harness.bob, to: Harness.alice.bare)
        stanza.relayMark = RelayMark(
            lane: .chat, epoch: epoch, number: number, tag: number * 10, after: number == 1 ? replaced : (number - 1) * 10)
        return .stanza(stanza)
    }

    private static func accepted() -> (Harness, ConnectionID) {
        var harness = Harness()
        let connection = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: connection)
        return (harness, connection)
    }

    @Test("R1, R2: each number is taken once, in order, and answered with what we have")
    func once() {
        var (harness, connection) = Self.accepted()
        for number: UInt64 in [1, 2, 2, 1, 3] { harness.receive(Self.entry(number), on: connection) }
        #expect(harness.routed.compactMap(\.id) == ["m1", "m2", "m3"])
        let haves = harness.takeSent(connection)
        #expect(haves.map { $0["n"] } == ["1", "2", "2", "2", "3"])
        #expect(haves.last?["tag"] == "000000000000001e")
        #expect(harness.routed.allSatisfy { $0.relayMark == nil })
    }

    @Test("R1: a gap is dropped and answered; three in a row end the stream")
    func gap() {
        var (harness, connection) = Self.accepted()
        harness.receive(Self.entry(1), on: connection)
        for number: UInt64 in [3, 4] { harness.receive(Self.entry(number), on: connection) }
        #expect(harness.routed.count == 1)
        #expect(harness.takeSent(connection).map { $0["n"] } == ["1", "1", "1"])
        harness.receive(Self.entry(5), on: connection)
        #expect(
            harness.effects.contains {
                if case .stream(connection, .close(.some(let error))) = $0 {
                    error.condition == .policyViolation
                } else {
                    false
                }
            })
    }

    @Test("R1: over a restart and another socket the number goes on; a late socket repeats nothing")
    func restart() {
        var (harness, old) = Self.accepted()
        harness.receive(Self.entry(1), on: old)
        harness.receive(Self.entry(2), on: old)
        harness.restart()
        let fresh = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: fresh)
        harness.routed = []
        harness.receive(Self.entry(2), on: fresh)
        harness.receive(Self.entry(3), on: fresh)
        #expect(harness.routed.compactMap(\.id) == ["m3"])
    }

    @Test("R1: a new origin store begins at 1; its old numbering never comes back")
    func newEpoch() {
        var (harness, connection) = Self.accepted()
        harness.receive(Self.entry(1), on: connection)
        let next = Epoch(high: 9, low: 9)
        harness.receive(Self.entry(1, epoch: next, replaced: 10), on: connection)
        #expect(harness.routed.count == 2)
        harness.receive(Self.entry(1), on: connection)
        harness.receive(Self.entry(2), on: connection)
        #expect(harness.routed.count == 2)
        harness.receive(Self.entry(2, epoch: next), on: connection)
        #expect(harness.routed.count == 3)
    }

    @Test("a void moves the number and delivers nothing")
    func void() {
        var (harness, connection) = Self.accepted()
        harness.receive(Self.entry(1), on: connection)
        let mark = RelayMark(lane: .chat, epoch: Self.epoch, number: 2, tag: 20, after: 10)
        var void = Element(
            "void", Namespaces.relay, [("from", Harness.peer.description), ("to", Harness.local.description)])
        for (name, value) in mark.attributes { void[name] = value }
        harness.receive(.nonza(void), on: connection)
        harness.receive(Self.entry(3), on: connection)
        #expect(harness.routed.compactMap(\.id) == ["m1", "m3"])
    }

    @Test("an ask is answered for each lane of the pair, and only for pairs that the stream has proven")
    func ask() {
        var (harness, connection) = Self.accepted()
        let ask = Element("ask", Namespaces.relay, [("from", Harness.peer.description), ("to", Harness.local.description)])
        harness.receive(.nonza(ask), on: connection)
        #expect(harness.takeSent(connection).map { $0["lane"] } == ["urgent", "chat", "bulk"])
        let foreign = Element("ask", Namespaces.relay, [("from", "other.example"), ("to", Harness.local.description)])
        harness.receive(.nonza(foreign), on: connection)
        #expect(harness.takeSent(connection).isEmpty)
    }

    @Test("R4: below the disk reserve a numbered stanza is neither counted nor answered")
    func reserve() {
        var (harness, connection) = Self.accepted()
        harness.step(belowReserve: true) { $0.received(Self.entry(1), on: connection, $1) }
        #expect(harness.routed.isEmpty)
        #expect(harness.takeSent(connection).isEmpty)
        // Nothing more is read: a sender whose entry vanished on a stream that lives would wait for its answer for ever.
        #expect(closing(harness, connection) == .resourceConstraint)
        harness.effects = []
        let ask = Element("ask", Namespaces.relay, [("from", Harness.peer.description), ("to", Harness.local.description)])
        harness.step(belowReserve: true) { $0.received(.nonza(ask), on: connection, $1) }
        #expect(closing(harness, connection) == .resourceConstraint)
        harness.receive(Self.entry(1), on: connection)
        #expect(harness.routed.count == 1)
    }

    private func closing(_ harness: Harness, _ connection: ConnectionID) -> StreamError.Condition? {
        for case .stream(connection, .close(let error)) in harness.effects { return error?.condition }
        return nil
    }

    @Test("R1: an entry behind another than ours is not taken: its origin went back in time, and learns it from our have")
    func after() {
        var (harness, connection) = Self.accepted()
        harness.receive(Self.entry(1), on: connection)
        var stanza = Harness.message("other", from: Harness.bob, to: Harness.alice.bare)
        for after in [nil, 11] as [UInt64?] {
            stanza.relayMark = RelayMark(lane: .chat, epoch: Self.epoch, number: 2, tag: 7, after: after)
            harness.receive(.stanza(stanza), on: connection)
        }
        #expect(harness.routed.compactMap(\.id) == ["m1"])
        #expect(harness.takeSent(connection).map { $0["n"] } == ["1", "1", "1"])
        harness.receive(Self.entry(2), on: connection)
        #expect(harness.routed.compactMap(\.id) == ["m1", "m2"])
    }

    @Test("R1: a first entry that does not name what we have is late, whatever its numbering")
    func lateFirst() {
        var (harness, connection) = Self.accepted()
        harness.receive(Self.entry(1), on: connection)
        harness.receive(Self.entry(2), on: connection)
        harness.receive(Self.entry(1, epoch: Epoch(high: 8, low: 8)), on: connection)
        harness.receive(Self.entry(1, epoch: Epoch(high: 8, low: 8), replaced: 10), on: connection)
        #expect(harness.routed.count == 2)
        harness.receive(Self.entry(1, epoch: Epoch(high: 8, low: 8), replaced: 20), on: connection)
        #expect(harness.routed.count == 3)
    }

    @Test("a numbering that was replaced and begins again behind what we have is named in the have: its origin must stop")
    func ended() {
        var (harness, connection) = Self.accepted()
        harness.receive(Self.entry(1), on: connection)
        let next = Epoch(high: 9, low: 9)
        harness.receive(Self.entry(1, epoch: next, replaced: 10), on: connection)
        _ = harness.takeSent(connection)
        harness.receive(Self.entry(1), on: connection)
        #expect(harness.takeSent(connection).map { $0["ended"] } == [nil])
        harness.receive(Self.entry(1, replaced: 10), on: connection)
        #expect(harness.takeSent(connection).map { $0["ended"] } == [Self.epoch.text])
        harness.receive(Self.entry(2, epoch: next), on: connection)
        #expect(harness.takeSent(connection).map { $0["ended"] } == [nil])
        #expect(harness.routed.count == 3)
    }

    @Test("R3: a numbered stanza that is refused is counted with its answer, so that it does not come again")
    func refused() {
        var (harness, connection) = Self.accepted()
        var head = Stanza(.message, from: Harness.bob, to: Harness.local, id: "bad", type: "chat")
        head.relayMark = RelayMark(lane: .chat, epoch: Self.epoch, number: 1, tag: 10, after: nil)
        for _ in 0..<2 { harness.receive(.stanzaRefused(head, StanzaError(.jidMalformed)), on: connection) }
        #expect(harness.routed.map(\.type) == ["error"])
        #expect(harness.takeSent(connection).map { $0["n"] } == ["1", "1"])
        harness.receive(Self.entry(2), on: connection)
        #expect(harness.routed.count == 2)
    }

    @Test("XEP-0198 on a stream that a foreign server opened: counted, answered after the commit")
    func managed() {
        var (harness, connection) = Self.accepted()
        harness.receive(.nonza(Element("enable", Namespaces.streamManagement)), on: connection)
        harness.receive(.stanza(Harness.message("x", from: Harness.bob, to: Harness.alice.bare)), on: connection)
        harness.receive(.nonza(Element("r", Namespaces.streamManagement)), on: connection)
        let sent = harness.takeSent(connection)
        #expect(sent.map(\.name) == ["enabled", "a"])
        #expect(sent.last?["h"] == "1")
    }

    @Test("before a domain is proven nothing is written and no link exists; pending dialbacks are bounded")
    func dialback() {
        var harness = Harness(known: false)
        let connection = harness.newConnection()
        let address = RemoteAddress("192.0.2.1")
        for number in 0..<20 {
            let peer = JID(preparedLocalpart: nil, preparedDomainpart: "p\(number).example", preparedResourcepart: nil)
            let pair = DomainPair(local: Harness.local, peer: peer)
            harness.receive(.dialbackKeyReceived(pair, key: "k", streamID: "s", address: address), on: connection)
        }
        #expect(harness.store.bytes == 0)
        #expect(harness.federation.links.isEmpty)
        let dials = harness.takeDials()
        let streams = harness.policy.limits.pendingDialbacksPerStream
        // The first key of a stream is counted with the stream itself.
        #expect(dials.count <= streams + 1 && dials.count >= streams)
        #expect(dials.allSatisfy { $0.purpose == .verify(key: "k", streamID: "s") })
        let first = dials[0]
        harness.step { $0.dialbackEnded(first.id, .valid, $1) }
        #expect(harness.effects.contains(.stream(connection, .dialbackVerdict(first.pair, .valid))))
    }

    @Test("a stream is for so many domains: each stanza on it looks for its own")
    func manyDomains() {
        var harness = Harness(known: false)
        let connection = harness.newConnection()
        for number in 0..<100 {
            let peer = JID(preparedLocalpart: nil, preparedDomainpart: "p\(number).example", preparedResourcepart: nil)
            let pair = DomainPair(local: Harness.local, peer: peer)
            harness.receive(
                .dialbackKeyReceived(pair, key: "k", streamID: "s", address: RemoteAddress("192.0.2.1")), on: connection)
            // As fast as they are verified of one address.
            harness.pass(250)
            guard let dial = harness.takeDials().last(where: { $0.purpose != .link }) else { continue }
            harness.step { $0.dialbackEnded(dial.id, .valid, $1) }
            harness.receive(.peerVerified(pair, .dialback), on: connection)
        }
        #expect(harness.federation.inbound[connection]?.pairs.count == InboundStream.pairLimit)
        let refused = harness.effects.count {
            if case .stream(connection, .dialbackVerdict(_, .error(.resourceConstraint, _))) = $0 { true } else { false }
        }
        #expect(refused == 100 - InboundStream.pairLimit)
    }

    @Test("a peer that showed a certificate may not fall back to dialback")
    func downgrade() {
        var (harness, certified) = Self.accepted()
        harness.receive(.closed("gone"), on: certified)
        let connection = harness.newConnection()
        harness.receive(
            .dialbackKeyReceived(Harness.outgoing, key: "k", streamID: "s", address: RemoteAddress("192.0.2.1")), on: connection
        )
        #expect(harness.takeDials().filter { $0.purpose != .link }.isEmpty)
        #expect(
            harness.effects.contains {
                if case .stream(connection, .dialbackVerdict(_, .error)) = $0 { true } else { false }
            })
    }
}
