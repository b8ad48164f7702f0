import MartletPrimitives

/// Whether the peer of a stream is alive: what it owes, and what follows when nothing is heard (`Docs/relay-protocol.md` S4).
///
/// Owned by its ``LinkStream``: another stream owes nothing. One timer is set at a time; what it finds when it fires depends
/// on what was heard meanwhile. How long silence is borne is for the owner to say (``LinePace``).
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
    /// How long that is borne, milliseconds.
    private var patience: Int64 = 0
    /// What was written since its last sign of life, and what it had not acknowledged then, in bytes.
    private(set) var unheardBytes = 0
    /// It was asked for that sign.
    private var wasAsked = false
    /// When the question was put that its next sign answers, where nothing else was under way.
    private var askedAt: Instant?
    /// A timer is pending.
    private var isTimerSet = false

    /// So much was written.
    mutating func wrote(bytes: Int) { unheardBytes += bytes }

    /// The peer is asked for a sign of life, and the next one answers that: it owes no other.
    mutating func questionPut(at now: Instant) {
        if owedSince == nil { askedAt = now }
    }

    /// The peer owes a sign of life from now on, if it did not already: when to look, nil where a timer is set for that.
    mutating func becameDue(at now: Instant, patience: Int64) -> Instant? {
        guard owedSince == nil else { return nil }
        owedSince = now
        self.patience = patience
        wasAsked = false
        guard !isTimerSet else { return nil }
        isTimerSet = true
        return now + patience / 2
    }

    /// The peer gave a sign of life, while `bytesInFlight` were not acknowledged: how long it took to answer the question that
    /// was put to it, milliseconds, if one was.
    mutating func heard(bytesInFlight: Int, at now: Instant) -> Int64? {
        defer { askedAt = nil }
        owedSince = nil
        wasAsked = false
        unheardBytes = bytesInFlight
        return askedAt.map { now - $0 }
    }

    /// The peer answered and proved nothing of what it owes: it is there, and has `limit` to get on with it, once.
    mutating func answeredInVain(limit: Int64) {
        guard patience < limit else { return }
        patience = limit
        wasAsked = false
    }

    /// The timer fired.
    mutating func timerFired(at now: Instant) -> Silence {
        isTimerSet = false
        guard let owedSince else { return .nothingOwed }
        let end = owedSince + patience
        if wasAsked, now >= end { return .final }
        isTimerSet = true
        if wasAsked { return .tooShort(until: end) }
        let half = owedSince + patience / 2
        guard now >= half else { return .tooShort(until: half) }
        wasAsked = true
        // A timer that was set in more patient times comes late: the peer has half of our patience to answer all the same.
        return .ask(until: max(end, now + patience / 2))
    }

    /// The stream is being closed: how long the peer may take to do the same.
    mutating func closeBegan(at now: Instant, patience: Int64) -> Instant {
        isTimerSet = true
        askedAt = now
        return now + patience
    }
}
