import MartletConfiguration

/// A line between two servers, with what is wrong with it now.
struct Line {
    let ends: (Int, Int)
    let delay: Int64
    /// Bytes a second in each direction; nil where it is no matter.
    let capacity: Int?
    /// Troubles that are on: several may overlap.
    var silent = 0
    /// From the first end to the second, and back.
    var deaf = (0, 0)
    var refusing = 0
    /// The capacities that troubles leave.
    var slow: [Int] = []
    /// Until when each direction is occupied by what was sent.
    var occupied: (Int64, Int64) = (0, 0)

    init(ends: (Int, Int), delay: Int64, capacity: Int?) {
        self.ends = ends
        self.delay = delay
        self.capacity = capacity
    }

    /// Nothing gets through in that direction.
    func isBlocked(reversed: Bool) -> Bool { silent > 0 || (reversed ? deaf.1 : deaf.0) > 0 }

    var bytesPerSecond: Int? { ([capacity].compactMap { $0 } + slow).min() }
}

/// A line of a way, and whether it is used from its second end to its first.
struct Hop {
    var line: Int
    var isReversed: Bool
}
