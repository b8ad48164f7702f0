/// A ``WorkBucket`` for each of many parties, all with one budget. Bounded: whoever was entered first is forgotten first, which gives
/// back a burst and no more; whose bucket is full is forgotten anyway. A core; dictionaries for look-up only.
public struct WorkBuckets<Owner: Hashable & Sendable>: Sendable {
    /// Of each.
    public var budget: WorkBudget
    private let bound: Int
    /// Look-up only.
    private var buckets: [Owner: WorkBucket] = [:]
    /// In the order in which they were entered or looked at.
    private var entered = ShiftingArray<Owner>()

    /// Buckets for so many parties at a time.
    public init(_ budget: WorkBudget, bound: Int) {
        self.budget = budget
        self.bound = bound
    }

    /// Charges a party. Returns how long it is until it is out of debt, milliseconds.
    public mutating func charge(_ owner: Owner, _ work: Int64, at now: Instant) -> Int64 {
        let known = buckets[owner]
        var bucket = known ?? WorkBucket()
        let rest = bucket.charge(work, to: budget, at: now)
        buckets[owner] = bucket
        if known == nil {
            entered.append(owner)
            // Two are looked at for each that comes: the idle go sooner than others pile up.
            for _ in 0..<2 { lookAtFirst(now) }
        }
        return rest
    }

    /// The same for one who has waited for his turn already: he waits for what he causes now, and not for those behind him.
    public mutating func chargeMore(_ owner: Owner, _ work: Int64, at now: Instant) -> Int64 {
        min(charge(owner, work, at: now), budget.milliseconds(for: work))
    }

    /// Gives back what turned out to be somebody else's.
    public mutating func giveBack(_ owner: Owner, _ work: Int64) { buckets[owner]?.giveBack(work, to: budget) }

    private mutating func lookAtFirst(_ now: Instant) {
        guard let first = entered.popFirst(), let bucket = buckets[first] else { return }
        if bucket.isFull(at: now) || buckets.count > bound {
            buckets[first] = nil
        } else {
            entered.append(first)
        }
    }

    /// How many parties are remembered.
    public var count: Int { buckets.count }
}
