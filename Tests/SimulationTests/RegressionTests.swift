import MartletConfiguration
import MartletSimulation
import Testing

/// What the simulator has found once.
@Suite struct RegressionTests {
    private func run(_ topology: Topology, _ faults: [PlannedFault], seed: UInt64) -> RunReport {
        var plan = RunPlan(topology, seed: seed)
        plan.faults = faults
        var world = World(topology, plan: plan)
        return world.run()
    }

    @Test("what a site refuses below its disk's reserve comes again when there is room, although the stream lives")
    func reserveOnALivingStream() throws {
        let reserve = PlannedFault(at: 10_000, duration: 6000, kind: .reserve(site: 1))
        let report = run(try Companies.pair(), [reserve], seed: 1)
        #expect(report.faults.isEmpty, "\(report.faults.map(\.description))")
        #expect(report.counts == [.reserve: 1])
    }

    @Test(
        "a request to see somebody that was committed and never sent is made again when the client resumes", arguments: 0..<20)
    func requestLostInACrash(step: Int) throws {
        let crash = PlannedFault(at: 1000 + Int64(step) * 150, duration: 7000, kind: .crash(server: 1, point: 1))
        let report = run(try Companies.pair(messages: 0), [crash], seed: UInt64(step))
        #expect(report.faults.isEmpty, "\(report.faults.map(\.description))")
    }

    @Test("the same on the stream that the site opened itself, which goes on carrying away what it has")
    func reserveBehindNAT() throws {
        var topology = try Companies.pair()
        topology.sites[1].isBehindNAT = true
        var plan = RunPlan(topology, seed: 1)
        plan.faults = [PlannedFault(at: 10_000, duration: 5000, kind: .reserve(site: 1))]
        // Nothing follows that would show the gap.
        plan.deeds = [.init(at: 12_000, from: 0, to: 2, kind: .message)]
        var world = World(topology, plan: plan)
        let report = world.run()
        #expect(report.faults.isEmpty, "\(report.faults.map(\.description))")
        #expect(report.ledger.deliveredCount == 1)
    }

    @Test("below its disk's reserve a site still keeps the errors for what it refuses to foreign servers")
    func errorsBelowReserve() throws {
        let foreign = """

            [[foreign_servers]]
            name = "partner"
            domain = "partner.example"
            software = "prosody"
            users = ["carol", "cyril"]
            """
        let reserve = PlannedFault(at: 6000, duration: 12_000, kind: .reserve(site: 0))
        let report = run(try Companies.pair(foreign: foreign), [reserve], seed: 2)
        #expect(report.faults.isEmpty, "\(report.faults.map(\.description))")
        #expect(report.ledger.bouncedCount > 0)
    }

    @Test(
        "a lane that a backup does not have is not looked for after it was put back; a stream closed in good order blames nobody"
    )
    func seeds() throws {
        for (name, seed) in [("restored-twice", UInt64(23)), ("behind-nat", 5994), ("chain", 22), ("chain", 35)] {
            var world = World(try Companies.read(name, messages: 20), seed: seed)
            let report = world.run()
            #expect(report.faults.isEmpty, "\(name) \(seed): \(report.faults.map(\.description))")
        }
    }

    @Test("a message that is handed over again after one rollback, and forgotten in part by another, may come once more")
    func copies() throws {
        var world = World(try Companies.read("kept-briefly", messages: 12), seed: 1)
        let report = world.run()
        #expect(report.faults.isEmpty, "\(report.faults.map(\.description))")
        #expect(report.ledger.deliveredCount > 0)
    }
}
