import Foundation
import MartletConfiguration
import MartletSimulation
import Testing

@Suite struct TwoOfficesTests {
    static func topology(_ name: String) throws -> Topology {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "Topologies/\(name).toml"), encoding: .utf8)
        return try Topology.parse(text, fileName: "\(name).toml")
    }

    @Test("two offices, cut and killed: delivered once, in order, nothing left behind", arguments: 0..<40)
    func promise(seed: UInt64) throws {
        var topology = try Self.topology("two-offices")
        topology.traffic.messages = 120
        topology.traffic.ratePerSecond = 2
        var world = World(topology, seed: seed)
        let report = world.run()
        #expect(report.faults.isEmpty, "seed \(seed): \(report.faults.joined(separator: "; "))")
        #expect(report.ledger.sentCount == 120)
        #expect(report.ledger.deliveredCount == 120)
        #expect(report.crashes == 2)
        #expect(report.cuts == 1)
    }

    @Test("the same seed is the same run to the last byte")
    func determinism() throws {
        var topology = try Self.topology("two-offices")
        topology.traffic.messages = 60
        for seed: UInt64 in 0..<4 {
            var first = World(topology, seed: seed)
            var second = World(topology, seed: seed)
            #expect(first.run().digest == second.run().digest)
        }
    }
}
