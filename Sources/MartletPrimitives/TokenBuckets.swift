/// How often each of many parties may do something: a *burst* at once, then one in each *interval*.
///
/// Token buckets, kept as the moment at which each is full again (GCRA), so that whoever did nothing for a while costs nothing. The table
/// is bounded: whoever was entered first is forgotten first, which gives back a burst and no more. A core; dictionaries for look-up only.
public struct TokenBuckets<Owner: Hashable & Sendable>: Sendable {
    /// So many at once.
    public let burst: Int
    /// Then one in this time, milliseconds.
    public let interval: Int64
    private let bound: Int
    /// When a bucket is full again. Look-up only.
    private var full: [Owner: Instant] = [:]
    /// In the order in which they were entered, with what was known then.
    private var entered = ShiftingArray<(owner: Owner, full: Instant)>()

    /// Buckets for so many parties at a time.
    public init(burst: Int, interval: Int64, bound: Int) {
        self.burst = burst
        self.interval = interval
        self.bound = bound
    }

    /// How long `owner` has to wait for a token, milliseconds; 0 where there is one.
    public func wait(_ owner: Owner, at now: Instant) -> Int64 {
        guard let full = full[owner], full > now else { return 0 }
        return max(0, (full - now) - interval * Int64(burst - 1))
    }

    /// Takes a token, or the one that comes then: returns how long to wait for it, milliseconds; nil where that is longer than
    /// `patience`, and nothing is taken.
    public mutating func take(_ owner: Owner, at now: Instant, patience: Int64 = 0) -> Int64? {
        let wait = wait(owner, at: now)
        guard wait <= patience else { return nil }
        let before = full[owner]
        let after = max(before ?? now, now) + interval
        full[owner] = after
        if before == nil {
            entered.append((owner, after))
            trim(now)
        }
        return wait
    }

    /// Forgets who has a full bucket; where too many have not, the one that was entered first.
    private mutating func trim(_ now: Instant) {
        while let first = entered.first, let known = full[first.owner] {
            if known > now, full.count <= bound {
                // It has done more since: it stands where it belongs now, and is looked at again when the others were.
                guard first.full <= now else { return }
                _ = entered.popFirst()
                entered.append((first.owner, known))
                continue
            }
            _ = entered.popFirst()
            full[first.owner] = nil
        }
    }

    /// How many parties have less than a full bucket, or had when it was looked at last.
    public var count: Int { full.count }
}
