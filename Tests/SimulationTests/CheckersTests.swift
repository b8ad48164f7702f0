import MartletConfiguration
import MartletSimulation
import Testing

/// Each defect that the promise forbids is planted once, and must be seen; the same run without it is clean.
@Suite struct CheckersTests {
    private func faults(
        _ topology: Topology, _ faults: [PlannedFault], _ mutation: Mutation?, seed: UInt64 = 1,
        queries: Bool = false
    ) -> [Fault] {
        var options = World.Options()
        options.mutation = mutation
        var world = World(topology, plan: Self.plan(topology, faults, seed: seed, queries: queries), options: options)
        return world.run().faults
    }

    static func plan(_ topology: Topology, _ faults: [PlannedFault], seed: UInt64, queries: Bool) -> RunPlan {
        var plan = RunPlan(topology, seed: seed)
        plan.faults = faults
        if queries {
            // From Pilsen to Brno and back, again and again.
            plan.deeds = (0..<60).map {
                RunPlan.Deed(at: 5000 + $0 * 200, from: Int($0 % 2), to: 2 + Int($0 % 2), kind: .query)
            }
        }
        return plan
    }

    private func check(
        _ mutation: Mutation, _ kinds: Set<Fault.Kind>, _ topology: Topology, _ planned: [PlannedFault], queries: Bool = false
    ) {
        let clean = faults(topology, planned, nil, queries: queries)
        #expect(clean.isEmpty, "without the defect: \(clean.map(\.description))")
        let found = faults(topology, planned, mutation, queries: queries)
        #expect(found.contains { kinds.contains($0.kind) }, "with it: \(found.map(\.description))")
    }

    private static func fault(_ at: Int64, _ duration: Int64, _ kind: PlannedFault.Kind) -> PlannedFault {
        PlannedFault(at: at, duration: duration, kind: kind)
    }

    private static let blackHole = PlannedFault.Kind.outage(line: 0, .blackHole, reversed: false)
    private static let reset = PlannedFault.Kind.outage(line: 0, .cut, reversed: false)

    @Test("an acknowledgement that leaves before the commit is seen")
    func ackBeforeCommit() throws {
        let crashes = [8000, 14_000, 20_000].flatMap { at in
            [0, 1].map { Self.fault(Int64(at) + Int64($0) * 3000, 500, .crash(server: $0, point: 0)) }
        }
        check(.ackBeforeCommit, [.ackBeforeCommit], try Companies.pair(), crashes)
    }

    @Test("a row of an archive's index that is lost is seen")
    func archiveRowLost() throws {
        check(.archiveRowLost, [.archive], try Companies.pair(messages: 240), [])
    }

    @Test("a count in another transaction than the delivery is seen")
    func haveInAnotherTransaction() throws {
        check(.haveInAnotherTransaction, [.ackBeforeCommit], try Companies.pair(), [])
    }

    @Test("entries that are removed when they were written to a socket are seen")
    func entryRemovedAtSend() throws {
        let planned = [Self.fault(10_000, 15_000, Self.blackHole), Self.fault(16_000, 1000, .crash(server: 0, point: 2))]
        check(.entryRemovedAtSend, [.lanesDisagree], try Companies.pair(), planned)
    }

    @Test("numbers that a restored site gives a second time are seen")
    func numberReusedAfterRestore() throws {
        let planned = [Self.fault(9000, 7000, .restore(site: 0, downtime: 500))]
        check(.numberReusedAfterRestore, [.numberChanged], try Companies.pair(), planned)
    }

    @Test("a lane that stops although everything is kept, and would be known, is seen")
    func tagsForgotten() throws {
        let planned = [Self.fault(9000, 7000, .restore(site: 0, downtime: 500))]
        check(.tagsForgotten, [.stopped], try Companies.pair(), planned)
    }

    @Test("a void that is skipped instead of sent is seen")
    func voidSkipped() throws {
        let planned = [Self.fault(10_000, 25_000, Self.blackHole)]
        check(.voidSkipped, [.numberChanged, .stopped, .notDrained], try Companies.pair(lifetime: "5s", messages: 90), planned)
    }

    @Test("an error that goes to a device that is gone is seen")
    func bounceToDevice() throws {
        let planned = [
            Self.fault(6000, 120_000, Self.blackHole), Self.fault(25_000, 20_000, .clientDrop(client: 0)),
            Self.fault(25_000, 20_000, .clientDrop(client: 2)),
        ]
        check(.bounceToDevice, [.lost], try Companies.pair(lifetime: "60s"), planned)
    }

    @Test("bytes of an old socket that are believed are seen")
    func oldSocketBelieved() throws {
        check(.oldSocketBelieved, [.duplicated], try Companies.pair(), [Self.fault(12_000, 1, Self.reset)])
    }

    @Test("a question that is sent again is seen")
    func queryReplayed() throws {
        check(.queryReplayed, [.queryTwice], try Companies.pair(), [Self.fault(10_000, 1, Self.reset)], queries: true)
    }

    @Test("shrinking leaves the trouble that matters, and few messages")
    func shrinking() throws {
        let topology = try Companies.pair()
        let planned = [
            Self.fault(5000, 1000, .slowDisk(site: 0)), Self.fault(12_000, 1, Self.reset),
            Self.fault(15_000, 1000, .reserve(site: 1)),
        ]
        var options = World.Options()
        options.mutation = .oldSocketBelieved
        let plan = Self.plan(topology, planned, seed: 1, queries: false)
        var shrinker = Shrinker(topology, plan: plan, options: options, kind: .duplicated, runs: 60)
        shrinker.shrink()
        #expect(shrinker.plan.faults == [planned[1]])
        #expect(shrinker.plan.deeds.count < plan.deeds.count / 4)
        var world = World(topology, plan: shrinker.plan, options: options)
        #expect(world.run().faults.contains { $0.kind == .duplicated })
    }
}
