import MartletPrimitives

/// How a peer's calendar stands to our site time, as one stream shows it (`Docs/relay-protocol.md` S6): what is late is told
/// from what comes from a clock that is wrong.
///
/// Nobody's clock has to be right. The quickest thing that came on the stream is taken for punctual, at first the question with
/// which the stream begins; whatever took longer than that by more than ``tolerance`` is late. Our own calendar is not
/// asked, so that setting it changes nothing. A peer whose clock is put back by more than the tolerance makes us believe that
/// everything is late, and the stamp says then what its clock said; put back by more than ``limit`` it is understood. Two clocks that
/// nobody sets run apart, and a stream may stand for weeks: what was the quickest is so for ever less (``drift``).
struct PeerClock {
    /// The least time from a moment of the peer's to its arrival here, in milliseconds, and when that was; nil before the first.
    private var least: (taken: Int64, at: Instant)?

    /// What comes within this long is not late: a reader does not see the difference.
    static let tolerance: Int64 = 5000
    /// A mark tells its moment where the one told before on the stream is so much older: one in a thousand of those of a busy
    /// line, and a fifth of the tolerance.
    static let grain: Int64 = 1000
    /// Nothing is under way for so long, since no stream is silent for so long: the peer's clock was set.
    static let limit: Int64 = 900_000
    /// In so many milliseconds two clocks run apart by one at most: 500 in a million, five times what an oscillator is allowed.
    static let drift: Int64 = 2000

    /// How many milliseconds later than the quickest something came that the peer accepted or said at `moment`.
    mutating func lateness(of moment: WallTime, at now: Instant) -> Int64 {
        let taken = now.milliseconds - moment.milliseconds
        guard let least else { return quickest(taken, now) }
        let lateness = taken - least.taken - (now - least.at) / Self.drift
        return lateness < 0 || lateness > Self.limit ? quickest(taken, now) : lateness
    }

    private mutating func quickest(_ taken: Int64, _ now: Instant) -> Int64 {
        least = (taken, now)
        return 0
    }
}
