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
}
