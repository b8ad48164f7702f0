import Foundation
import Testing

@testable import MartletServices

/// Random histories of a shared room. `MARTLET_SHARED_ROOM_SEEDS=100000 swift test --filter RoomScheduleTests` runs that many of each kind.
@Suite struct RoomScheduleTests {
    private static let seeds = UInt64(ProcessInfo.processInfo.environment["MARTLET_SHARED_ROOM_SEEDS"] ?? "") ?? 400
    private static let first = UInt64(ProcessInfo.processInfo.environment["MARTLET_SHARED_ROOM_FIRST"] ?? "") ?? 1

    static func judge(_ seed: UInt64, offices: Int, steps: Int, faults: RoomWorld.Faults) -> [String] {
        var world = RoomWorld(seed: seed, offices: offices, faults: faults)
        world.run(steps: steps)
        world.heal()
        return RoomChecker.faults(in: world)
    }

    private func runs(offices: Int, steps: Int, _ faults: RoomWorld.Faults = RoomWorld.Faults()) {
        var failed = 0
        for seed in Self.first..<Self.first + Self.seeds where failed < 5 {
            let found = Self.judge(seed, offices: offices, steps: steps, faults: faults)
            if !found.isEmpty { failed += 1 }
            #expect(found.isEmpty, "seed \(seed): \(found.prefix(4))")
        }
    }

    @Test("cuts and crashes: archives and states are equal, nothing is lost, doubled or unreported")
    func cuts() { runs(offices: 3, steps: 120, RoomWorld.Faults(restore: 0, gone: 0, clock: 0, removal: 0)) }

    @Test("with entries that are gone from lanes, restored backups, clocks a year ahead, offices that come and go")
    func everything() { runs(offices: 3, steps: 150) }

    @Test("four offices, and a room that is destroyed")
    func destroyed() { runs(offices: 4, steps: 160, RoomWorld.Faults(destruction: 4)) }
}
