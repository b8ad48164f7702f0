/// A point on the site's own clock, in milliseconds.
///
/// Site time is monotonic while the process runs. Across a restart it advances by the wall-clock difference, never
/// backwards and at most 24 hours, so that a machine whose clock is wrong expires nothing early. Only lifetimes and
/// timers use it; what people read uses ``WallTime``.
public struct Instant: Hashable, Comparable, Sendable {
    /// Milliseconds since the store was made.
    public var milliseconds: Int64

    /// The instant `milliseconds` after the store was made.
    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// Whether `left` comes first.
    public static func < (left: Instant, right: Instant) -> Bool { left.milliseconds < right.milliseconds }

    /// The instant `milliseconds` later.
    public static func + (left: Instant, milliseconds: Int64) -> Instant {
        Instant(milliseconds: left.milliseconds &+ milliseconds)
    }

    /// Milliseconds from `right` to `left`.
    public static func - (left: Instant, right: Instant) -> Int64 { left.milliseconds &- right.milliseconds }
}
