/// How much of something bounded is taken, and by whom: a mailbox, a queue, a list that many write to.
///
/// Nobody gets more of it than is still free. So one who writes without end gets half, a second one a quarter, and there is always
/// something left for whoever comes next: a bound that is the same for all would be reached by one and met by everybody.
public struct Portions<Owner: Hashable & Sendable>: Sendable {
    /// So many things of so many bytes.
    public struct Amount: Sendable, Equatable {
        /// How many.
        public var count: Int
        /// Their bytes.
        public var bytes: Int

        /// That much.
        public init(count: Int, bytes: Int) {
            self.count = count
            self.bytes = bytes
        }
    }

    /// What all have.
    public private(set) var total = Amount(count: 0, bytes: 0)
    /// Look-up only.
    private var byOwner: [Owner: Amount] = [:]

    /// Nobody has anything.
    public init() {}

    /// What one has.
    public func share(of owner: Owner) -> Amount { byOwner[owner] ?? Amount(count: 0, bytes: 0) }

    /// Whether one more thing of that size fits, for this owner, where there may be `limit` in all.
    public func admits(_ bytes: Int, for owner: Owner, of limit: Amount) -> Bool {
        let own = share(of: owner)
        return own.count < limit.count - total.count && own.bytes + bytes <= limit.bytes - total.bytes
    }

    /// One more thing.
    public mutating func add(_ bytes: Int, for owner: Owner) {
        total.count += 1
        total.bytes += bytes
        byOwner[owner, default: Amount(count: 0, bytes: 0)].count += 1
        byOwner[owner]?.bytes += bytes
    }

    /// One that was added is gone.
    public mutating func remove(_ bytes: Int, for owner: Owner) {
        guard var own = byOwner[owner] else { return }
        total.count -= 1
        total.bytes -= bytes
        own.count -= 1
        own.bytes -= bytes
        byOwner[owner] = own.count > 0 ? own : nil
    }
}

/// The same where nobody has to be told apart as long as little is taken: only the sum is kept, until it is a part of the limit of which
/// nobody could have too much. From there on who has what is counted once, and kept.
public struct Load<Owner: Hashable & Sendable>: Sendable {
    /// What all have.
    public private(set) var total = Portions<Owner>.Amount(count: 0, bytes: 0)
    private var shares: Portions<Owner>?
    private let part: Int

    /// Nobody has anything; owners are told apart from the `part`-th part of the limit on, until it is half of that again.
    public init(part: Int = 4) { self.part = part }

    /// One more thing.
    public mutating func add(_ bytes: Int, for owner: Owner) {
        total.count += 1
        total.bytes += bytes
        shares?.add(bytes, for: owner)
    }

    /// One that was added is gone.
    public mutating func remove(_ bytes: Int, for owner: Owner, of limit: Portions<Owner>.Amount) {
        total.count -= 1
        total.bytes -= bytes
        guard shares != nil else { return }
        if exceeds(2 * part, limit) { shares?.remove(bytes, for: owner) } else { shares = nil }
    }

    /// Whether one more thing of that size fits, for this owner. `count` says who has what, and is asked where it matters and is not known.
    public mutating func admits(
        _ bytes: Int, for owner: Owner, of limit: Portions<Owner>.Amount, _ count: () -> Portions<Owner>
    ) -> Bool {
        if !exceeds(part, limit), 2 * (total.bytes + bytes) <= limit.bytes, total.count < limit.count { return true }
        let known = shares ?? count()
        shares = known
        return known.admits(bytes, for: owner, of: limit)
    }

    /// Adds one more thing, if it fits.
    public mutating func addIfAdmitted(
        _ bytes: Int, for owner: Owner, of limit: Portions<Owner>.Amount, _ count: () -> Portions<Owner>
    ) -> Bool {
        guard admits(bytes, for: owner, of: limit, count) else { return false }
        add(bytes, for: owner)
        return true
    }

    private func exceeds(_ part: Int, _ limit: Portions<Owner>.Amount) -> Bool {
        total.count >= limit.count / part || total.bytes >= limit.bytes / part
    }
}
