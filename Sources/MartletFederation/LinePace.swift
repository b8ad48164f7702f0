import MartletPrimitives

/// How fast the line of a link answers and carries, as it has shown: from this follows how long silence is borne
/// (`Docs/relay-protocol.md` S4).
///
/// Owned by its ``PeerLink``. It outlives streams, since the next one mostly takes the same way.
struct LinePace: Equatable {
    /// A line of which nothing is known: longer than its handshakes have taken over any line that people work on.
    static let untried: Int64 = 10_000
    /// A peer of which more is known than its line is never given up sooner, milliseconds: a disk, a radio or a scheduler may
    /// stand still for a second.
    static let shortest: Int64 = 2000
    /// Timeouts that pass before silence means something: TCP repeats a lost segment after one of its own, and what is lost
    /// once more after two others.
    private static let timeouts: Int64 = 3
    /// What a line is believed to carry until it has shown more, bytes a second: 9.6 kbit/s.
    private static let slowest: Int64 = 1000

    /// RFC 6298 §2: the smoothed round trip in eighths of a millisecond and its variation in quarters; nil before the first
    /// measurement.
    private var roundTrip: (smoothed: Int64, variation: Int64)?
    /// What the stream in use has carried at least, bytes a second.
    private var rate = slowest
    /// When something was acknowledged last on it.
    private var acknowledgedAt: Instant?
    /// Streams given up for silence since the last measurement.
    private var silences = 0

    static func == (left: LinePace, right: LinePace) -> Bool {
        left.roundTrip?.smoothed == right.roundTrip?.smoothed && left.roundTrip?.variation == right.roundTrip?.variation
            && left.rate == right.rate && left.acknowledgedAt == right.acknowledgedAt && left.silences == right.silences
    }

    /// A stream begins. It may take another way than the last one, and a slower one.
    mutating func streamBegan() {
        rate = Self.slowest
        acknowledgedAt = nil
    }

    /// An answer came so long after what it answers, milliseconds.
    mutating func answered(after delay: Int64) {
        silences = 0
        guard let (smoothed, variation) = roundTrip else {
            roundTrip = (delay * 8, delay * 2)
            return
        }
        let error = delay - smoothed / 8
        roundTrip = (smoothed + error, variation + abs(error) - variation / 4)
    }

    /// So many bytes were acknowledged, the last of which were written `delay` milliseconds ago.
    mutating func acknowledged(_ bytes: Int, after delay: Int64, at now: Instant) {
        answered(after: delay)
        // What was held up and comes at once was not carried at once.
        let time = max(delay, acknowledgedAt.map { now - $0 } ?? 0, 1)
        acknowledgedAt = now
        rate = max(rate, Int64(bytes) * 1000 / time)
    }

    /// A stream was given up for silence. RFC 6298 §5.5: a line that has become slower than it was must not lose every stream
    /// before one of them can measure it.
    mutating func wasSilent() { silences += 1 }

    /// How long an attempt to connect may hang, milliseconds: for the second packet of TCP to be answered, which it sends after
    /// a second. Never for the third: what hangs that long is begun anew sooner than TCP tries again.
    var connectPatience: Int64 { min(max(Self.shortest, timeout ?? 0), Self.longestConnect) }

    /// As long as an attempt on any line may hang: the third packet comes after three seconds, the fourth after seven.
    static let longestConnect: Int64 = 4000

    private var timeout: Int64? { roundTrip.map { ($0.smoothed / 8 + $0.variation) * Self.timeouts } }

    /// How long an answer is waited for that comes behind `bytes`, milliseconds: never less than `floor`; never more than
    /// `limit` and what the line needs for the bytes.
    func patience(behind bytes: Int, atLeast floor: Int64, atMost limit: Int64) -> Int64 {
        min(max(floor, timeout ?? Self.untried) << Int64(min(silences, 6)), limit) + Int64(bytes) * 1000 / rate
    }
}
