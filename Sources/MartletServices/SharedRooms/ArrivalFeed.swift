/// The order in which messages came into one office's archive: what a reader there is given who asks for what is new since a message
/// that he has (`Docs/shared-rooms.md` §8). It is another order than the one that is the same everywhere, and nothing is ever
/// inserted into it, so that nobody misses what comes late.
///
/// A store that went back to a backup gives places again, for messages that come in another order than before. A reader who has a
/// message from before may lack what now stands before it. So as long as it is not known whether the store went back, and for
/// all that is brought back if it did, a message stands for the place where this process began.
public struct ArrivalFeed: Sendable, Equatable {
    /// Places that were given while something was brought back.
    struct Block: Sendable, Equatable {
        var start: UInt64
        var end: UInt64
    }

    /// The place of the last message.
    public private(set) var last: UInt64 = 0
    private var blocks: [Block] = []

    /// Where the first process began that has not heard all others yet: a second one that starts meanwhile knows no more.
    private var bootPlace: UInt64 = 0
    private var isUncertain = true

    /// As many starts as are worth to be told apart; of more the oldest become one, so that somebody is told more than he lacks.
    static let mostBlocks = 16

    /// No messages yet.
    public init() {}

    /// The process has started, perhaps with an older store.
    public mutating func started() {
        if !isUncertain { bootPlace = last }
        isUncertain = true
    }

    /// The next message has come; returns its place.
    public mutating func came() -> UInt64 {
        last += 1
        return last
    }

    /// The other offices have been heard, and all that they had is here: nothing is being brought back any more
    /// (``RoomReplica/hasCompared``). What came meanwhile may have been here before: it stays one block.
    public mutating func compared() {
        guard isUncertain else { return }
        isUncertain = false
        guard last > bootPlace else { return }
        blocks.append(Block(start: bootPlace, end: last))
        if blocks.count > Self.mostBlocks {
            blocks[1].start = blocks[0].start
            blocks.removeFirst()
        }
    }

    /// Behind which place a reader who has the message at `place` is to be answered.
    public func answered(after place: UInt64) -> UInt64 {
        var result = isUncertain ? min(place, bootPlace) : place
        for block in blocks.reversed() where block.start < result && result <= block.end { result = block.start }
        return result
    }
}
