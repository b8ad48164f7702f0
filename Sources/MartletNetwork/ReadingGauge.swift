/// Whether the other side of a connection reads what is written to it.
///
/// An answer may be large: that much waits while it is read, as fast as the line is. What is not read is what stands and does not
/// move; only that, or more than any answer has, is congestion. A core: what is seen comes in, what follows goes out.
struct ReadingGauge: Equatable {
    /// What follows from a look.
    enum Verdict: Equatable {
        /// Nothing.
        case calm
        /// Look again after ``patience``.
        case watch
        /// It reads too slowly.
        case congested
    }

    /// The bytes that may wait for as long as they like.
    let bound: Int
    /// The bytes that may wait at all.
    let ceiling: Int
    /// How long what waits beyond the bound may stand still, milliseconds: longer than the pauses of a line that carries anything
    /// (a segment lost three times comes after seven seconds), short enough that a dead one costs little.
    static let patience: Int64 = 10_000

    /// How far the other side had come when it was looked at last; nil while nothing is watched.
    private var progress: UInt64?
    /// It was said once.
    private var isCongested = false

    init(bound: Int, ceiling: Int) {
        self.bound = bound
        self.ceiling = ceiling
    }

    /// Something was written, and `waiting` bytes wait with it. `progress` counts what the other side has taken, and is asked for only
    /// where it matters.
    mutating func wrote(waiting: Int, progress: () -> UInt64) -> Verdict {
        guard waiting > bound, !isCongested else { return .calm }
        if waiting > ceiling { return end() }
        guard self.progress == nil else { return .calm }
        self.progress = progress()
        return .watch
    }

    /// The time of a watch is over.
    mutating func looked(waiting: Int, progress: UInt64) -> Verdict {
        guard let before = self.progress, !isCongested else { return .calm }
        guard waiting > bound else {
            self.progress = nil
            return .calm
        }
        guard progress > before else { return end() }
        self.progress = progress
        return .watch
    }

    /// Whether more waits than can be borne even of a connection that is about to be closed: the site was told, and what it had to say
    /// to others was on the way.
    func isBeyondBearing(waiting: Int) -> Bool { waiting > 2 * ceiling }

    private mutating func end() -> Verdict {
        isCongested = true
        progress = nil
        return .congested
    }
}
