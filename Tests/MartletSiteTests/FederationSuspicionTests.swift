import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// What follows for everything else when streams end over what was written to them (`Docs/relay-protocol.md` S7).
@Suite("Streams under suspicion")
struct FederationSuspicionTests {
    typealias Harness = FederationHarness

    private static let slot = LinkID(slot: 0)

    private static func long(_ count: Int) -> String { String(repeating: "x", count: count) }

    private static func message(_ id: String, _ bytes: Int, from: JID = Harness.alice) -> Stanza {
        Stanza(
            .message, from: from, to: Harness.bob, id: id, type: "chat",
            payloads: [Element("body", Namespaces.client, text: long(bytes))])
    }

    private static func request(_ id: String, from: JID = Harness.alice) -> Stanza {
        Stanza(.iq, from: from, to: Harness.bob, id: id, type: "get", payloads: [Element("ping", Namespaces.ping)])
    }

    private func held(_ harness: Harness) -> [HeldRow] {
        let store = harness.store.begin()
        defer { harness.store.abort() }
        var rows: [HeldRow] = []
        HeldTable.forEach(from: 1, in: store) { _, row in
            rows.append(row)
            return true
        }
        return rows
    }

    private func words(_ stanza: Stanza) -> String {
        stanza.payload("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text ?? ""
    }

    private func suspicion(_ harness: Harness) -> StreamSuspicion? { harness.federation.links.first?.suspicion }

    /// The stream ends over what was written to it.
    private static func end(_ connection: ConnectionID, _ harness: inout Harness) {
        harness.receive(.errorReceived("policy-violation"), on: connection)
        harness.receive(.closed("policy-violation"), on: connection)
    }

    // MARK: what was written before

    @Test(
        "S5: what a Martlet may have got already is never held as if it had not: a void takes its place, and its sender is told"
    )
    func mayHaveArrived() throws {
        var harness = Harness()
        harness.accept(Self.message("sent", 20_000))
        let first = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: first)
        #expect(Harness.marks(harness.takeSent(first)).map(\.number) == [1])
        harness.receive(.closed("reset"), on: first)
        for id in ["unsent", "unsent too"] { harness.accept(Self.message(id, 20_000)) }
        harness.acceptMessage("short")
        harness.pass(10_000)
        let second = try harness.dialSucceeds(relay: true)
        harness.step { $0.announced(10_000, Harness.outgoing, $1) }
        harness.receive(.nonza(Harness.have(nil)), on: second)
        let errors = harness.routed.filter(\.isError)
        #expect(errors.map(\.id) == ["sent"])
        #expect(errors.allSatisfy { words($0).contains("may have arrived") })
        // What was never written is held, and certain: also what was noted as offered with others.
        #expect(held(harness).map(\.number) == [2, 3])
        #expect(held(harness).allSatisfy { !$0.mayHaveArrived })
        let sent = harness.takeSent(second).filter { $0.name == "void" || $0.name == "message" }
        #expect(sent.map(\.name) == ["void", "void", "void", "message"])
        harness.receive(.nonza(Harness.have(Harness.marks(sent).last)), on: second)
        #expect(harness.waiting == 0)
        #expect(harness.store.count(.log) == 2)
    }

    @Test("S5: what a foreign server may have got already is held as what may have arrived")
    func mayHaveArrivedAbroad() throws {
        var harness = Harness()
        harness.accept(Self.message("sent", 20_000))
        let first = try harness.dialSucceeds(relay: false, managed: true)
        #expect(harness.takeSent(first).contains { $0["id"] == "sent" })
        harness.receive(.closed("reset"), on: first)
        harness.accept(Self.message("unsent", 20_000))
        harness.pass(10_000)
        var features = PeerFeatures(
            relay: false, streamManagement: true, proof: .certificate, peerCertificateVerified: false, isBidirectional: false)
        features.announcedBytes = 10_000
        let request = try #require(harness.takeDials().last)
        let second = harness.newConnection()
        harness.step { $0.dialed(request.id, second, features, [], $1) }
        #expect(held(harness).map(\.mayHaveArrived) == [true, false])
        #expect(harness.routed.filter(\.isError).isEmpty)
    }

    // MARK: what is under way

    @Test("S7: voids keep to the window under suspicion too, and what they prove does not end it")
    func voids() throws {
        var harness = Harness()
        harness.policy.federation.windowEntries = 8
        harness.acceptMessage("first")
        let first = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: first)
        Self.end(first, &harness)
        #expect(suspicion(harness)?.entriesAtOnce == 1)
        for number in 0..<40 { harness.acceptMessage("\(number)") }
        #expect(harness.deskPurge(harness.rows()).done == 41)
        harness.pass(60_000)
        let second = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: second)
        var voids = harness.takeSent(second).filter { $0.name == "void" }
        #expect(voids.count == 8)
        for _ in 0..<10 {
            guard let last = voids.last else { break }
            harness.receive(.nonza(Harness.have(RelayMark(last))), on: second)
            #expect(suspicion(harness)?.entriesAtOnce == 1)
            voids = harness.takeSent(second).filter { $0.name == "void" }
        }
        #expect(harness.waiting == 0)
        // A stanza that arrives does.
        harness.acceptMessage("next")
        harness.receive(.nonza(Harness.have(Harness.marks(harness.takeSent(second)).last)), on: second)
        #expect(suspicion(harness)?.entriesAtOnce == 2)
    }

    @Test("§5: a request that is held beside the lanes is answered when the stream ends, and the link is free again")
    func heldBeside() throws {
        var harness = Harness(known: false)
        harness.accept(Self.request("first"))
        let first = try harness.dialSucceeds(relay: false, managed: true)
        Self.end(first, &harness)
        harness.accept(Self.request("second"))
        let second = try harness.dialSucceeds(relay: false, managed: true)
        harness.accept(Self.request("third"))
        #expect(harness.federation.links.first?.beside.count == 1)
        harness.receive(.closed("reset"), on: second)
        #expect(harness.routed.filter(\.isError).map(\.id) == ["first", "second", "third"])
        #expect(harness.federation.links.first?.beside.isEmpty == true)
        #expect(harness.federation.links.first?.state == .idle)
    }

    @Test("S7: three answers to one question say no more than one about what went beside the lanes")
    func answers() throws {
        var harness = Harness()
        harness.acceptMessage("entry")
        let connection = try harness.dialSucceeds(relay: true)
        harness.accept(Self.request("beside"))
        #expect(harness.takeSent(connection).map(\.name) == ["ask", "iq"])
        for lane in ["urgent", "bulk"] {
            var have = Harness.have(nil)
            have["lane"] = lane
            harness.receive(.nonza(have), on: connection)
        }
        #expect(harness.federation.links.first?.stream?.besides.underWay.count == 1)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        // The entry is behind it: with that it has arrived.
        harness.receive(.nonza(Harness.have(Harness.marks(harness.takeSent(connection)).last)), on: connection)
        #expect(harness.federation.links.first?.stream?.besides.underWay.isEmpty == true)
    }

    // MARK: lengths

    @Test("S7: what is no longer than what the peer has taken is not too long, however near that is to what it does not bear")
    func taken() {
        var harness = Harness()
        harness.acceptMessage("first")
        harness.dialFails()
        harness.step { federation, turn in
            federation.links[Self.slot].suspicion.arrived(longest: 60_000)
            federation.links[Self.slot].suspicion.provedTooLong(61_000, at: turn.now)
        }
        harness.accept(Self.message("taken", 59_700))
        #expect(harness.routed.isEmpty && harness.waiting == 2)
        harness.accept(Self.message("longer", 60_000))
        #expect(harness.routed.map(\.id) == ["longer"] && harness.waiting == 2)
    }

    // MARK: who is told

    /// A site on which everything of `count` messages and a request for a subscription is held.
    private func holding(_ count: Int) throws -> Harness {
        var harness = Harness()
        for number in 0..<count { harness.accept(Self.message("\(number)", 11_000)) }
        harness.accept(
            Stanza(
                .presence, from: Harness.alice.bare, to: Harness.bob, type: "subscribe",
                payloads: [Element("status", Namespaces.client, text: Self.long(11_000))]))
        let connection = try harness.dialSucceeds(relay: true)
        harness.step { $0.announced(10_000, Harness.outgoing, $1) }
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        harness.pass(1_000)
        return harness
    }

    private func notices(_ harness: Harness) -> [String] {
        harness.routed.filter { $0.type == "normal" }.compactMap { $0.payload("body", Namespaces.client)?.text }
    }

    @Test("S7: the sender of what is held hears of it from the next process where this one ends before, once")
    func toldAfterRestart() throws {
        var harness = try holding(3)
        #expect(held(harness).count == 4)
        harness.restart()
        harness.pass(Federation.heldNotice)
        #expect(notices(harness).count == 1)
        #expect(notices(harness).first?.contains("4 things that you sent to brno.example") == true)
        harness.restart()
        harness.pass(60_000)
        #expect(notices(harness).count == 1)
        #expect(held(harness).allSatisfy { !$0.isUntold })
    }

    @Test("S7: of a long queue that is held its senders hear in slices")
    func toldInSlices() throws {
        var harness = try holding(400)
        harness.longestBatch = 0
        harness.pass(Federation.heldNotice + 1_000)
        #expect(held(harness).count == 401)
        #expect(notices(harness).count == 4)
        #expect(harness.longestBatch < 128 * 6)
        #expect(held(harness).allSatisfy { !$0.isUntold })
    }
}
