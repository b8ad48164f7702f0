import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

@Suite("XEP-0288: the streams of peers that cannot be dialled")
struct FederationReturnWayTests {
    typealias Harness = FederationHarness
    private static let silence = SitePolicy(domains: [Harness.local]).federation.silenceTimeout

    /// The peer opens a stream that may carry stanzas back.
    private static func opened(
        _ harness: inout Harness, _ bidirection: Bidirection = .relay, _ proof: PeerProof = .certificate
    ) -> ConnectionID {
        let connection = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, proof, bidirection), on: connection)
        return connection
    }

    /// A link whose first attempt has failed, with a message waiting.
    private static func cut(known: Bool = true) -> Harness {
        var harness = Harness(known: known)
        harness.acceptMessage("a")
        harness.dialFails()
        return harness
    }

    private static func ask(_ harness: inout Harness, on connection: ConnectionID) {
        let ask = Element(
            "ask", Namespaces.relay, [("from", Harness.peer.description), ("to", Harness.local.description)])
        harness.receive(.nonza(ask), on: connection)
    }

    /// The peer says that it has what these elements carry.
    private static func confirm(_ sent: [Element], _ harness: inout Harness, on connection: ConnectionID) {
        guard let last = Harness.marks(sent).last else { return }
        harness.receive(.nonza(Harness.have(last)), on: connection)
    }

    private static func aborts(_ harness: Harness, _ connection: ConnectionID) -> Bool {
        harness.effects.contains(.stream(connection, .abort))
    }

    private static func incoming(_ number: UInt64) -> PeerStreamEvent {
        var stanza = Harness.message("m\(number)", from: Harness.bob, to: Harness.alice.bare)
        stanza.relayMark = RelayMark(
            lane: .chat, epoch: Epoch(high: 5, low: 6), number: number, tag: number * 10,
            after: number == 1 ? nil : (number - 1) * 10)
        return .stanza(stanza)
    }

    // MARK: adoption

    @Test("an attempt that fails is not needed where the peer has opened a stream: what waits goes over that, once")
    func adoptedAfterFailure() {
        var harness = Harness()
        harness.acceptMessage("a")
        let theirs = Self.opened(&harness)
        harness.dialFails()
        #expect(harness.takeSent(theirs).map(\.name) == ["ask"])
        #expect(harness.takeChanges().isEmpty)
        harness.receive(.nonza(Harness.have(nil)), on: theirs)
        #expect(harness.takeChanges() == [LinkChange(Harness.outgoing, .up(wantsRefresh: true))])
        let sent = harness.takeSent(theirs)
        #expect(sent.map { $0["id"] } == ["a"])
        Self.confirm(sent, &harness, on: theirs)
        #expect(harness.waiting == 0)
        #expect(harness.takeDials().isEmpty)
    }

    @Test("a link that waits for its next attempt uses the peer's stream at once, an attempt under way is given up")
    func adoptedAtOnce() {
        var harness = Self.cut()
        let theirs = Self.opened(&harness)
        #expect(harness.takeDials().isEmpty)
        #expect(harness.takeSent(theirs).map(\.name) == ["ask"])

        harness = Self.cut()
        harness.pass(10_000)
        #expect(harness.takeDials().count == 1)
        let late = Self.opened(&harness)
        #expect(harness.takeSent(late).map(\.name) == ["ask"])
        #expect(harness.effects.contains { if case .cancelDial = $0 { true } else { false } })
    }

    @Test("a peer that proves itself again on the same stream has opened one all the same")
    func provenTwice() {
        var harness = Harness()
        let theirs = Self.opened(&harness)
        for proof: PeerProof in [.certificate, .dialback] {
            harness.receive(.peerVerified(Harness.outgoing, proof, .relay), on: theirs)
        }
        #expect(harness.federation.returnWays[Harness.outgoing]?.map(\.proof) == [.certificate])
    }

    @Test("a peer that could be dialled last time is dialled")
    func dialledFirst() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let ours = try harness.dialSucceeds(relay: true)
        harness.receive(.closed("reset"), on: ours)
        _ = harness.takeDials()
        let theirs = Self.opened(&harness)
        #expect(harness.takeDials().count == 1)
        #expect(harness.takeSent(theirs).isEmpty)
    }

    @Test("nothing goes back on a stream whose opener has not asked for it")
    func notAsked() {
        var harness = Self.cut()
        let theirs = Self.opened(&harness, .none)
        #expect(harness.takeDials().count == 1)
        #expect(harness.takeSent(theirs).isEmpty)
    }

    @Test("where a certificate is required dialback is not enough", arguments: [PeerProof.dialback, .certificate])
    func requiredCertificate(proof: PeerProof) {
        var harness = Harness()
        harness.policy.federation.certificateRequired = [Harness.peer]
        harness.acceptMessage("a")
        harness.dialFails()
        let theirs = Self.opened(&harness, .relay, proof)
        #expect(harness.takeSent(theirs).isEmpty == (proof == .dialback))
        #expect(harness.takeDials().isEmpty == (proof == .certificate))
    }

    @Test("a peer that was blocked meanwhile gets nothing")
    func blocked() {
        var harness = Harness()
        harness.acceptMessage("a")
        let theirs = Self.opened(&harness)
        harness.policy.federation.blockedPeers = [Harness.peer]
        harness.dialFails()
        #expect(harness.takeSent(theirs).isEmpty)
    }

    @Test("a stranger that was reached on its own stream is none any more, and requests go the same way")
    func stranger() {
        var harness = Harness(known: false)
        harness.accept(Stanza(.iq, from: Harness.alice, to: Harness.bob, id: "q", type: "get"))
        let theirs = Self.opened(&harness)
        harness.dialFails(.noSuchDomain)
        #expect(harness.takeSent(theirs).map(\.name) == ["ask", "iq"])
        #expect(harness.routed.isEmpty)
        #expect(!harness.federation.links[0].reach.isStranger)
        harness.step { federation, turn in #expect(federation.peerRow(Harness.peer, turn).wasReached) }
    }

    @Test("the operator sees whose stream it is")
    func words() {
        var harness = Self.cut()
        let theirs = Self.opened(&harness)
        // It may be as dead as the attempts.
        harness.step { federation, turn in #expect(federation.linkRows(turn)[0].state == "dialling") }
        harness.receive(.nonza(Harness.have(nil)), on: theirs)
        harness.step { federation, turn in
            let row = federation.linkRows(turn)[0]
            #expect(row.state == "up")
            #expect(row.acknowledgement == "relay, on the peer's stream")
            #expect(row.lastError.isEmpty)
        }
    }

    // MARK: both roles

    @Test("the stream goes on bringing the peer's stanzas, and its end ends both")
    func bothRoles() {
        var harness = Self.cut()
        let theirs = Self.opened(&harness)
        Self.ask(&harness, on: theirs)
        harness.receive(.nonza(Harness.have(nil)), on: theirs)
        _ = harness.takeSent(theirs)
        for number: UInt64 in [1, 2, 2] { harness.receive(Self.incoming(number), on: theirs) }
        #expect(harness.routed.map(\.id) == ["m1", "m2"])
        #expect(harness.takeSent(theirs).map { $0["n"] } == ["1", "2", "2"])
        harness.receive(.closed("reset"), on: theirs)
        #expect(harness.federation.inbound.isEmpty)
        #expect(harness.federation.links.byConnection.isEmpty)
        #expect(harness.federation.returnWays.isEmpty)
        #expect(harness.federation.relayStream.isEmpty)
        #expect(harness.waiting == 1)
        harness.pass(10_000)
        #expect(harness.takeDials().count == 1)
    }

    @Test("a stream that is silent is given up before anybody is told that the link is up, and is not used again")
    func deadStream() {
        var harness = Self.cut()
        _ = harness.takeChanges()
        let theirs = Self.opened(&harness)
        harness.pass(Self.silence + 1)
        #expect(Self.aborts(harness, theirs))
        #expect(harness.takeChanges().allSatisfy { $0.kind != .up(wantsRefresh: true) })
        harness.pass(10_000)
        #expect(harness.takeDials().count == 1)
        // What still comes on it is taken, as on any inbound stream.
        harness.receive(Self.incoming(1), on: theirs)
        #expect(harness.routed.map(\.id) == ["m1"])
        harness.receive(.closed("given up"), on: theirs)
        #expect(harness.federation.inbound.isEmpty)
    }

    @Test("another Martlet that opens a new stream has lost the old one: the link moves, and sends again")
    func secondStream() {
        var harness = Self.cut()
        let old = Self.opened(&harness)
        Self.ask(&harness, on: old)
        harness.receive(.nonza(Harness.have(nil)), on: old)
        let first = harness.takeSent(old)
        let new = Self.opened(&harness)
        #expect(!Self.aborts(harness, old))
        Self.ask(&harness, on: new)
        #expect(Self.aborts(harness, old))
        harness.receive(.closed("given up"), on: old)
        #expect(harness.takeSent(new).map(\.name).contains("ask"))
        harness.receive(.nonza(Harness.have(nil)), on: new)
        let second = harness.takeSent(new)
        #expect(Harness.marks(second) == Harness.marks(first))
        Self.confirm(second, &harness, on: new)
        #expect(harness.waiting == 0)
        #expect(harness.federation.links.id(on: old) == nil)
        #expect(harness.takeDials().isEmpty)
    }

    @Test("a link on a stream on which nothing was heard moves at once to a newer one")
    func newerThanUnheard() {
        var harness = Self.cut()
        let dead = Self.opened(&harness, .stanzas)
        _ = harness.takeSent(dead)
        let new = Self.opened(&harness, .stanzas)
        #expect(harness.takeSent(new).map(\.name).contains("message"))
        #expect(harness.federation.links.id(on: dead) == nil)
        // The old one may bring what the peer wrote there.
        harness.receive(Self.incoming(1), on: dead)
        #expect(harness.routed.map(\.id) == ["m1"])
    }

    @Test("a have on another stream than the one in use counts for nothing")
    func strayHave() {
        var harness = Self.cut()
        let old = Self.opened(&harness)
        harness.receive(.nonza(Harness.have(nil)), on: old)
        let sent = harness.takeSent(old)
        let other = Self.opened(&harness)
        Self.confirm(sent, &harness, on: other)
        #expect(harness.waiting == 1)
    }

    @Test("every stream is closed at a shutdown, and nothing is adopted any more")
    func shutdown() {
        var harness = Self.cut()
        let theirs = Self.opened(&harness)
        let other = Self.opened(&harness)
        harness.step { $0.shutdown($1) }
        for connection in [theirs, other] {
            #expect(
                harness.effects.contains {
                    if case .stream(connection, .close) = $0 { true } else { false }
                })
            harness.receive(.closed("closed by us"), on: connection)
        }
        #expect(harness.federation.links.byConnection.isEmpty)
        #expect(harness.takeDials().isEmpty)
    }

    // MARK: foreign servers

    @Test("§6.2: a foreign server proves by the ping fence what its own stream carried; told when it has answered")
    func foreign() throws {
        var harness = Self.cut()
        let theirs = Self.opened(&harness, .stanzas)
        harness.receive(.nonza(Element("enable", Namespaces.streamManagement)), on: theirs)
        var sent = harness.takeSent(theirs)
        #expect(Set(sent.map(\.name)) == ["iq", "message", "enabled"])
        var id = try #require(sent.first { $0.name == "iq" }?["id"])
        _ = harness.takeChanges()
        harness.receive(
            .stanza(Stanza(.iq, from: Harness.peer, to: Harness.local, id: id, type: "result")), on: theirs)
        #expect(harness.takeChanges() == [LinkChange(Harness.outgoing, .up(wantsRefresh: true))])
        sent = harness.takeSent(theirs)
        if harness.waiting > 0 {
            id = try #require(sent.last?["id"])
            harness.receive(
                .stanza(Stanza(.iq, from: Harness.peer, to: Harness.local, id: id, type: "result")), on: theirs)
        }
        #expect(harness.waiting == 0)
        // A count that we did not ask for proves nothing there; ours covers what came.
        harness.acceptMessage("b")
        harness.receive(.nonza(Element("a", Namespaces.streamManagement, [("h", "9")])), on: theirs)
        #expect(harness.waiting == 1)
        _ = harness.takeSent(theirs)
        harness.receive(.nonza(Element("r", Namespaces.streamManagement)), on: theirs)
        #expect(harness.takeSent(theirs).map { $0["h"] } == ["2"])
    }

    @Test("a foreign server that opens a second stream gets the first one's silence borne once")
    func foreignSecondStream() throws {
        var harness = Self.cut()
        let old = Self.opened(&harness, .stanzas)
        for _ in 0..<2 {
            guard let id = harness.takeSent(old).last(where: { $0.name == "iq" })?["id"] else { continue }
            harness.receive(.stanza(Stanza(.iq, from: Harness.peer, to: Harness.local, id: id, type: "result")), on: old)
        }
        #expect(harness.waiting == 0)
        let new = Self.opened(&harness, .stanzas)
        harness.acceptMessage("b")
        harness.pass(Self.silence + 1)
        #expect(Self.aborts(harness, old))
        #expect(harness.takeSent(new).map(\.name).contains("message"))
    }

    // MARK: streams that we opened

    @Test("on a stream that we opened the peer's stanzas are taken as on any other, with have and count")
    func opener() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let ours = try harness.dialSucceeds(relay: true, bidi: true)
        _ = harness.takeSent(ours)
        Self.ask(&harness, on: ours)
        #expect(harness.takeSent(ours).map(\.name) == ["have", "have", "have"])
        harness.receive(Self.incoming(1), on: ours)
        #expect(harness.routed.map(\.id) == ["m1"])
        #expect(harness.takeSent(ours).map { $0["n"] } == ["1"])
        harness.receive(.nonza(Harness.have(nil)), on: ours)
        Self.confirm(harness.takeSent(ours), &harness, on: ours)
        #expect(harness.waiting == 0)
        harness.receive(.closed("reset"), on: ours)
        #expect(harness.federation.inbound.isEmpty)
        #expect(harness.federation.relayStream.isEmpty)
    }

    @Test("without an agreement nothing of the peer is taken there")
    func openerWithoutBidi() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let ours = try harness.dialSucceeds(relay: true)
        _ = harness.takeSent(ours)
        Self.ask(&harness, on: ours)
        harness.receive(Self.incoming(1), on: ours)
        harness.receive(
            .stanzaRefused(Harness.message("x", from: Harness.bob, to: Harness.alice), StanzaError(.jidMalformed)), on: ours)
        #expect(harness.routed.isEmpty)
        harness.receive(.nonza(Element("r", Namespaces.streamManagement)), on: ours)
        #expect(harness.takeSent(ours).map { $0["h"] } == ["0"])
    }

    @Test("XEP-0198 §4: what a foreign server sends on our stream is counted from <enabled/> on; it cannot enable it there")
    func countOnOurStream() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let ours = try harness.dialSucceeds(relay: false, managed: true, bidi: true)
        let stanza = PeerStreamEvent.stanza(Harness.message("x", from: Harness.bob, to: Harness.alice))
        harness.receive(stanza, on: ours)
        harness.receive(.nonza(Element("enabled", Namespaces.streamManagement)), on: ours)
        for _ in 0..<3 { harness.receive(stanza, on: ours) }
        _ = harness.takeSent(ours)
        harness.receive(.nonza(Element("enable", Namespaces.streamManagement)), on: ours)
        #expect(harness.takeSent(ours).isEmpty)
        harness.receive(.nonza(Element("r", Namespaces.streamManagement)), on: ours)
        #expect(harness.takeSent(ours).map { $0["h"] } == ["3"])
        harness.receive(.nonza(Element("a", Namespaces.streamManagement, [("h", "1")])), on: ours)
        #expect(harness.waiting == 0)
    }

    @Test("R4: below the reserve a stream that we opened goes on carrying away what waits; nothing new is counted there")
    func belowReserve() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let ours = try harness.dialSucceeds(relay: true, bidi: true)
        harness.step(belowReserve: true) { $0.received(Self.incoming(1), on: ours, $1) }
        #expect(harness.routed.isEmpty)
        #expect(!harness.effects.contains { if case .stream(ours, .close) = $0 { true } else { false } })
        #expect(harness.federation.haves.isEmpty)
        // With an answer the peer would wait for what was dropped, for ever.
        _ = harness.takeSent(ours)
        Self.ask(&harness, on: ours)
        harness.receive(Self.incoming(2), on: ours)
        #expect(harness.takeSent(ours).isEmpty)
        #expect(harness.routed.isEmpty)
    }
}
