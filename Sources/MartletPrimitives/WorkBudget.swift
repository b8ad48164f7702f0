/// How much work somebody may cause, in microseconds of processor time: so much in a second for ever, and so much at once after a pause.
public struct WorkBudget: Sendable, Equatable {
    /// For each second.
    public var perSecond: Int64
    /// At once.
    public var burst: Int64
    /// The longest rest at a time, milliseconds, and so the debt that is remembered where nothing else bounds it.
    public var longestRest: Int64

    /// A budget of `perSecond` and `burst` microseconds, with a rest of so many milliseconds at most.
    public init(perSecond: Int64, burst: Int64, longestRest: Int64) {
        require(perSecond > 0 && burst >= 0 && longestRest >= 0, "a budget is something")
        self.perSecond = perSecond
        self.burst = burst
        self.longestRest = longestRest
    }

    /// How long it takes to earn that much work, milliseconds.
    func milliseconds(for work: Int64) -> Int64 { (time(for: work) + 999) / 1000 }

    /// How long it takes to earn that much work, in microseconds.
    fileprivate func time(for work: Int64) -> Int64 { work * 1_000_000 / perSecond }
}

/// A token bucket of work. It may go into debt, since what something costs is known when it was done; then it says how long it is until
/// the debt is paid.
///
/// Kept as the one moment at which it is full again: whoever causes nothing costs nothing. A core: time comes in.
public struct WorkBucket: Sendable, Equatable {
    /// Microseconds, on the clock of whoever asks.
    private var full = Int64.min / 2

    /// A full bucket.
    public init() {}

    /// Takes what was caused. Returns how long it is until the bucket is out of debt, milliseconds: 0 where it is in none.
    public mutating func charge(_ work: Int64, to budget: WorkBudget, at now: Instant) -> Int64 {
        let now = now.milliseconds * 1000
        full = min(max(full, now) + budget.time(for: work), now + budget.time(for: budget.burst) + budget.longestRest * 1000)
        return Self.rest(full, budget, now)
    }

    /// Gives back what turned out to be somebody else's.
    public mutating func giveBack(_ work: Int64, to budget: WorkBudget) { full -= budget.time(for: work) }

    /// How long it is until the bucket is out of debt, milliseconds.
    public func rest(_ budget: WorkBudget, at now: Instant) -> Int64 { Self.rest(full, budget, now.milliseconds * 1000) }

    /// Whether it is full: nothing is to be remembered.
    public func isFull(at now: Instant) -> Bool { full <= now.milliseconds * 1000 }

    private static func rest(_ full: Int64, _ budget: WorkBudget, _ now: Int64) -> Int64 {
        let debt = full - now - budget.time(for: budget.burst)
        return debt > 0 ? (debt + 999) / 1000 : 0
    }
}
