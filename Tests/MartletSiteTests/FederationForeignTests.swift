import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

@Suite struct FederationForeignTests {
    typealias Harness = FederationHarness

    @Test("a stranger who has a stream to us is not taken for one that does not exist, whatever DNS says meanwhile")
    func existsByItsStream() throws {
        var harness = Harness(known: false)
        let inbound = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .dialback), on: inbound)
        harness.acceptMessage("answer")
        for _ in 0..<3 {
            harness.dialFails(.noSuchDomain)
            harness.pass(60_000)
        }
        #expect(harness.waiting == 1)
        #expect(harness.routed.isEmpty)
        harness.receive(.closed("gone"), on: inbound)
        harness.dialFails(.noSuchDomain)
        #expect(harness.routed.map(\.type) == ["error"])
    }

    @Test("§6.1: with XEP-0198 entries go at <a/>, counted with what went beside")
    func streamManagement() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: false, managed: true)
        #expect(harness.takeSent(connection).map(\.name) == ["enable", "message", "r"])
        harness.accept(Stanza(.presence, from: Harness.alice, to: Harness.bob))
        harness.acceptMessage("b")
        #expect(harness.takeSent(connection).map(\.name) == ["presence", "message"])
        harness.receive(.nonza(Element("a", Namespaces.streamManagement, [("h", "2")])), on: connection)
        #expect(harness.waiting == 1)
        #expect(harness.takeSent(connection).map(\.name) == ["r"])
        harness.receive(.nonza(Element("a", Namespaces.streamManagement, [("h", "3")])), on: connection)
        #expect(harness.waiting == 0)
    }

    @Test("§6.1: a count above what was sent ends the stream")
    func overcount() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: false, managed: true)
        harness.receive(.nonza(Element("a", Namespaces.streamManagement, [("h", "7")])), on: connection)
        #expect(harness.waiting == 1)
        #expect(
            harness.effects.contains {
                if case .stream(connection, .close(.some)) = $0 { true } else { false }
            })
    }

    @Test("§6.2: without XEP-0198 the answer to a ping, on any stream of that domain, proves what was before it")
    func fence() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: false)
        let sent = harness.takeSent(connection)
        #expect(sent.map(\.name) == ["message", "iq"])
        let id = try #require(sent.last?["id"])
        harness.acceptMessage("b")
        let inbound = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .dialback), on: inbound)
        let forged = Stanza(.iq, from: Harness.peer, to: Harness.local, id: "fence-guess", type: "result")
        harness.receive(.stanza(forged), on: inbound)
        #expect(harness.waiting == 2)
        let answer = Stanza(.iq, from: Harness.peer, to: Harness.local, id: id, type: "error")
        harness.receive(.stanza(answer), on: inbound)
        #expect(harness.waiting == 1)
        #expect(harness.takeSent(connection).map(\.name) == ["message", "iq"])
        #expect(harness.routed.isEmpty)
    }

    @Test("§6.3: unanswered fences lead to a close, and the peer's closing tag proves everything")
    func close() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: false)
        harness.pass(ForeignCarrier.patience + 2000)
        #expect(harness.effects.contains(.stream(connection, .close(nil))))
        #expect(harness.waiting == 1)
        harness.receive(.streamEnded, on: connection)
        #expect(harness.waiting == 0)
    }

    @Test("§6.4: what was not proven is sent again with the same id and its time")
    func uncertain() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let first = try harness.dialSucceeds(relay: false)
        harness.receive(.streamEnded, on: first)
        harness.receive(.closed("closed by the peer"), on: first)
        #expect(harness.waiting == 1)
        harness.pass(2000)
        let second = try harness.dialSucceeds(relay: false)
        let sent = harness.takeSent(second)
        let again = try #require(sent.first)
        #expect(again["id"] == "a")
        #expect(again.first("delay", Namespaces.delay) != nil)
    }

    /// A stream of ours to a foreign server without XEP-0198 that carries one message, and its ping.
    private func fenced(_ harness: inout Harness) throws -> (connection: ConnectionID, ping: Element) {
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: false)
        let ping = try #require(harness.takeSent(connection).first { $0.name == "iq" })
        return (connection, ping)
    }

    @Test("§6 rung 2: the answer to the ping counts on the stream that we opened, too")
    func answeredOnOurStream() throws {
        var harness = Harness()
        let (connection, ping) = try fenced(&harness)
        harness.receive(
            .stanza(Stanza(.iq, from: Harness.peer, to: Harness.local, id: "fence-x", type: "result")), on: connection)
        #expect(harness.waiting == 1)
        harness.receive(
            .stanza(Stanza(.iq, from: Harness.peer, to: Harness.local, id: ping["id"], type: "error")), on: connection)
        #expect(harness.waiting == 0)
        #expect(harness.routed.isEmpty)
    }

    @Test("on the stream that we opened, an answer is taken to what was asked there, once, and to nothing else")
    func requestAnsweredOnOurStream() throws {
        var harness = Harness()
        let (connection, _) = try fenced(&harness)
        harness.accept(
            Stanza(.iq, from: Harness.alice, to: Harness.bob, id: "q1", type: "get", payloads: [Element("q", "urn:example:q")]))
        for id in ["q0", "q1", "q1"] {
            harness.receive(.stanza(Stanza(.iq, from: Harness.bob, to: Harness.alice, id: id, type: "result")), on: connection)
        }
        #expect(harness.routed.map(\.id) == ["q1"])
    }

    @Test(
        "on the stream that we opened, who sends messages and requests is told that they are not taken; nothing else is heard")
    func strays() throws {
        var harness = Harness()
        let (connection, _) = try fenced(&harness)
        let mark = RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 1, tag: 3, after: nil)
        var numbered = Harness.message("numbered", from: Harness.bob, to: Harness.alice)
        numbered.relayMark = mark
        harness.receive(.stanza(Harness.message("m", from: Harness.bob, to: Harness.alice)), on: connection)
        harness.receive(.stanza(numbered), on: connection)
        harness.receive(.stanza(Stanza(.iq, from: Harness.peer, to: Harness.local, id: "ping", type: "get")), on: connection)
        harness.receive(.stanza(Stanza(.presence, from: Harness.bob, to: Harness.alice)), on: connection)
        #expect(harness.routed.map(\.id) == ["m", "ping"])
        #expect(harness.routed.allSatisfy { $0.type == "error" && $0.to?.domain == Harness.peer })
        #expect(!harness.effects.contains { if case .stream(connection, .close) = $0 { true } else { false } })
        #expect(harness.store.count(.have) == 0)
    }

    @Test("S7: a foreign peer that becomes a Martlet gets what waits under a new numbering")
    func replaced() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let foreign = try harness.dialSucceeds(relay: false, managed: true)
        harness.receive(.nonza(Element("a", Namespaces.streamManagement, [("h", "1")])), on: foreign)
        harness.receive(.closed("gone"), on: foreign)
        harness.acceptMessage("b")
        harness.pass(3000)
        let martlet = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: martlet)
        #expect(Harness.marks(harness.takeSent(martlet)).map(\.number) == [1])
    }

    @Test("a domain that does not exist is asked about twice, then its senders hear it at once")
    func noSuchDomain() {
        var harness = Harness(known: false)
        harness.acceptMessage("a")
        harness.dialFails(.noSuchDomain)
        #expect(harness.routed.isEmpty)
        harness.pass(2000)
        harness.dialFails(.noSuchDomain)
        #expect(
            harness.routed.first?.payload("error", Namespaces.client)?.first("remote-server-not-found", Namespaces.stanzaErrors)
                != nil)
        #expect(harness.waiting == 0)
        #expect(harness.store.count(.log) == 0)
    }

    @Test("a stranger that never answers costs its senders ten minutes, a known office days")
    func stranger() {
        var harness = Harness(known: false)
        harness.acceptMessage("a")
        for _ in 0..<30 {
            harness.dialFails()
            harness.pass(30_000)
        }
        #expect(
            harness.routed.first?.payload("error", Namespaces.client)?.first("remote-server-timeout", Namespaces.stanzaErrors)
                != nil)
        #expect(harness.waiting == 0)
        var office = Harness()
        office.acceptMessage("a")
        for _ in 0..<30 {
            office.dialFails()
            office.pass(30_000)
        }
        #expect(office.waiting == 1)
    }

    @Test("an account may bring up only so many new domains in an hour")
    func strangersPerHour() {
        var harness = Harness(known: false)
        for number in 0..<25 {
            let to = JID(preparedLocalpart: "x", preparedDomainpart: "d\(number).example", preparedResourcepart: nil)
            harness.acceptMessage("m", to: to)
        }
        #expect(harness.waiting == harness.policy.federation.strangers.newDomainsPerHour)
        #expect(harness.routed.count == 5)
        harness.pass(3_600_001)
        harness.acceptMessage(
            "m", to: JID(preparedLocalpart: "x", preparedDomainpart: "late.example", preparedResourcepart: nil))
        #expect(
            harness.routed.last?.to != Harness.alice
                || harness.federation.links.count == harness.policy.federation.strangers.newDomainsPerHour + 1
        )
    }
}
