import MartletConfiguration

/// Takes parts of a failing run away as long as it still fails in the same way: troubles one after the other, then what
/// people do by halves, then whole people.
public struct Shrinker {
    private let topology: Topology
    private let options: World.Options
    private let kind: Fault.Kind
    private var runs: Int
    /// The smallest plan that failed.
    public private(set) var plan: RunPlan

    /// Prepares to shrink a run that failed with a fault of that kind.
    public init(_ topology: Topology, plan: RunPlan, options: World.Options, kind: Fault.Kind, runs: Int = 300) {
        self.topology = topology
        self.plan = plan
        self.options = options
        self.kind = kind
        self.runs = runs
    }

    /// Does it.
    public mutating func shrink() {
        var before: RunPlan
        repeat {
            before = plan
            shrinkFaults()
            shrinkDeeds()
            shrinkContacts()
        } while plan != before && runs > 0
    }

    private mutating func attempt(_ smaller: RunPlan) -> Bool {
        guard runs > 0, smaller != plan else { return false }
        runs -= 1
        var world = World(topology, plan: smaller, options: options)
        guard world.run().faults.contains(where: { $0.kind == kind }) else { return false }
        plan = smaller
        return true
    }

    private mutating func shrinkFaults() {
        for index in plan.faults.indices.reversed() {
            var smaller = plan
            smaller.faults.remove(at: index)
            _ = attempt(smaller)
        }
    }

    private mutating func shrinkDeeds() {
        var size = (plan.deeds.count + 1) / 2
        while size > 0, runs > 0 {
            var start = 0
            while start < plan.deeds.count {
                var smaller = plan
                smaller.deeds.removeSubrange(start..<min(start + size, smaller.deeds.count))
                if !attempt(smaller) { start += size }
            }
            size = size == 1 ? 0 : (size + 1) / 2
        }
    }

    private mutating func shrinkContacts() {
        for index in plan.contacts.indices.reversed() {
            var smaller = plan
            smaller.contacts.remove(at: index)
            _ = attempt(smaller)
        }
    }
}
