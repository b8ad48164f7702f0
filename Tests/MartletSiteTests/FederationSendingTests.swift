import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

@Suite struct FederationSendingTests {
    typealias Harness = FederationHarness

    @Test("S1, S2: what waits is sent in order once the peer said what it has, late ones with their time")
    func drain() throws {
        var harness = Harness()
        for number in 1...3 { harness.acceptMessage("m\(number)") }
        #expect(harness.waiting == 3)
        let connection = try harness.dialSucceeds(relay: true)
        #expect(harness.takeSent(connection).map(\.name) == ["ask"])
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let sent = harness.takeSent(connection)
        #expect(sent.compactMap { $0.first("body", Namespaces.client)?.text } == ["m1", "m2", "m3"])
        #expect(Harness.marks(sent).map(\.number) == [1, 2, 3])
        for message in sent {
            let delay = try #require(message.first("delay", Namespaces.delay))
            #expect(delay["from"] == "pilsen.example")
            #expect(delay["stamp"]?.hasPrefix("2023-11-14T22:13:21") == true)
        }
        harness.receive(.nonza(Harness.have(Harness.marks(sent)[1])), on: connection)
        #expect(harness.waiting == 1)
        harness.receive(.nonza(Harness.have(Harness.marks(sent)[2])), on: connection)
        #expect(harness.waiting == 0)
        #expect(harness.store.count(.entry) == 0)
        #expect(harness.store.count(.log) == 0)
    }

    @Test("a domain that is not served any more is not spoken for, and what waits from it waits until its end")
    func domainGivenUp() throws {
        var harness = Harness(known: false)
        harness.acceptMessage("before")
        #expect(harness.waiting == 1)
        harness.policy = SitePolicy(domains: [try JID("plzen.example")])
        harness.federation = Federation()
        harness.effects = []
        harness.step { $0.boot($1) }
        harness.acceptMessage("after")
        #expect(harness.waiting == 1)
        #expect(!harness.effects.contains { if case .dial = $0 { true } else { false } })
        harness.policy = SitePolicy(domains: [Harness.local])
        harness.federation = Federation()
        harness.step { $0.boot($1) }
        #expect(harness.effects.contains { if case .dial = $0 { true } else { false } })
    }

    @Test("S3: on a live link a stanza leaves with its commit and without a delay")
    func live() throws {
        var harness = Harness()
        harness.step { $0.boot($1) }
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        _ = harness.takeSent(connection)
        harness.acceptMessage("now")
        let sent = harness.takeSent(connection)
        #expect(sent.count == 1)
        #expect(sent.first?.first("delay", Namespaces.delay) == nil)
        #expect(harness.waiting == 1)
    }

    @Test("S4: a stream that dies is replaced, and what was not acknowledged is sent again under the same numbers")
    func resend() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        harness.acceptMessage("b")
        let first = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: first)
        let marks = Harness.marks(harness.takeSent(first))
        harness.receive(.closed("reset"), on: first)
        harness.pass(2000)
        let second = try harness.dialSucceeds(relay: true)
        _ = harness.takeSent(second)
        // The late have of the old socket is nobody's business any more.
        harness.receive(.nonza(Harness.have(marks[1])), on: first)
        #expect(harness.waiting == 2)
        harness.receive(.nonza(Harness.have(marks[0])), on: second)
        #expect(Harness.marks(harness.takeSent(second)) == [marks[1]])
        #expect(harness.waiting == 1)
    }

    @Test("S4: a silent peer is asked, then given up, without waiting for TCP")
    func silence() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        _ = harness.takeSent(connection)
        // The first timer was set before anything was known of the line.
        harness.pass(LinePace.untried / 2)
        #expect(harness.takeSent(connection).map(\.name) == ["ask"])
        #expect(!harness.effects.contains(.stream(connection, .abort)))
        harness.pass(LinePace.shortest)
        #expect(harness.effects.contains(.stream(connection, .abort)))
        #expect(harness.waiting == 1)
    }

    @Test("S2: either store going back in time stops the lane and removes nothing", arguments: [0, 1, 2, 3])
    func rollback(_ kind: Int) throws {
        var harness = Harness()
        for number in 1...4 { harness.acceptMessage("m\(number)") }
        let first = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: first)
        let marks = Harness.marks(harness.takeSent(first))
        harness.receive(.nonza(Harness.have(marks[1])), on: first)
        harness.receive(.closed("reset"), on: first)
        harness.pass(5000)
        let second = try harness.dialSucceeds(relay: true)
        var lie = marks[2]
        switch kind {
        case 0: harness.receive(.nonza(Harness.have(nil)), on: second)
        case 1: harness.receive(.nonza(Harness.have(marks[0])), on: second)
        case 2:
            lie.number = 9
            harness.receive(.nonza(Harness.have(lie)), on: second)
        default:
            lie.tag ^= 1
            harness.receive(.nonza(Harness.have(lie)), on: second)
        }
        #expect(harness.federation.links[0].lanes[1].row?.isStopped == true)
        #expect(harness.waiting == 2)
        #expect(Harness.marks(harness.takeSent(second)).isEmpty)
        harness.acceptMessage("later")
        #expect(harness.waiting == 3)
        harness.restart()
        #expect(harness.federation.links[0].lanes[1].row?.isStopped == true)
    }

    @Test("a new store begins at 1 against a peer that knows another numbering")
    func newStore() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: true)
        harness.acceptMessage("b")
        let other = RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 1), number: 57, tag: 3, after: nil)
        harness.receive(.nonza(Harness.have(other)), on: connection)
        let sent = Harness.marks(harness.takeSent(connection))
        #expect(sent.map(\.number) == [1, 2])
        #expect(sent.map(\.after) == [3, sent[0].tag])
        // Late bytes of the old store were taken after that: what is to be replaced is another now.
        let later = RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 1), number: 58, tag: 4, after: nil)
        harness.receive(.nonza(Harness.have(later)), on: connection)
        let again = Harness.marks(harness.takeSent(connection))
        #expect(again.map(\.number) == [1, 2])
        #expect(again.map(\.after) == [4, sent[0].tag])
        harness.receive(.nonza(Harness.have(later)), on: connection)
        #expect(harness.takeSent(connection).isEmpty)
        harness.receive(.nonza(Harness.have(again[1])), on: connection)
        #expect(harness.waiting == 0)
    }

    @Test("a peer that saw the end of our numbering makes the lane stop: our store is an old one")
    func ended() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: true)
        let other = RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 1), number: 57, tag: 3, after: nil)
        harness.receive(.nonza(Harness.have(other)), on: connection)
        let sent = Harness.marks(harness.takeSent(connection))
        var have = Harness.have(other)
        have["ended"] = "00000000000000000000000000000000"
        harness.receive(.nonza(have), on: connection)
        #expect(harness.federation.links[0].lanes[1].row?.isStopped == false)
        have["ended"] = try #require(sent.first).epoch.text
        harness.receive(.nonza(have), on: connection)
        #expect(harness.federation.links[0].lanes[1].row?.isStopped == true)
        #expect(harness.waiting == 1)
    }

    @Test("each entry names the one before, over windows, voids, streams and restarts")
    func after() throws {
        var harness = Harness()
        harness.policy.federation.windowEntries = 2
        for number in 1...5 { harness.acceptMessage("m\(number)") }
        var connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        var marks = Harness.marks(harness.takeSent(connection))
        harness.receive(.nonza(Harness.have(marks[1])), on: connection)
        marks += Harness.marks(harness.takeSent(connection))
        harness.receive(.nonza(Harness.have(marks[2])), on: connection)
        harness.restart()
        connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(marks[2])), on: connection)
        marks = marks[..<3] + Harness.marks(harness.takeSent(connection))
        #expect(marks.map(\.number) == [1, 2, 3, 4, 5])
        #expect(marks.map(\.after) == [nil] + marks.dropLast().map(\.tag))
    }

    @Test("S1: nothing is lost by a restart, and numbers go on")
    func restart() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        harness.restart()
        harness.acceptMessage("b")
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        #expect(Harness.marks(harness.takeSent(connection)).map(\.number) == [1, 2])
    }

    @Test("S5: past its lifetime an entry is a void on the wire, and its sender's bare address hears of it")
    func expiry() throws {
        var harness = Harness()
        harness.policy.federation.entryLifetime = 3_600_000
        harness.policy.federation.retryMaximum = 600_000
        harness.acceptMessage("old")
        harness.dialFails()
        harness.pass(3_000_000)
        harness.acceptMessage("young")
        harness.pass(700_000)
        let error = try #require(harness.routed.first { $0.isError })
        #expect(error.to == Harness.alice.bare)
        #expect(error.id == "old")
        harness.restart()
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let sent = harness.takeSent(connection).filter { $0.name != "ask" }
        #expect(sent.map(\.name) == ["void", "message"])
        #expect(sent[0]["n"] == "1")
    }

    @Test("below the disk reserve a message is refused before it is acknowledged")
    func reserve() {
        var harness = Harness()
        harness.accept(Harness.message("full"), belowReserve: true)
        #expect(harness.waiting == 0)
        #expect(
            harness.routed.first?.payload("error", Namespaces.client)?.first("resource-constraint", Namespaces.stanzaErrors)
                != nil)
    }

    @Test("§5: while a link is down an IQ fails at once, availability is forgotten, typing too")
    func beside() throws {
        var harness = Harness()
        harness.acceptMessage("wait")
        harness.dialFails()
        harness.accept(Stanza(.iq, from: Harness.alice, to: Harness.bob, id: "q", type: "get"))
        #expect(harness.routed.map(\.type) == ["error"])
        let entry = Stanza(.presence, from: Harness.alice, to: Harness.bob, payloads: [Element("x", Namespaces.rooms)])
        harness.accept(entry)
        #expect(harness.routed.map(\.kind) == [.iq, .presence], "who wants to enter a room waits for an answer")
        harness.accept(Stanza(.presence, from: Harness.alice, to: Harness.bob))
        #expect(harness.routed.count == 2)
        harness.accept(
            Stanza(
                .message, from: Harness.alice, to: Harness.bob, type: "chat",
                payloads: [Element("composing", Namespaces.chatStates)]))
        #expect(harness.waiting == 1)
        harness.pass(5000)
        _ = try harness.dialSucceeds(relay: true)
        #expect(harness.takeChanges().last == LinkChange(Harness.outgoing, .up(wantsRefresh: true)))
    }

    @Test("§5: requests without an answer fail when the stream dies, answered ones do not")
    func requests() throws {
        var harness = Harness()
        harness.accept(Stanza(.iq, from: Harness.alice, to: Harness.bob, id: "answered", type: "get"))
        harness.accept(Stanza(.iq, from: Harness.alice, to: Harness.bob, id: "open", type: "get"))
        let connection = try harness.dialSucceeds(relay: true)
        let inbound = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: inbound)
        let answer = Stanza(.iq, from: Harness.bob, to: Harness.alice, id: "answered", type: "result")
        harness.receive(.stanza(answer), on: inbound)
        harness.routed = []
        harness.receive(.closed("reset"), on: connection)
        #expect(harness.routed.map(\.id) == ["open"])
    }

    @Test("§5: the answer to a request that has failed already reaches nobody, once")
    func lateAnswer() throws {
        var harness = Harness()
        harness.accept(Stanza(.iq, from: Harness.alice, to: Harness.bob, id: "q", type: "get"))
        let connection = try harness.dialSucceeds(relay: true)
        let inbound = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: inbound)
        harness.receive(.closed("reset"), on: connection)
        #expect(harness.routed.map(\.type) == ["error"])
        harness.routed = []
        let answer = Stanza(.iq, from: Harness.bob, to: Harness.alice, id: "q", type: "result")
        harness.receive(.stanza(answer), on: inbound)
        #expect(harness.routed.isEmpty)
        harness.receive(.stanza(answer), on: inbound)
        #expect(harness.routed.count == 1, "what nobody asked for is the client's business")
    }

    @Test("house: entries are named alike in the logs of both sites, and by what they were proven is kept")
    func traces() throws {
        var harness = Harness()
        harness.policy.tracesEntries = true
        harness.acceptMessage("m1")
        harness.acceptMessage("m2")
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let marks = Harness.marks(harness.takeSent(connection))
        harness.receive(.nonza(Harness.have(marks.last)), on: connection)
        let notes = harness.effects.compactMap { if case .note(let note) = $0 { note } else { nil } }
        let name = EntryTrace(Harness.outgoing, .chat, 2)
        #expect(notes.contains(.entryAccepted(name, id: "m2")))
        #expect(notes.contains(.entriesProven(name, first: 1, by: "have")))
        #expect(harness.federation.links[0].lanes[1].row?.proven.words == "2 by have")

        let inbound = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: inbound)
        var stanza = Harness.message("theirs", from: Harness.bob, to: Harness.alice)
        stanza.relayMark = RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 1, tag: 9, after: nil)
        harness.receive(.stanza(stanza), on: inbound)
        let taken = EntryTrace(Harness.outgoing, .chat, 1)
        #expect(harness.effects.contains { if case .note(.entryTaken(taken, id: "theirs")) = $0 { true } else { false } })
    }

    @Test("a link that is down is dialled at once when the peer shows itself")
    func inboundContact() {
        var harness = Harness()
        harness.acceptMessage("a")
        harness.dialFails()
        #expect(harness.takeDials().isEmpty)
        harness.receive(.peerVerified(Harness.outgoing, .dialback), on: harness.newConnection())
        #expect(harness.takeDials().count == 1)
    }
}
