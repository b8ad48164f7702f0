import MartletBus
import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

@Suite("What senders know of their own waiting messages")
struct FederationOwnTests {
    typealias Harness = FederationHarness

    static let carol = JID(preparedLocalpart: "carol", preparedDomainpart: "pilsen.example", preparedResourcepart: "home")

    private func own(_ harness: inout Harness, _ account: JID) -> [String] {
        var ids: [String] = []
        harness.step { ids = $0.ownEntries(of: account.bare, $1).rows.map(\.id) }
        return ids
    }

    private func waiting(_ harness: inout Harness, _ account: JID) -> Int? {
        var count: Int?
        harness.step { count = $0.ownWaiting(of: account.bare, on: Harness.outgoing, $1) }
        return count
    }

    private func cancel(_ harness: inout Harness, _ ids: [String], of account: JID) -> [Cancellation] {
        var outcomes: [Cancellation] = []
        harness.step { outcomes = $0.cancel(ids, of: account.bare, $1) }
        return outcomes
    }

    @Test("while a link is down each sender's messages are counted, those that come later too; while it is up nobody counts")
    func counting() throws {
        var harness = Harness()
        harness.step { $0.boot($1) }
        for text in ["1", "2"] { harness.acceptMessage(text) }
        harness.accept(Harness.message("3", from: Self.carol))
        #expect(waiting(&harness, Harness.alice) == nil)
        harness.dialFails()
        #expect(harness.takeChanges().map(\.kind) == [.failing, .counted(nil)])
        #expect(waiting(&harness, Harness.alice) == 2)
        #expect(waiting(&harness, Self.carol) == 1)
        harness.acceptMessage("4")
        #expect(harness.takeChanges().map(\.kind) == [.counted(Harness.alice.bare)])
        #expect(waiting(&harness, Harness.alice) == 3)
        harness.pass(5000)
        _ = try harness.dialSucceeds(relay: true)
        #expect(waiting(&harness, Harness.alice) == nil)
        #expect(own(&harness, Harness.alice).count == 3)
    }

    @Test("a long queue is counted in slices, while more comes in")
    func slices() {
        var harness = Harness()
        harness.step { $0.boot($1) }
        harness.step { federation, turn in
            for number in 0..<1200 { federation.accept(Envelope(Harness.message("\(number)"), from: .site), turn) }
        }
        harness.dialFails()
        #expect(waiting(&harness, Harness.alice) == nil)
        harness.acceptMessage("more")
        harness.pass(3 * QueueCensus.pause)
        #expect(waiting(&harness, Harness.alice) == 1000)
        let counted = harness.federation.links[0].census?.entries(of: Harness.alice.bare).map(\.number)
        #expect(counted == Array(1...1201))
        #expect(own(&harness, Harness.alice).count == 100)
    }

    @Test("S5: a cancelled entry becomes a void that keeps the numbers whole; only its sender can cancel it, once")
    func cancelling() throws {
        var harness = Harness()
        harness.step { $0.boot($1) }
        for text in ["1", "2", "3"] { harness.acceptMessage(text) }
        harness.dialFails()
        let ids = own(&harness, Harness.alice)
        #expect(ids.count == 3)
        #expect(own(&harness, Self.carol) == [])
        #expect(cancel(&harness, [ids[1], "7/7", "nonsense"], of: Self.carol) == [.notFound, .notFound, .notFound])
        #expect(cancel(&harness, [ids[1]], of: Harness.alice) == [.cancelled])
        #expect(cancel(&harness, [ids[1]], of: Harness.alice) == [.notFound])
        #expect(own(&harness, Harness.alice) == [ids[0], ids[2]])
        #expect(waiting(&harness, Harness.alice) == 2)
        #expect(harness.routed == [])
        harness.pass(5000)
        let connection = try harness.dialSucceeds(relay: true)
        _ = harness.takeSent(connection)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        #expect(harness.takeSent(connection).map(\.name) == ["message", "void", "message"])
    }

    @Test("S5: who cancels what was sent learns that it may have arrived, also after the stream broke and after a restart")
    func cancellingSent() throws {
        var harness = Harness()
        harness.step { $0.boot($1) }
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        for text in ["1", "2", "3"] { harness.acceptMessage(text) }
        let ids = own(&harness, Harness.alice)
        #expect(cancel(&harness, [ids[0]], of: Harness.alice) == [.mayHaveArrived])
        harness.receive(.closed("reset"), on: connection)
        harness.acceptMessage("4")
        #expect(cancel(&harness, [ids[1]], of: Harness.alice) == [.mayHaveArrived])
        let last = try #require(own(&harness, Harness.alice).last)
        #expect(cancel(&harness, [last], of: Harness.alice) == [.cancelled])
        harness.restart()
        #expect(cancel(&harness, [ids[2]], of: Harness.alice) == [.mayHaveArrived])
        #expect(own(&harness, Harness.alice) == [])
    }

    @Test("a link that nobody uses is asked for a sign of life, and given up without one")
    func keepAlive() throws {
        var harness = Harness()
        harness.step { $0.boot($1) }
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        _ = harness.takeSent(connection)
        _ = harness.takeChanges()
        for _ in 0..<3 {
            harness.pass(harness.policy.federation.silenceTimeout)
            #expect(harness.takeSent(connection).map(\.name) == ["ask"])
            harness.receive(.nonza(Harness.have(nil)), on: connection)
        }
        harness.pass(3 * harness.policy.federation.silenceTimeout)
        #expect(harness.takeChanges().map(\.kind).first == .failing)
    }

    @Test("what people count and see is what somebody has written, by its first words: no receipts, subscriptions or errors")
    func onlySpoken() {
        var harness = Harness()
        harness.step { $0.boot($1) }
        let received = Element("received", "urn:xmpp:receipts", [("id", "m1")])
        func others() {
            harness.accept(Stanza(.message, from: Harness.alice, to: Harness.bob, payloads: [received]))
            harness.accept(Stanza(.presence, from: Harness.alice.bare, to: Harness.bob.bare, type: "subscribe"))
            let body = Element("body", Namespaces.client, text: "not for you")
            harness.accept(Stanza(.message, from: Harness.alice, to: Harness.bob, type: "error", payloads: [body]))
        }
        others()
        harness.accept(
            Stanza(
                .message, from: Harness.alice, to: Harness.bob,
                payloads: [
                    Element("body", Namespaces.client, text: "See you\n at the  station, at noon, under the clock tower")
                ]))
        harness.dialFails()
        #expect(waiting(&harness, Harness.alice) == 1)
        others()
        harness.acceptMessage("short")
        #expect(waiting(&harness, Harness.alice) == 2)
        var words: [String] = []
        harness.step { words = $0.ownEntries(of: Harness.alice.bare, $1).rows.map(\.words) }
        #expect(words == ["See you at the station, at noon, under …", "short"])
    }

    @Test("XEP-0184: a receipt without a body is an entry and crosses an outage")
    func receipts() throws {
        var harness = Harness()
        harness.step { $0.boot($1) }
        harness.dialFails()
        let received = Element("received", "urn:xmpp:receipts", [("id", "m1")])
        harness.accept(Stanza(.message, from: Harness.alice, to: Harness.bob, id: "r1", payloads: [received]))
        #expect(harness.waiting == 1)
        harness.restart()
        let connection = try harness.dialSucceeds(relay: true)
        _ = harness.takeSent(connection)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let sent = harness.takeSent(connection)
        #expect(sent.map { $0.first("received", "urn:xmpp:receipts")?["id"] } == ["m1"])
        let mark = try #require(Harness.marks(sent).first)
        harness.receive(.nonza(Harness.have(mark)), on: connection)
        #expect(harness.waiting == 0)
    }
}
