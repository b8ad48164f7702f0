import XMPPStanzas

/// Why something is written to the store: what decides whether it is, where there is little room. Every write that can grow the store
/// is one of these, and is asked for (``Turn/admits(_:bytes:)``) before anything of it is written.
public enum WriteKind: Sendable, CaseIterable {
    /// What frees room or keeps the store right: removals, counters, rows of what is under way already, which change in place.
    case upkeep
    /// A message between people who are both here: gone again as soon as its reader has it. What a session has to remember of itself.
    case talk
    /// What a sender is told of a message that did not arrive, and what takes something back. Its number is limited beforehand.
    case bounce
    /// A message that waits for somebody who is away, or for another office.
    case message
    /// What stays: accounts, passwords, rosters, subscriptions.
    case state
    /// What is only kept in case of need, and what is noted of others: nobody misses it at once.
    case note

    /// Where there is no more room than that, it is written still.
    var depth: DiskRoom {
        switch self {
        case .message, .state, .note: .ample
        case .talk, .bounce: .reserve
        case .upkeep: .none
        }
    }
}

/// How much of what is to be kept the disk has room for, in words; from much to nothing.
public enum DiskRoom: Int, Sendable, CaseIterable {
    /// Everything.
    case ample
    /// Only what is gone again as soon as somebody who is here has it: less than the reserve is free.
    case reserve
    /// Nothing new: less than the floor is free.
    case none
    /// Nothing at all: what frees the disk could fail too, so nothing is committed.
    case exhausted

    /// With so many bytes free.
    public init(freeBytes: Int64, _ limits: LimitsPolicy) {
        if freeBytes < limits.diskBottom {
            self = .exhausted
        } else {
            self = freeBytes >= limits.diskReserve ? .ample : freeBytes >= limits.diskFloor ? .reserve : .none
        }
    }

    /// Whether something of that kind may be written.
    public func admits(_ kind: WriteKind) -> Bool { rawValue <= kind.depth.rawValue }
}

/// The room of the store: what the last look at disk and map has shown, less what was written since, which is counted on the safe side.
/// So no rate of writing passes the reserve or the floor between two looks.
///
/// A ``Site`` owns it; each ``Turn`` has a copy.
public struct StoreRoom: Sendable, Equatable {
    /// What a look at the disk has shown.
    public struct Look: Sendable, Equatable {
        /// Bytes that the store can still take.
        public var freeBytes: Int64
        /// Those of them by which its file can grow: a long value needs pages in a row, which a used file may not have.
        public var growth: Int64

        /// So much room, `growth` of which is at the end of the file.
        public init(freeBytes: Int64, growth: Int64 = .max) {
            self.freeBytes = freeBytes
            self.growth = growth
        }
    }

    /// Beyond any disk: nothing is known of it, or it does not matter.
    public static let ample = StoreRoom(freeBytes: 1 << 60)
    /// Just below the default reserve.
    public static let reserve = StoreRoom(freeBytes: LimitsPolicy().diskReserve - 1)
    /// Just below the default floor.
    public static let none = StoreRoom(freeBytes: LimitsPolicy().diskFloor - 1)
    /// Nothing at all.
    public static let exhausted = StoreRoom(freeBytes: 0)

    /// The last look.
    public let look: Look
    /// The limits as they were then, so that what is admitted and what can be committed does not change within a batch.
    private let reserve, floor, bottom: Int64
    /// What was committed since, on the safe side.
    private var written: Int64 = 0

    /// As the look has shown it.
    public init(_ look: Look, _ limits: LimitsPolicy) {
        self.look = look
        (reserve, floor, bottom) = (limits.diskReserve, limits.diskFloor, limits.diskBottom)
    }

    private init(freeBytes: Int64) { self.init(Look(freeBytes: freeBytes), LimitsPolicy()) }

    /// Values up to this many bytes stand in a page with others: LMDB puts longer ones into pages of their own, in a row.
    private static let valueInPage = 1900

    /// A transaction was made durable, which has taken at most so much.
    public mutating func committed(_ bytes: Int) { written += Int64(bytes) }

    /// What is left, with so much written in the open transaction.
    func left(_ open: Int) -> Int64 { look.freeBytes - written - Int64(open) }

    /// Whether something of that kind may be written that has a value of so many bytes, with so much written in the open transaction:
    /// comparisons of integers, since it is asked for each stanza.
    func admits(_ kind: WriteKind, bytes: Int, open: Int) -> Bool {
        let least: Int64
        switch kind.depth {
        case .ample: least = reserve
        case .reserve: least = floor
        case .none, .exhausted: return admitsCommit
        }
        guard left(open) - Int64(bytes) >= least else { return false }
        return bytes <= Self.valueInPage || look.growth - written - Int64(open) >= leastGrowth
    }

    /// What has to be left at the end of the file for long values.
    private var leastGrowth: Int64 { floor / 2 }

    /// The look has shown room for long values, too.
    public var takesLongValues: Bool { look.growth >= leastGrowth }

    /// Whether a file of so many bytes may come, beside the store: what it leaves is no less than the reserve.
    func admitsFile(bytes: Int64, open: Int) -> Bool { left(open) - bytes >= reserve }

    /// Whether a transaction can be made durable. What is open is not counted: it is far less than it could be.
    public var admitsCommit: Bool { look.freeBytes - written >= bottom }

    /// Whether so much was written since the look, the open transaction included, that the next one is due: half of what is left
    /// before less is admitted.
    public func wantsLook(open: Int) -> Bool {
        let since = written + Int64(open)
        let free = look.freeBytes
        let threshold = free >= reserve ? reserve : free >= floor ? floor : bottom
        let margin = max(0, free - threshold)
        return since > margin / 2 && since >= Self.leastBetweenLooks
    }

    /// Bytes between two looks at least: an open transaction of nothing but upkeep does not ask for one again and again.
    private static let leastBetweenLooks: Int64 = 256 << 10
}

extension StanzaError {
    /// What a sender is told of something for which the store has no room.
    public static let diskNearlyFull = StanzaError(.resourceConstraint, text: "The server's disk is nearly full")
}
