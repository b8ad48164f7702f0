import Foundation
import Testing

@testable import MartletServices

/// Random histories of a shared room, judged. `Tests/setup/room-seeds` runs a hundred thousand of each kind in minutes.
@Suite struct RoomScheduleTests {
    private static let count = UInt64(ProcessInfo.processInfo.environment["MARTLET_SHARED_ROOM_SEEDS"] ?? "") ?? 60
    private static let first = UInt64(ProcessInfo.processInfo.environment["MARTLET_SHARED_ROOM_FIRST"] ?? "") ?? 1

    @Test(
        "archives and states are equal, nothing is lost, doubled, unreported or missed by a reader",
        arguments: RoomWorld.Kind.allCases)
    func histories(_ kind: RoomWorld.Kind) {
        var failed = 0
        for seed in Self.first..<Self.first + Self.count where failed < 5 {
            let found = RoomChecker.faults(in: RoomWorld.healed(kind, seed: seed))
            if !found.isEmpty { failed += 1 }
            #expect(found.isEmpty, "seed \(seed): \(found.prefix(4))")
        }
    }

    @Test("the same seed makes the same history")
    func repeatable() {
        let one = RoomWorld.healed(.everything, seed: 3)
        let other = RoomWorld.healed(.everything, seed: 3)
        #expect(one.nodes.map { $0.store.arrivals.map(\.id) } == other.nodes.map { $0.store.arrivals.map(\.id) })
    }
}
