import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletFederation

/// What waits for a server is bounded in bytes, whatever becomes of it, and nobody fills a queue alone.
@Suite("The load of queues") struct FederationLoadTests {
    private static let large = String(repeating: "x", count: 10_000)
    private static let carol = JID(preparedLocalpart: "carol", preparedDomainpart: "pilsen.example", preparedResourcepart: "pc")

    private func load(_ site: FederationHarness) -> Portions<UInt32>.Amount {
        site.federation.links.first?.load.total ?? Portions.Amount(count: 0, bytes: 0)
    }

    /// What the store says that waits.
    private func stored(_ site: FederationHarness) -> Int {
        let store = site.store.begin()
        defer { site.store.abort() }
        var count = 0
        for (id, row) in LaneTable.all(in: store) {
            let lane = LaneEntries(id, base: row.base)
            EntryTable.forEach(lane, from: row.acked + 1, in: store) { _, entry in
                if entry.state == .waiting { count += 1 }
                return true
            }
        }
        return count
    }

    private func fill(_ site: inout FederationHarness, _ count: Int, from: JID = FederationHarness.alice) {
        for number in 0..<count { site.accept(FederationHarness.message("\(number)\(Self.large)", from: from)) }
    }

    @Test("RFC 6120 §8.3.3.12: who has filled his share of a queue gets resource-constraint, and others still write")
    func share() {
        var site = FederationHarness()
        site.policy.federation.officeQueueBytes = 200_000
        fill(&site, 20)
        #expect(load(site).bytes <= 110_000 && load(site).count == 10, "half of it, and not quite one more")
        #expect(site.routed.count == 10)
        #expect(site.routed.allSatisfy { $0.payloads.last?.elements.first?.name == "resource-constraint" })
        site.routed = []
        fill(&site, 2, from: Self.carol)
        #expect(site.routed.isEmpty)
        #expect(load(site).count == stored(site))
    }

    @Test("an error, and what the site has to say, find room in a full queue: nobody could be told that they are lost")
    func errors() {
        var site = FederationHarness()
        site.policy.federation.officeQueueBytes = 200_000
        fill(&site, 20)
        #expect(site.routed.count == 10)
        let origin = Origin.session(
            SessionOrigin(SessionID(slot: 0, generation: 0), account: AddressNumber(1), isManaged: true))
        var error = FederationHarness.message("error\(Self.large)")
        error.type = "error"
        site.accept(error, from: origin)
        site.accept(FederationHarness.message("notice\(Self.large)"), from: .service)
        site.accept(FederationHarness.message("answer\(Self.large)"), from: .site)
        #expect(site.routed.count == 10)
        #expect(load(site).count == 13 && stored(site) == 13)
    }

    @Test("what is acknowledged is off the load")
    func acknowledged() throws {
        var site = FederationHarness()
        for number in 0..<5 { site.acceptMessage("\(number)") }
        let connection = try site.dialSucceeds(relay: true)
        site.receive(.nonza(FederationHarness.have(nil)), on: connection)
        let marks = FederationHarness.marks(site.takeSent(connection))
        site.receive(.nonza(FederationHarness.have(marks[1])), on: connection)
        #expect(load(site).count == 5 - 2 && load(site).count == stored(site))
        site.acceptMessage("more")
        let all = marks + FederationHarness.marks(site.takeSent(connection))
        site.receive(.nonza(FederationHarness.have(all.last)), on: connection)
        #expect(load(site) == Portions.Amount(count: 0, bytes: 0))
    }

    @Test("what expires, is held, released, cancelled or given up is off the load, or on it again")
    func deeds() throws {
        var site = FederationHarness()
        site.policy.federation.entryLifetime = 100_000
        fill(&site, 6)
        func claim(_ number: UInt64, lane: UInt32 = 1) throws -> EntryClaim {
            let page = try #require(site.queue().first { $0.name == EntryName(lane: lane, number: number) })
            return EntryClaim(name: page.name, tag: page.tag)
        }
        let claims = [try claim(1), try claim(2)]
        site.step { _ = $0.hold(claims, $1) }
        #expect(load(site).count == 4 && stored(site) == 4)
        let held = [try claim(1, lane: EntryName.held)]
        site.step { _ = $0.release(held, $1) }
        #expect(load(site).count == 5 && stored(site) == 5)
        let purged = [try claim(3)]
        site.step { _ = $0.purge(purged, $1) }
        #expect(load(site).count == 4)
        site.step { _ = $0.cancel(["1/4"], of: FederationHarness.alice.bare, $1) }
        #expect(load(site).count == 3 && stored(site) == 3)
        site.pass(300_000)
        #expect(stored(site) == 0)
        #expect(load(site) == Portions.Amount(count: 0, bytes: 0))
    }

    @Test("after a start the load is counted in slices, while things come and go")
    func restart() throws {
        var site = FederationHarness()
        for number in 0..<1500 { site.accept(FederationHarness.message("\(number)")) }
        let before = load(site)
        site.restart()
        #expect(load(site).count < 1500, "not in one turn")
        site.acceptMessage("new")
        site.step { _ = $0.cancel(["1/2", "1/1400"], of: FederationHarness.alice.bare, $1) }
        site.longestBatch = 0
        site.pass(500)
        #expect(load(site).count == 1499 && stored(site) == 1499)
        #expect(abs(load(site).bytes - before.bytes) < 1500 * 200)
        #expect(site.longestBatch < 3 * 512)
    }

    @Test("whoever was read slowly is told apart once his queue is long, in whichever order they came")
    func ownersAfterRestart() {
        var site = FederationHarness()
        site.policy.federation.officeQueueBytes = 200_000
        fill(&site, 9)
        site.restart()
        site.pass(500)
        site.routed = []
        fill(&site, 1)
        #expect(site.routed.count == 1)
        fill(&site, 1, from: Self.carol)
        #expect(site.routed.count == 1)
    }
}

extension FederationHarness {
    /// Everything at the desk.
    fileprivate func queue() -> [QueueRow] {
        var copy = self
        var rows: [QueueRow] = []
        copy.step { federation, turn in
            if case .queue(let page) = federation.handle(.listQueue(QueueFilter(), after: nil), turn) { rows = page.rows }
        }
        return rows
    }
}
