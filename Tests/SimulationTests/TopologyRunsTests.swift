import Foundation
import MartletConfiguration
import MartletSimulation
import Testing

@Suite struct TopologyRunsTests {
    @Test("every topology: delivered once, in order, or bounced; nothing left behind", arguments: Companies.names)
    func promise(name: String) throws {
        let topology = try Companies.read(name, messages: name == "mesh" ? 12 : 30)
        for seed: UInt64 in 1...(name == "mesh" ? 1 : 4) {
            var world = World(topology, seed: seed)
            let report = world.run()
            let faults = report.faults.map(\.description).joined(separator: "; ")
            #expect(report.faults.isEmpty, "seed \(seed): \(faults)")
            #expect(report.ledger.sentCount == topology.traffic.messages)
            #expect(report.ledger.deliveredCount > 0)
            #expect(report.ledger.lostCount == 0)
        }
    }

    @Test("bytes between sites: the same promise with real stream engines", arguments: ["two-offices", "chain", "behind-nat"])
    func bytes(name: String) throws {
        let topology = try Companies.read(name, messages: 20)
        var options = World.Options()
        options.isByteMode = true
        for seed: UInt64 in 1...3 {
            var world = World(topology, seed: seed, options: options)
            let report = world.run()
            let faults = report.faults.map(\.description).joined(separator: "; ")
            #expect(report.faults.isEmpty, "seed \(seed): \(faults)")
            #expect(report.ledger.deliveredCount > 0)
        }
    }

    @Test("the same seed is the same run to the last byte, in both modes", arguments: [false, true])
    func determinism(isByteMode: Bool) throws {
        let topology = try Companies.read("two-offices", messages: 20)
        var options = World.Options()
        options.isByteMode = isByteMode
        var digests: Set<Digest64> = []
        for seed: UInt64 in 0..<3 {
            var first = World(topology, seed: seed, options: options)
            var second = World(topology, seed: seed, options: options)
            let digest = first.run().digest
            #expect(digest == second.run().digest)
            digests.insert(digest)
        }
        #expect(digests.count == 3)
    }

    @Test("a restored backup stops no lane: what is lacking is kept, and what is there is known")
    func restoredBackup() throws {
        let topology = try Companies.read("restored-backup", messages: 60)
        for seed: UInt64 in 1...4 {
            var world = World(topology, seed: seed)
            let report = world.run()
            #expect(report.faults.isEmpty, "seed \(seed): \(report.faults.map(\.description))")
            #expect(report.counts[.backup] == 1)
            #expect(report.explainedStops == 0)
        }
    }

    @Test("stores that go back again and again, at both ends, heal by themselves", arguments: 1...12)
    func restoredTwice(seed: UInt64) throws {
        let topology = try Companies.read("restored-twice", messages: 60)
        var world = World(topology, seed: seed)
        let report = world.run()
        #expect(report.faults.isEmpty, "\(report.faults.map(\.description))")
        #expect(report.explainedStops == 0)
    }

    @Test("beyond what is kept a lane stops, and the checkers know why")
    func keptBriefly() throws {
        let topology = try Companies.read("kept-briefly", messages: 100)
        var stops = 0
        for seed: UInt64 in 1...40 {
            var world = World(topology, seed: seed)
            let report = world.run()
            #expect(report.faults.isEmpty, "seed \(seed): \(report.faults.map(\.description))")
            stops += report.explainedStops
        }
        #expect(stops > 0)
    }

    @Test("the chart shows every site and every message that arrived")
    func chart() throws {
        let topology = try Companies.pair(messages: 20)
        var options = World.Options()
        options.drawsChart = true
        var world = World(topology, seed: 1, options: options)
        let report = world.run()
        let svg = try #require(report.chart).svg(title: "a <test>", end: report.length)
        #expect(svg.components(separatedBy: "<circle").count - 1 == report.ledger.deliveredCount)
        #expect(svg.components(separatedBy: "<polyline").count - 1 == 2)
        #expect(svg.contains("a &lt;test>"))
    }
}
