import MartletPrimitives

/// A moment of a hybrid logical clock: calendar time, and a counter for what happens within the same millisecond or while the
/// calendar stands behind what was heard (`Docs/shared-rooms.md` §4).
public struct HybridStamp: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970.
    public var milliseconds: Int64
    /// What tells stamps of one millisecond apart.
    public var counter: UInt32

    /// That stamp.
    public init(_ milliseconds: Int64, _ counter: UInt32 = 0) {
        self.milliseconds = milliseconds
        self.counter = counter
    }

    /// Whether the left one comes first.
    public static func < (left: HybridStamp, right: HybridStamp) -> Bool {
        (left.milliseconds, left.counter) < (right.milliseconds, right.counter)
    }

    /// The least stamp that comes after this one.
    public var next: HybridStamp {
        counter == .max ? HybridStamp(milliseconds &+ 1) : HybridStamp(milliseconds, counter + 1)
    }
}

/// The clock by which a copy of a shared room stamps what is written there. It is in the store, and outlives the process.
///
/// It follows what it hears, so that an answer is stamped after what it answers, but never further than ``drift`` beyond its own
/// calendar: an office whose calendar is a year ahead takes nobody along. It never goes back, unless its own calendar was set
/// back by more than twice that: then what it stamped before lies in a future that was none, and has to be retimed.
public struct HybridClock: Sendable, Equatable {
    /// The last stamp given or followed.
    public private(set) var last: HybridStamp
    /// Site time of that.
    public private(set) var at: Instant

    /// How far beyond the own calendar a stamp is believed: clocks kept by NTP differ by less than a second, those that somebody set by
    /// hand by minutes; more than five is a mistake that somebody should hear of.
    public static let drift: Int64 = 300_000

    /// What the next stamp says of the calendar.
    public enum Turn: Sendable, Equatable {
        /// It goes on as it did.
        case steady
        /// It was set forward, or the machine slept: what follows does not belong to the same measure as what came before.
        case leapt
        /// It was set back, by so much against the time that has gone.
        case setBack(Int64)
    }

    /// A clock that has heard nothing.
    public init(at: Instant) {
        last = HybridStamp(0)
        self.at = at
    }

    /// The clock that a store remembers.
    public init(last: HybridStamp, at: Instant) {
        self.last = last
        self.at = at
    }

    /// A stamp after every one given before, unless the calendar was set back.
    public mutating func stamp(wall: WallTime, now: Instant) -> (stamp: HybridStamp, turn: Turn) {
        let gone = max(0, now - at)
        let ahead = last.milliseconds &- wall.milliseconds
        var turn = Turn.steady
        if ahead > 2 * Self.drift {
            turn = .setBack(ahead + gone)
            last = HybridStamp(wall.milliseconds)
        } else if last.milliseconds > 0, -ahead > gone + Self.drift {
            turn = .leapt
            last = HybridStamp(wall.milliseconds)
        } else {
            last = wall.milliseconds > last.milliseconds ? HybridStamp(wall.milliseconds) : last.next
        }
        at = now
        return (last, turn)
    }

    /// Something with that stamp was heard; false where it lies too far in the future to be followed.
    @discardableResult
    public mutating func heard(_ stamp: HybridStamp, wall: WallTime, now: Instant) -> Bool {
        guard stamp.milliseconds <= wall.milliseconds &+ Self.drift else { return false }
        if stamp > last {
            last = stamp
            at = now
        }
        return true
    }
}
