import MartletPrimitives

/// Whether the peer of a stream is alive: what it owes, and what follows when nothing is heard (`Docs/relay-protocol.md` S4).
///
/// Owned by its ``LinkStream``: another stream owes nothing. One timer is set at a time; what it finds when it fires depends
/// on what was heard meanwhile.
struct SignsOfLife: Equatable {
    /// What the timer found.
    enum Silence: Equatable {
        /// The peer owes nothing.
        case nothingOwed
        /// Not long enough yet: the timer is set again.
        case tooShort(until: Instant)
        /// Half of our patience is over: the peer is asked, once, and the timer is set again.
        case ask(until: Instant)
        /// It was asked in vain: the stream is given up.
        case final
    }

    /// Since when the peer owes us a sign of life; nil when it owes nothing.
    private(set) var owedSince: Instant?
    /// The bytes that were under way then: what was written later does not keep the answer waiting.
    private var owedBytes = 0
    /// What was written since its last sign of life, and what it had not acknowledged then, in bytes.
    private var unheardBytes = 0
    /// It was asked for that sign.
    private var wasAsked = false
    /// A timer is pending.
    private var isTimerSet = false

    /// How long silence is borne, milliseconds: longer with more in flight, as if the line carried 1 kB a second (S4).
    private func patience(_ timeout: Int64) -> Int64 { timeout + Int64(owedBytes) }

    /// So much was written.
    mutating func wrote(bytes: Int) { unheardBytes += bytes }

    /// The peer owes a sign of life from now on, if it did not already: when to look, nil where a timer is set for that.
    mutating func becameDue(at now: Instant, timeout: Int64) -> Instant? {
        guard owedSince == nil else { return nil }
        owedSince = now
        owedBytes = unheardBytes
        wasAsked = false
        guard !isTimerSet else { return nil }
        isTimerSet = true
        return now + patience(timeout) / 2
    }

    /// The peer gave a sign of life, while `bytesInFlight` were not acknowledged.
    mutating func heard(bytesInFlight: Int) {
        owedSince = nil
        wasAsked = false
        unheardBytes = bytesInFlight
    }

    /// The peer answered and proved nothing of what it owes: it is asked anew before it is given up.
    mutating func heardInVain() { wasAsked = false }

    /// The timer fired.
    mutating func timerFired(at now: Instant, timeout: Int64) -> Silence {
        isTimerSet = false
        guard let owedSince else { return .nothingOwed }
        let patience = patience(timeout)
        let end = owedSince + patience
        if wasAsked, now >= end { return .final }
        isTimerSet = true
        if wasAsked { return .tooShort(until: end) }
        let half = owedSince + patience / 2
        guard now >= half else { return .tooShort(until: half) }
        wasAsked = true
        return .ask(until: end)
    }

    /// Asked in vain, the peer is asked once more, as if it owed only from now on: until when.
    mutating func askedAgain(at now: Instant, timeout: Int64) -> Instant {
        owedSince = now
        return closeBegan(at: now, timeout: timeout)
    }

    /// The stream is being closed: how long the peer may take to do the same.
    mutating func closeBegan(at now: Instant, timeout: Int64) -> Instant {
        isTimerSet = true
        return now + patience(timeout)
    }
}
