import MartletBus
import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas

@testable import MartletFederation

/// What is written to a link costs the same, however much was written before.
@Suite struct FederationGrowthTests {
    typealias Harness = FederationHarness

    @Test(
        "a stanza beside the lanes costs no more behind ten thousand that a foreign server has not proven",
        arguments: [true, false])
    func besideUnproven(isManaged: Bool) throws {
        var harness = Harness()
        harness.acceptMessage("first")
        _ = try harness.dialSucceeds(relay: false, managed: isManaged)
        func write(_ count: Int) -> Int {
            Meter.bytes {
                harness.step { federation, turn in
                    for _ in 0..<count {
                        federation.accept(Envelope(Stanza(.presence, from: Harness.alice, to: Harness.bob), from: .site), turn)
                    }
                }
            }
        }
        _ = write(500)
        let few = write(500)
        _ = write(10_000)
        let many = write(500)
        #expect(many < 2 * few, "500 stanzas cost \(few) bytes, behind 10,000 unproven ones \(many)")
    }

    @Test("so it is for the whole site", arguments: [true, false])
    func besideUnprovenOfSite(isManaged: Bool) {
        var harness = SiteHarness()
        let alice = harness.login("alice")
        harness.dialReachesForeigner(managed: isManaged)
        func write(_ count: Int) -> Int {
            Meter.bytes { for _ in 0..<count { harness.send("<presence to='bob@brno.example'/>", on: alice) } }
        }
        _ = write(500)
        let few = write(500)
        _ = write(5000)
        let many = write(500)
        #expect(many < 2 * few, "500 stanzas cost \(few) bytes, behind 5,000 unproven ones \(many)")
    }
}
