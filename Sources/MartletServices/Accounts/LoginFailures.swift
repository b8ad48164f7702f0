import Collections
import MartletBus
import MartletPrimitives
import XMPPAddress
import XMPPStreams

/// Counts failed logins in a window, so that passwords cannot be tried at the speed of the machine. Bounded: the oldest windows go
/// first.
///
/// What one address does to an account counts for that address first, so that a stranger with ten wrong passwords does not lock
/// its owner out. Guessing from many addresses is bounded for the account as a whole, except for the addresses from which its
/// owner has logged in since the server began: those are known to be no stranger's.
struct LoginFailures {
    private enum Subject: Hashable {
        /// One address's tries at one account.
        case pair(JID, RemoteAddress)
        /// Everybody's tries at an account.
        case account(JID)
        /// An address's tries at whichever account.
        case address(RemoteAddress)
    }

    /// An account and an address from which it was logged in to.
    private struct Acquaintance: Hashable {
        var account: JID
        var address: RemoteAddress
    }

    private struct Window {
        var count: Int
        var end: Instant
    }

    /// Look-up only.
    private var windows: [Subject: Window] = [:]
    /// In the order in which the windows end.
    private var order: Deque<(subject: Subject, end: Instant)> = []
    /// Where owners have logged in from. Look-up only.
    private var known: Set<Acquaintance> = []
    /// The same, the oldest first.
    private var knownOrder: Deque<Acquaintance> = []

    var entries: Int { windows.count }

    /// Whether one of the limits is reached for this try.
    func isBlocked(account: JID?, address: RemoteAddress, policy: SitePolicy, now: Instant) -> Bool {
        if count(.address(address), now) >= policy.limits.failedLoginsPerAddress { return true }
        guard let account else { return false }
        let limit = policy.limits.failedLoginsPerAccount
        if count(.pair(account, address), now) >= limit { return true }
        return count(.account(account), now) >= limit * AccountLimits.addressesThatGuess
            && !known.contains(Acquaintance(account: account, address: address))
    }

    /// Counts a failure.
    mutating func failed(account: JID?, address: RemoteAddress, policy: SitePolicy, now: Instant) {
        add(.address(address), policy, now)
        guard let account else { return }
        add(.pair(account, address), policy, now)
        add(.account(account), policy, now)
    }

    /// A login succeeded: the failures of this address at the account were its owner's.
    mutating func succeeded(account: JID, address: RemoteAddress) {
        windows[.pair(account, address)]?.count = 0
        let acquaintance = Acquaintance(account: account, address: address)
        guard known.insert(acquaintance).inserted else { return }
        knownOrder.append(acquaintance)
        if knownOrder.count > AccountLimits.knownAddresses, let oldest = knownOrder.popFirst() { known.remove(oldest) }
    }

    private func count(_ subject: Subject, _ now: Instant) -> Int {
        guard let window = windows[subject], now < window.end else { return 0 }
        return window.count
    }

    private mutating func add(_ subject: Subject, _ policy: SitePolicy, _ now: Instant) {
        while let first = order.first, first.end <= now || order.count >= AccountLimits.loginFailureEntries {
            order.removeFirst()
            if windows[first.subject]?.end == first.end { windows[first.subject] = nil }
        }
        if windows[subject] != nil {
            windows[subject]?.count += 1
        } else {
            let end = now + policy.limits.failedLoginWindow
            windows[subject] = Window(count: 1, end: end)
            order.append((subject, end))
        }
    }
}

/// How many accounts were made by XEP-0077 in the current minute.
struct RegistrationRate {
    private var count = 0
    private var end = Instant(milliseconds: 0)

    /// Takes one of the minute's registrations; false if there is none left.
    mutating func take(limit: Int, now: Instant) -> Bool {
        if now >= end {
            count = 0
            end = now + 60_000
        }
        count += 1
        return count <= limit
    }

    /// One that was taken came to nothing, through no fault of whoever took it.
    mutating func giveBack() { count = max(0, count - 1) }
}
