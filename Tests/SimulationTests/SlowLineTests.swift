import MartletConfiguration
import Testing

@testable import MartletSimulation

/// A line of 9.6 kbit/s with 600 ms each way.
@Suite struct SlowLineTests {
    private static func company(messages: Int, rate: Int, outage: String = "") throws -> Topology {
        try Topology.parse(
            """
            [[sites]]
            name = "base"
            domain = "base.example"
            users = ["boris", "news"]

            [[sites]]
            name = "ship"
            domain = "ship.example"
            users = ["siren"]

            [[links]]
            between = ["base", "ship"]
            delay = "600ms"
            bytes_per_second = 1200
            \(outage)

            [traffic]
            messages = \(messages)
            rate_per_second = \(rate)

            [chaos]
            faults = 0
            """, fileName: "slow.toml")
    }

    /// Latencies of messages from `boris` (0) and `news` (1) to the ship, in milliseconds.
    private func latencies(_ topology: Topology, from person: Int, classes: Bool) -> [Int64] {
        var topology = topology
        if classes {
            topology.sites[0].urgentUsers = ["boris"]
            topology.sites[0].bulkUsers = ["news"]
        }
        var world = World(topology, seed: 1)
        let report = world.run()
        #expect(report.faults.isEmpty, "\(report.faults.map(\.description))")
        #expect(report.ledger.lostCount == 0)
        return report.ledger.messages.filter { $0.from == person && $0.to == 2 }.compactMap { message in
            message.arrivedAt.map { $0 - message.sentAt }
        }.sorted()
    }

    @Test("§6: more than the line carries: what is urgent does not wait behind what is not")
    func saturated() throws {
        // 10 messages a second of some 500 bytes: more than it carries.
        let topology = try Self.company(messages: 600, rate: 10)
        let urgent = latencies(topology, from: 0, classes: true)
        let bulk = latencies(topology, from: 1, classes: true)
        let unsorted = latencies(topology, from: 0, classes: false)
        let worst = try #require(urgent.last)
        #expect(worst < 15_000)
        #expect(bulk[bulk.count / 2] > 2 * worst, "bulk waits for the line")
        #expect(unsorted[unsorted.count / 2] > 2 * worst, "and so would the others")
    }
}
