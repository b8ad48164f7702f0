import MartletPrimitives
import XMPPAddress

/// Counts the new domains that each account brings up, so that a worm on one desk cannot make the site dial the world.
struct StrangerGate {
    /// Entries that may wait for a domain that never answered.
    static let waitingLimit: UInt64 = 500
    /// Accounts counted at the same time; beyond it the oldest count is forgotten.
    private static let accountLimit = 4096
    private static let hour: Int64 = 3_600_000

    private struct Count {
        var since: Instant
        var domains: Int
    }

    private var counts: [JID: Count] = [:]
    private var order: [JID] = []

    /// Counts one new domain of `account`; false beyond the limit of the hour.
    mutating func admits(_ account: JID, now: Instant, perHour limit: Int) -> Bool {
        if var count = counts[account], now - count.since < Self.hour {
            guard count.domains < limit else { return false }
            count.domains += 1
            counts[account] = count
            return true
        }
        if counts.updateValue(Count(since: now, domains: 1), forKey: account) == nil {
            order.append(account)
            if order.count > Self.accountLimit { counts[order.removeFirst()] = nil }
        }
        return limit > 0
    }
}
