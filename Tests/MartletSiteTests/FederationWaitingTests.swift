import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// What waits, for how long, and what its sender hears meanwhile (`Docs/relay-protocol.md` §3 S5, §5).
@Suite struct FederationWaitingTests {
    typealias Harness = FederationHarness

    private func message(_ text: String, _ payload: Element) -> Stanza {
        var message = Harness.message(text)
        message.append(payload)
        return message
    }

    /// XEP-0079: worthless `seconds` after the start of the harness's clock.
    private func expiring(_ text: String, after seconds: Int64, action: String) -> Stanza {
        let at = WallTime(milliseconds: 1_700_000_000_000 + seconds * 1000)
        let rule = Element(
            "rule", Namespaces.advancedMessageProcessing,
            [("condition", "expire-at"), ("action", action), ("value", at.description)])
        return message(text, Element("amp", Namespaces.advancedMessageProcessing, elements: [rule]))
    }

    private func errors(_ harness: Harness) -> [String?] {
        harness.routed.filter(\.isError).map(\.id)
    }

    private func words(_ stanza: Stanza?) -> String {
        stanza?.payload("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text ?? ""
    }

    @Test("XEP-0079: what expires while it waits becomes a void; its sender hears of it unless it said drop")
    func advancedMessageProcessing() throws {
        var harness = Harness()
        harness.policy.federation.retryMaximum = 3_600_000
        harness.accept(expiring("dropped", after: 60, action: "drop"))
        harness.accept(expiring("told", after: 120, action: "error"))
        harness.accept(expiring("wanted", after: 60, action: "notify"))
        harness.acceptMessage("plain")
        harness.dialFails()
        harness.pass(59_000 - harness.now)
        #expect(errors(harness) == [])
        harness.pass(100_000)
        #expect(errors(harness) == ["told"])
        #expect(harness.routed.first?.to == Harness.alice.bare)
        #expect(harness.store.count(.deadline) == 0)
        harness.restart()
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let sent = harness.takeSent(connection).filter { $0.name != "ask" }
        #expect(sent.map { $0["id"] ?? $0.name } == ["void", "void", "wanted", "plain"])
    }

    @Test("XEP-0131: a TTL ends waiting, counted from Created if that is there; nonsense changes nothing")
    func timeToLive() {
        var harness = Harness()
        harness.policy.federation.retryMaximum = 3_600_000
        func headers(_ pairs: [(String, String)]) -> Element {
            Element(
                "headers", Namespaces.stanzaHeaders,
                elements: pairs.map { Element("header", Namespaces.stanzaHeaders, [("name", $0.0)], [.text($0.1)]) })
        }
        harness.accept(message("ttl", headers([("TTL", "100")])))
        harness.accept(message("created", headers([("TTL", "100"), ("Created", "2023-11-14T23:12:30+01:00")])))
        for nonsense in ["-1", "soon", "99999999999999999999", "9999999999"] {
            harness.accept(message(nonsense, headers([("TTL", nonsense)])))
        }
        harness.dialFails()
        harness.pass(80_000)
        #expect(errors(harness) == ["created"])
        harness.pass(30_000)
        #expect(errors(harness) == ["created", "ttl"])
    }

    @Test("what is on its way when it expires is decided by the peer's answer")
    func inFlight() throws {
        var harness = Harness()
        harness.acceptMessage("first")
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        harness.accept(expiring("on its way", after: 1, action: "error"))
        let marks = Harness.marks(harness.takeSent(connection))
        harness.pass(1500)
        #expect(errors(harness) == [])
        harness.receive(.nonza(Harness.have(marks[1])), on: connection)
        harness.pass(100_000)
        #expect(errors(harness) == [])
        #expect(harness.store.count(.deadline) == 0)
    }

    @Test("S5: only what was written to a stream may have arrived, also after a restart")
    func mayHaveArrived() throws {
        var harness = Harness()
        harness.policy.federation.windowEntries = 1
        harness.policy.federation.entryLifetime = 3_600_000
        harness.acceptMessage("sent")
        harness.acceptMessage("kept")
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        #expect(Harness.marks(harness.takeSent(connection)).map(\.number) == [1])
        harness.restart()
        harness.dialFails()
        harness.policy.federation.retryMaximum = 4 * 3_600_000
        harness.pass(3_700_000)
        #expect(errors(harness) == ["sent", "kept"])
        #expect(words(harness.routed.first { $0.id == "sent" }).contains("may have arrived"))
        #expect(!words(harness.routed.first { $0.id == "kept" }).contains("may have arrived"))
    }

    @Test("a link may have a lifetime of its own")
    func lifetime() {
        var harness = Harness()
        harness.policy.federation.entryLifetimes[Harness.peer] = 60_000
        harness.acceptMessage("short")
        harness.dialFails()
        harness.pass(62_000)
        #expect(errors(harness) == ["short"])
    }

    @Test("a sender is told once about messages that wait for hours, in one message for all of them")
    func warning() throws {
        var harness = Harness()
        let carol = JID(preparedLocalpart: "carol", preparedDomainpart: "pilsen.example", preparedResourcepart: "desk")
        harness.policy.federation.retryMaximum = 86_400_000
        for number in 1...600 { harness.accept(Harness.message("m\(number)")) }
        harness.accept(Harness.message("c", from: carol))
        harness.dialFails()
        harness.pass(harness.policy.federation.delayWarning - 10)
        #expect(harness.routed.isEmpty)
        harness.restart()
        harness.dialFails()
        harness.pass(60_000)
        let told = harness.routed.filter { $0.to == Harness.alice.bare }
        #expect(told.map(\.type).allSatisfy { $0 == "normal" })
        let bodies = told.compactMap { $0.payload("body", Namespaces.client)?.text }
        #expect(bodies.reduce(0) { $0 + (Int($1.prefix { $0.isNumber }) ?? 0) } == 600)
        #expect(bodies.allSatisfy { $0.contains("brno.example") && $0.contains("2023-11-14 22:13 UTC") })
        #expect(harness.routed.count { $0.to == carol.bare } == 1)
        harness.pass(harness.policy.federation.delayWarning + 60_000)
        #expect(harness.routed.count { $0.to == carol.bare } == 1)
        harness.accept(Harness.message("another"))
        harness.pass(harness.policy.federation.delayWarning + 60_000)
        #expect(harness.routed.last?.payload("body", Namespaces.client)?.text.hasPrefix("Your message to") == true)
    }

    @Test("no warning where it is switched off, and none for errors and subscription requests")
    func silence() {
        var harness = Harness()
        harness.policy.federation.delayWarning = 0
        harness.acceptMessage("m")
        harness.dialFails()
        harness.pass(86_400_000)
        #expect(harness.routed.isEmpty)
        var other = Harness()
        var error = Harness.message("e")
        error.type = "error"
        other.accept(error)
        other.accept(Stanza(.presence, from: Harness.alice.bare, to: Harness.bob, type: "subscribe"))
        other.dialFails()
        other.pass(86_400_000)
        #expect(other.routed.isEmpty)
    }

    @Test("§6 rung 4: the third stream of a foreign peer gets one entry at a time, until something is proven")
    func doubtful() throws {
        var harness = Harness()
        for number in 1...4 { harness.acceptMessage("m\(number)") }
        for _ in 0..<2 {
            let connection = try harness.dialSucceeds(relay: false, managed: true)
            #expect(harness.takeSent(connection).count { $0.name == "message" } == 4)
            harness.receive(.closed("reset"), on: connection)
            harness.pass(120_000)
        }
        let connection = try harness.dialSucceeds(relay: false, managed: true)
        #expect(harness.takeSent(connection).compactMap { $0["id"] } == ["m1"])
        harness.receive(.nonza(Element("a", Namespaces.streamManagement, [("h", "1")])), on: connection)
        #expect(harness.takeSent(connection).filter { $0.name == "message" }.compactMap { $0["id"] } == ["m2", "m3", "m4"])
    }

    @Test("a peer that shows itself is asked at once on the stream that is up")
    func probe() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let marks = Harness.marks(harness.takeSent(connection))
        harness.receive(.nonza(Harness.have(marks.last)), on: connection)
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: harness.newConnection())
        #expect(harness.takeSent(connection).map(\.name) == ["ask"])
        harness.pass(harness.policy.federation.silenceTimeout + 1000)
        #expect(harness.effects.contains(.stream(connection, .abort)))
    }

    @Test("another Martlet's new stream ends the one that carried the pair before, not one that carries others too")
    func superseded() {
        var harness = Harness()
        let other = DomainPair(
            local: Harness.local, peer: JID(preparedLocalpart: nil, preparedDomainpart: "c.example", preparedResourcepart: nil))
        let ask = Element("ask", Namespaces.relay, [("from", "brno.example"), ("to", "pilsen.example")])
        let first = harness.newConnection()
        let second = harness.newConnection()
        let third = harness.newConnection()
        for connection in [first, second, third] {
            harness.receive(.peerVerified(Harness.outgoing, .certificate), on: connection)
        }
        harness.receive(.peerVerified(other, .certificate), on: second)
        harness.receive(.nonza(ask), on: first)
        harness.receive(.nonza(ask), on: second)
        #expect(harness.effects.contains(.stream(first, .abort)))
        harness.receive(.nonza(ask), on: third)
        #expect(!harness.effects.contains(.stream(second, .abort)))
    }

    /// A stream of the peer that ends with `condition` once everything was written to it.
    private func strike(_ harness: inout Harness, _ condition: String) throws -> [Element] {
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let sent = harness.takeSent(connection).filter { $0.name != "ask" }
        harness.receive(.errorReceived(condition), on: connection)
        harness.receive(.closed("the peer reports \(condition)"), on: connection)
        harness.pass(120_000)
        return sent
    }

    @Test("S7: an entry at which three streams end is held for a human; a void takes its place, what follows goes on")
    func poison() throws {
        var harness = Harness()
        for text in ["bad", "good"] { harness.acceptMessage(text) }
        // From the second on it goes alone, so that nothing else can be the reason.
        for (condition, ids) in [
            ("system-shutdown", ["bad", "good"]), ("policy-violation", ["bad", "good"]), ("reset", ["bad"]),
            ("internal-server-error", ["bad"]), ("made-up", ["bad"]),
        ] {
            #expect(try strike(&harness, condition).map { $0["id"] } == ids)
        }
        #expect(harness.toldSenders() == ["alice@pilsen.example"])
        #expect(
            harness.effects.contains { if case .note(.entryHeld(_, entry: "1/1", _)) = $0 { true } else { false } })
        #expect(HeldTable.row(1, in: harness.store.begin())?.mayHaveArrived == true)
        harness.store.abort()
        harness.restart()
        let sent = try strike(&harness, "reset")
        #expect(sent.map { $0["id"] ?? $0.name } == ["void", "good"])
        #expect(harness.toldSenders().isEmpty)
        // Under another number it still may have arrived, also when it was held once more.
        #expect(harness.deskRelease(harness.rows { $0.state == .held }).done == 1)
        #expect(harness.rows().map(\.state) == [.sent, .sent])
        #expect(harness.deskHold(harness.rows { $0.name.number == 3 }).done == 1)
        #expect(harness.deskRelease(harness.rows { $0.state == .held }).done == 1)
        _ = harness.deskPurge(harness.rows { $0.name.number == 4 })
        let text = harness.routed.last?.payload("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text
        #expect(text == "Cancelled by the administrator; not confirmed, may have arrived")
    }

    @Test("S7: three streams that we end over what the peer says, over the same entry")
    func poisonWithoutError() throws {
        let end = PeerStreamEvent.errorSent("not-well-formed")
        var harness = Harness()
        for text in ["bad", "good"] { harness.acceptMessage(text) }
        for round in 1...3 {
            #expect(harness.store.count(.held) == 0, "after \(round - 1) streams")
            let connection = try harness.dialSucceeds(relay: true)
            harness.receive(.nonza(Harness.have(nil)), on: connection)
            // Said twice, it is one stream all the same.
            harness.receive(end, on: connection)
            harness.receive(end, on: connection)
            harness.receive(.closed("over"), on: connection)
            harness.pass(120_000)
        }
        #expect(harness.store.count(.held) == 1)
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        #expect(harness.takeSent(connection).map { $0["id"] ?? $0.name } == ["ask", "void", "good"])
    }

    @Test("S7: streams that the peer closes in good order, as it does when we end them, say nothing about what is under way")
    func closedInGoodOrder() throws {
        var harness = Harness()
        harness.acceptMessage("good")
        for _ in 1...5 {
            let connection = try harness.dialSucceeds(relay: true)
            harness.receive(.nonza(Harness.have(nil)), on: connection)
            harness.receive(.streamEnded, on: connection)
            harness.receive(.closed("closed by the peer"), on: connection)
            harness.pass(120_000)
        }
        #expect(harness.store.count(.held) == 0)
        #expect(harness.waiting == 1)
    }

    @Test("S7, XEP-0198 §4: a peer that acknowledges more than was sent three times over the same entry")
    func poisonByCount() throws {
        var harness = Harness()
        for text in ["bad", "good"] { harness.acceptMessage(text) }
        for _ in 1...3 {
            let connection = try harness.dialSucceeds(relay: false, managed: true)
            for _ in 1...3 { harness.receive(.nonza(Element("a", Namespaces.streamManagement, [("h", "99")])), on: connection) }
            #expect(harness.effects.contains { if case .stream(connection, .close(.some)) = $0 { true } else { false } })
            harness.receive(.closed("closed by us"), on: connection)
            harness.pass(120_000)
        }
        #expect(harness.store.count(.held) == 1)
        let connection = try harness.dialSucceeds(relay: false, managed: true)
        #expect(harness.takeSent(connection).contains { $0["id"] == "good" })
    }

    @Test("S7: connections that are lost, silence and a peer that shuts down put no blame on an entry")
    func blameless() throws {
        var harness = Harness()
        harness.acceptMessage("good")
        for _ in 1...4 {
            _ = try strike(&harness, "system-shutdown")
            let cut = try harness.dialSucceeds(relay: true)
            harness.receive(.nonza(Harness.have(nil)), on: cut)
            harness.receive(.closed("connection reset by peer"), on: cut)
            harness.pass(120_000)
            let silent = try harness.dialSucceeds(relay: true)
            harness.receive(.nonza(Harness.have(nil)), on: silent)
            harness.pass(240_000)
        }
        #expect(harness.store.count(.held) == 0)
        #expect(harness.waiting == 1)
    }

    @Test("S7: progress clears the suspicion")
    func suspicion() throws {
        var harness = Harness()
        for text in ["a", "b"] { harness.acceptMessage(text) }
        for _ in 0..<2 { _ = try strike(&harness, "policy-violation") }
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let marks = Harness.marks(harness.takeSent(connection))
        harness.receive(.nonza(Harness.have(marks[0])), on: connection)
        harness.receive(.errorReceived("policy-violation"), on: connection)
        harness.receive(.closed("policy-violation"), on: connection)
        #expect(harness.store.count(.held) == 0)
    }

    @Test("one expiry timer for a link, however often its queue runs empty; and one where only voids waited at the start")
    func expiryTimers() throws {
        var harness = Harness()
        harness.policy.federation.entryLifetime = 3_600_000
        harness.policy.federation.retryMaximum = 86_400_000
        harness.acceptMessage("first")
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        for number in 1...20 {
            let marks = Harness.marks(harness.takeSent(connection))
            harness.receive(.nonza(Harness.have(marks.last)), on: connection)
            harness.acceptMessage("m\(number)")
        }
        #expect(harness.timers.count { if case .link(.expiry) = $0.0 { true } else { false } } == 1)
        harness.receive(.closed("cut"), on: connection)
        harness.dialFails()
        harness.pass(2 * 3_600_000)
        #expect(errors(harness) == ["m20"])
        harness.restart()
        harness.dialFails()
        harness.acceptMessage("behind a void")
        harness.pass(2 * 3_600_000)
        #expect(errors(harness) == ["m20", "behind a void"])
    }

    @Test("§6 rung 3: a peer that answers no fence and does not close either is given up")
    func closingForEver() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: false)
        for _ in 0..<8 { harness.pass(harness.policy.federation.silenceTimeout + 1000) }
        #expect(harness.effects.contains(.stream(connection, .close(nil))))
        #expect(harness.effects.contains(.stream(connection, .abort)))
        harness.pass(120_000)
        #expect(harness.takeDials().count == 1)
        #expect(harness.waiting == 1)
    }
}
