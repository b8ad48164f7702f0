import Collections
import MartletBus
import MartletPrimitives
import XMPPAddress
import XMPPStreams

/// Counts failed logins in a window, so that passwords cannot be tried at the speed of the machine.
///
/// What one address does to an account counts for that address first, so that a stranger with ten wrong passwords does not lock
/// its owner out. Guessing from many addresses is bounded for the account as a whole, except for the addresses from which its
/// owner has logged in since the server began: those are known to be no stranger's.
///
/// Bounded, and by each party for itself: what an address tries goes with that address, names that nobody has are counted apart from
/// accounts, and an account has so many addresses. So nobody makes us forget what somebody else has done by doing much. A name that
/// nobody has is refused like any other, or the refusal would tell.
struct LoginFailures {
    /// What an address has tried.
    private struct Tries {
        var all = 0
        /// At each account. Look-up only.
        var accounts: [JID: Int] = [:]
    }

    private var addresses = Windows<RemoteAddress, Tries>()
    /// Everybody's tries at an account: no more than there are accounts.
    private var accounts = Windows<JID, Int>()
    /// And at a name that is none.
    private var inventedNames = Windows<JID, Int>()
    /// Where owners have logged in from, the newest last.
    private var known = RecentTable<JID, [RemoteAddress]>(bound: AccountLimits.knownAccounts)

    var entries: Int { addresses.count + accounts.count + inventedNames.count }

    /// Whether one of the limits is reached for this try.
    func isBlocked(account: JID?, address: RemoteAddress, policy: SitePolicy, now: Instant) -> Bool {
        let tries = addresses[address, now]
        if let tries, tries.all >= policy.limits.failedLoginsPerAddress { return true }
        guard let account else { return false }
        let limit = policy.limits.failedLoginsPerAccount
        if let count = tries?.accounts[account], count >= limit { return true }
        let everybodys = accounts[account, now] ?? inventedNames[account, now] ?? 0
        return everybodys >= limit * AccountLimits.addressesThatGuess && known[account]?.contains(address) != true
    }

    /// Counts a failure. `exists`: the account is one.
    mutating func failed(account: JID?, exists: Bool, address: RemoteAddress, policy: SitePolicy, now: Instant) {
        let window = policy.limits.failedLoginWindow
        addresses.change(address, default: Tries(), now, window, bound: AccountLimits.loginFailureEntries) { tries in
            tries.all += 1
            // Beyond that the address is closed whatever it names.
            guard let account, tries.all <= policy.limits.failedLoginsPerAddress else { return }
            tries.accounts[account, default: 0] += 1
        }
        guard let account else { return }
        if exists {
            accounts.change(account, default: 0, now, window, bound: .max) { $0 += 1 }
        } else {
            inventedNames.change(account, default: 0, now, window, bound: AccountLimits.loginFailureEntries) { $0 += 1 }
        }
    }

    /// A login succeeded: the failures of this address at the account were its owner's.
    mutating func succeeded(account: JID, address: RemoteAddress) {
        addresses.changeIfThere(address) { $0.accounts[account] = nil }
        var addresses = known[account] ?? []
        guard !addresses.contains(address) else { return }
        addresses.append(address)
        known.put(account, addresses.suffix(AccountLimits.knownAddresses))
    }
}

/// What is counted of many for a time, which begins with the first that is counted. Beyond the bound the oldest goes first.
private struct Windows<Subject: Hashable, Value> {
    /// Look-up only.
    private var windows: [Subject: (value: Value, end: Instant)] = [:]
    /// In the order in which the windows end.
    private var order: Deque<(subject: Subject, end: Instant)> = []

    var count: Int { windows.count }

    subscript(subject: Subject, now: Instant) -> Value? {
        guard let window = windows[subject], now < window.end else { return nil }
        return window.value
    }

    mutating func change(
        _ subject: Subject, default value: Value, _ now: Instant, _ length: Int64, bound: Int, _ body: (inout Value) -> Void
    ) {
        while let first = order.first, first.end <= now || (order.count >= bound && windows[subject] == nil) {
            order.removeFirst()
            if windows[first.subject]?.end == first.end { windows[first.subject] = nil }
        }
        if windows[subject] == nil {
            windows[subject] = (value, now + length)
            order.append((subject, now + length))
        }
        changeIfThere(subject, body)
    }

    mutating func changeIfThere(_ subject: Subject, _ body: (inout Value) -> Void) {
        guard var window = windows.removeValue(forKey: subject) else { return }
        body(&window.value)
        windows[subject] = window
    }
}

/// How many accounts were made, or passwords changed, by XEP-0077 in the current minute.
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
