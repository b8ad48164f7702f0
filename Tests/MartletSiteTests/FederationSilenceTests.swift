import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// relay-protocol S4: what is a sign of life, and what follows without one.
@Suite struct FederationSilenceTests {
    typealias Harness = FederationHarness

    private static func aborts(_ harness: Harness, _ connection: ConnectionID) -> Bool {
        harness.effects.contains(.stream(connection, .abort))
    }

    @Test("S4, §6.1: a stream that never falls idle lives as long as its acknowledgements get on")
    func neverIdle() throws {
        var harness = Harness()
        harness.acceptMessage("m0")
        let connection = try harness.dialSucceeds(relay: false, managed: true)
        // A line of 100 ms at 20 messages a second: two are always under way, and none of the counts covers them all.
        for number in 1...2000 {
            harness.acceptMessage("m\(number)")
            harness.pass(50)
            guard number >= 2 else { continue }
            let count = Element("a", Namespaces.streamManagement, [("h", "\(number - 1)")])
            harness.receive(.nonza(count), on: connection)
        }
        let isGivenUp = Self.aborts(harness, connection)
        #expect(!isGivenUp)
        #expect(harness.waiting == 2)
    }
}
