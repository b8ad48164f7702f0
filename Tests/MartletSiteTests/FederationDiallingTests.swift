import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// What an attempt is told about its peer.
@Suite struct FederationDiallingTests {
    typealias Harness = FederationHarness

    private static let day: Int64 = 86_400_000
    private static let endpoint = RememberedEndpoint(address: "192.0.2.1", port: 5269, directTLS: false)

    /// The attempt under way succeeds, at an address.
    private func dialSucceeds(_ harness: inout Harness) throws -> ConnectionID {
        let request = try #require(harness.takeDials().last)
        let connection = harness.newConnection()
        let features = PeerFeatures(
            relay: true, streamManagement: false, proof: .certificate, peerCertificateVerified: true)
        harness.step { $0.dialed(request.id, connection, features, [Self.endpoint], $1) }
        return connection
    }

    @Test("an address is remembered for a day after the end of the stream that it led to, however long that lasted")
    func addressAge() throws {
        var harness = Harness(known: false)
        harness.acceptMessage("one")
        let connection = try dialSucceeds(&harness)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let sent = harness.takeSent(connection)
        harness.receive(.nonza(Harness.have(Harness.marks(sent).last)), on: connection)
        #expect(harness.waiting == 0)
        harness.pass(3 * Self.day)
        harness.receive(.closed("cut"), on: connection)
        harness.pass(Self.day / 2)
        harness.acceptMessage("two")
        #expect(harness.takeDials().last?.remembered == [Self.endpoint])
    }

    @Test("an address that nothing worked with for a day is not remembered any more")
    func oldAddress() throws {
        var harness = Harness(known: false)
        harness.acceptMessage("one")
        let connection = try dialSucceeds(&harness)
        harness.receive(.closed("cut"), on: connection)
        harness.pass(60_000)
        #expect(harness.takeDials().last?.remembered == [Self.endpoint])
        harness.pass(Self.day)
        harness.restart()
        #expect(harness.takeDials().last?.remembered.isEmpty == true)
    }

    @Test("while an office is reached its address is good, which a process that is killed need not write down")
    func killedProcess() throws {
        var harness = Harness()
        harness.step { $0.boot($1) }
        let connection = try dialSucceeds(&harness)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        // Asked now and then, it answers.
        for _ in 0..<18_000 {
            harness.pass(10_000)
            harness.receive(.nonza(Harness.have(nil)), on: connection)
        }
        #expect(harness.now > 2 * Self.day)
        harness.restart()
        #expect(harness.takeDials().last?.remembered == [Self.endpoint])
    }

    private static let hour: Int64 = 3_600_000

    private func query(_ id: String) -> Stanza {
        Stanza(.iq, from: Harness.alice, to: Harness.bob, id: id, type: "get", payloads: [Element("q", "urn:example:q")])
    }

    @Test("a domain that cannot be reached and for which nothing waits is not called again; in the end it is no link any more")
    func phantom() throws {
        var harness = Harness(known: false)
        harness.accept(query("q1"))
        harness.dialFails()
        #expect(harness.routed.map(\.id) == ["q1"], "who asked is told")
        harness.pass(Self.hour - 1)
        #expect(harness.takeDials().isEmpty)
        #expect(harness.rowsOfLinks().map(\.lastError) == ["connection refused"], "the operator can see why")
        harness.accept(query("q2"))
        harness.dialFails()
        harness.pass(Self.hour - 1)
        #expect(harness.rowsOfLinks().count == 1, "it was used meanwhile")
        harness.pass(1)
        #expect(harness.rowsOfLinks().isEmpty && harness.federation.figures.links == 0)
        harness.accept(query("q3"))
        #expect(harness.takeDials().count == 1)
    }

    @Test("a stranger to whom something was written is forgotten when that was answered, and its numbers are not given twice")
    func forgottenLane() throws {
        var harness = Harness(known: false)
        harness.acceptMessage("a")
        harness.dialFails(.noSuchDomain)
        harness.pass(60_000)
        harness.dialFails(.noSuchDomain)
        #expect(harness.routed.map(\.id) == ["a"] && harness.waiting == 0)
        harness.pass(Self.hour)
        #expect(harness.federation.figures.links == 0)
        // Timers that name its place find nothing.
        harness.pass(10 * Self.day)
        harness.acceptMessage("b")
        let connection = try dialSucceeds(&harness)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let marks = Harness.marks(harness.takeSent(connection))
        #expect(marks.count == 1)
        harness.receive(.nonza(Harness.have(marks.last)), on: connection)
        #expect(harness.waiting == 0)
        harness.pass(Self.hour)
        #expect(harness.federation.figures.links == 1, "who was reached is no phantom")
    }

    @Test("after a start, strangers for whom nothing waits are forgotten too, others are not")
    func forgottenAfterStart() throws {
        var harness = Harness(known: false)
        harness.acceptMessage("a")
        harness.dialFails(.noSuchDomain)
        harness.pass(60_000)
        harness.dialFails(.noSuchDomain)
        harness.restart()
        #expect(harness.federation.figures.links == 1)
        harness.pass(Self.hour)
        #expect(harness.federation.figures.links == 0)
        harness.acceptMessage("waits")
        harness.dialFails()
        harness.restart()
        harness.pass(Self.hour / 10)
        #expect(harness.federation.figures.links == 1)
    }

    @Test("an office is called for ever, and so is for a day whoever was reached, since people may be missed there")
    func missed() throws {
        var harness = Harness()
        harness.step { $0.boot($1) }
        harness.dialFails()
        harness.pass(3 * Self.day)
        #expect(!harness.takeDials().isEmpty)
        harness = Harness(known: false)
        harness.accept(query("q"))
        let connection = try dialSucceeds(&harness)
        harness.receive(.closed("closed by the peer"), on: connection)
        #expect(harness.rowsOfLinks().map(\.lastError) == [""], "that a stream ended is no trouble")
        harness.step { $0.reach(Harness.outgoing, $1) }
        harness.dialFails()
        harness.pass(Self.day / 2)
        #expect(harness.takeDials().count == 1)
        var attempts = 0
        while harness.now < 2 * Self.day {
            harness.step { for dial in $0.dials.keys { $0.dialFailed(dial, .unreachable("no route"), $1) } }
            attempts += harness.takeDials().count
            harness.pass(60_000)
        }
        #expect(attempts > 0 && harness.rowsOfLinks().map(\.state) == ["idle"])
    }

    @Test("when the policy or our certificate was read anew, what failed is tried at once; a stream that is up goes on")
    func reload() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        harness.dialFails(.refused("brno.example refuses our certificate: not-authorized"))
        #expect(harness.takeDials().isEmpty)
        harness.step { $0.policyChanged($1) }
        #expect(harness.takeDials().count == 1)
        harness = Harness()
        harness.acceptMessage("a")
        _ = try dialSucceeds(&harness)
        harness.effects = []
        harness.step { $0.policyChanged($1) }
        #expect(harness.effects.isEmpty)
    }

    @Test("that a peer has shown a certificate is forgotten at the operator's word, and learnt again from the next one")
    func forgetCertificate() throws {
        var harness = Harness()
        harness.step { $0.boot($1) }
        let command = LinkCommand.forgetCertificate(Harness.peer)
        harness.step { #expect($0.handle(command, $1).isRefusal) }
        let connection = try dialSucceeds(&harness)
        harness.receive(.closed("cut"), on: connection)
        harness.pass(60_000)
        #expect(harness.takeDials().last?.requiresCertificate == true)
        harness.step { for dial in $0.dials.keys { $0.dialFailed(dial, .refused("shows no certificate"), $1) } }
        harness.step { #expect(!$0.handle(command, $1).isRefusal) }
        #expect(harness.takeDials().map(\.requiresCertificate) == [false], "called at once")
        harness.step { #expect($0.handle(command, $1).isRefusal) }
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: harness.newConnection())
        harness.step { #expect(!$0.handle(command, $1).isRefusal) }
    }
}

extension CommandAnswer {
    fileprivate var isRefusal: Bool { if case .refused = self { true } else { false } }
}

extension FederationHarness {
    /// What the operator sees.
    fileprivate mutating func rowsOfLinks() -> [LinkRow] {
        var rows: [LinkRow] = []
        step { rows = $0.linkRows($1) }
        return rows
    }
}
