import Collections
import MartletBus
import MartletPrimitives
import XMPPAddress
import XMPPStreams

/// Counts failed logins per account and per network address in a window, so that passwords cannot be tried
/// at the speed of the machine. Bounded: the oldest windows go first.
struct LoginFailures {
    private enum Subject: Hashable {
        case account(JID)
        case address(RemoteAddress)
    }

    private struct Window {
        var count: Int
        var end: Instant
    }

    /// Look-up only.
    private var windows: [Subject: Window] = [:]
    /// In the order in which the windows end.
    private var order: Deque<(subject: Subject, end: Instant)> = []

    var entries: Int { windows.count }

    /// Whether either has reached its limit.
    func isBlocked(account: JID?, address: RemoteAddress, policy: SitePolicy, now: Instant) -> Bool {
        count(.address(address), now) >= policy.limits.failedLoginsPerAddress
            || (account.map { count(.account($0), now) >= policy.limits.failedLoginsPerAccount } ?? false)
    }

    /// Counts a failure.
    mutating func failed(account: JID?, address: RemoteAddress, policy: SitePolicy, now: Instant) {
        add(.address(address), policy, now)
        if let account { add(.account(account), policy, now) }
    }

    /// A login succeeded: the account's failures were its owner's.
    mutating func succeeded(account: JID) { windows[.account(account)]?.count = 0 }

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
