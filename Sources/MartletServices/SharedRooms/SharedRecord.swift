import MartletCrypto

/// A row of numbers: the messages, or the changes, that one office wrote between one start of its process and the next.
///
/// The run is drawn at random with the first thing written after a start, so that a store restored from a backup, which cannot know
/// which numbers it gave, never gives one twice (`Docs/shared-rooms.md` §3).
public struct RecordLine: Hashable, Comparable, Sendable {
    /// Half of it says whose it is, half is drawn at random.
    public var run: UInt64
    /// Whether it is the changes, which every copy has from the first on, or the messages.
    public var isChanges: Bool

    /// That line.
    public init(run: UInt64, isChanges: Bool) {
        self.run = run
        self.isChanges = isChanges
    }

    /// A run of an office: 32 bits that say whose it is, so that no office can take another's, and 32 drawn at random.
    public static func run(of office: String, _ random: UInt64) -> UInt64 { owner(office) | random & 0xffff_ffff }

    /// Whether it can be a run of that office.
    public func belongs(to office: String) -> Bool { run & 0xffff_ffff_0000_0000 == Self.owner(office) }

    private static func owner(_ office: String) -> UInt64 {
        Digest.hash(.sha256, office.utf8).prefix(4).reduce(0) { $0 << 8 | UInt64($1) } << 32
    }

    /// An order that is the same everywhere, and means nothing else.
    public static func < (left: RecordLine, right: RecordLine) -> Bool {
        left.run != right.run ? left.run < right.run : !left.isChanges && right.isChanges
    }
}

/// What a record is called, in every copy and for ever.
public struct RecordID: Hashable, Comparable, Sendable {
    /// Whose number it is.
    public var line: RecordLine
    /// 1, 2, 3 … without gaps.
    public var number: UInt64

    /// That name.
    public init(_ line: RecordLine, _ number: UInt64) {
        self.line = line
        self.number = number
    }

    /// By line, then by number.
    public static func < (left: RecordID, right: RecordID) -> Bool {
        left.line != right.line ? left.line < right.line : left.number < right.number
    }
}

/// What a person is to a room (XEP-0045 §5.2), in the order of what it allows.
public enum SharedAffiliation: UInt8, Comparable, Sendable, CaseIterable {
    case outcast, none, member, admin, owner

    /// Whether the left one is less.
    public static func < (left: SharedAffiliation, right: SharedAffiliation) -> Bool { left.rawValue < right.rawValue }
}

/// An office of a room, as the room knows it.
public struct SharedOffice: Hashable, Sendable {
    /// How its people are marked elsewhere: `eva (Brno)`.
    public var label: String
    /// The domains of its people: only for them it may speak.
    public var people: [String]

    /// That office.
    public init(label: String, people: [String]) {
        self.label = label
        self.people = people
    }
}

/// Something about a room that is to be different.
public enum SharedChange: Hashable, Sendable {
    /// What a bare JID is to the room.
    case affiliation(of: String, SharedAffiliation)
    /// The subject.
    case subject(String)
    /// A field, or several that belong together, of the room's configuration; nil for its default.
    case setting(String, String?)
    /// An office by the domain of its rooms; nil takes it away.
    case office(String, SharedOffice?)
    /// A message is not to be read any more.
    case retraction(of: RecordID, by: String)
    /// The room is no more.
    case destruction
    /// The office's clock was wrong by so many milliseconds when it stamped that run.
    case retiming(run: UInt64, by: Int64)
}

/// How much of each line of changes somebody had taken into account: of each run, the last number.
public struct SeenChanges: Hashable, Sendable {
    /// By run, ascending; none is zero.
    public private(set) var numbers: [(run: UInt64, number: UInt64)]

    /// Nothing.
    public init() { numbers = [] }

    /// The number for a run; 0 where nothing of it was seen.
    public subscript(run: UInt64) -> UInt64 {
        get {
            let place = place(of: run)
            return place < numbers.count && numbers[place].run == run ? numbers[place].number : 0
        }
        set {
            let place = place(of: run)
            if place < numbers.count, numbers[place].run == run {
                numbers[place].number = newValue
            } else {
                numbers.insert((run, newValue), at: place)
            }
        }
    }

    /// Whether nothing that the other has seen is missing here.
    public func covers(_ other: SeenChanges) -> Bool { other.numbers.allSatisfy { self[$0.run] >= $0.number } }

    /// Equal where the same was seen.
    public static func == (left: SeenChanges, right: SeenChanges) -> Bool {
        left.numbers.count == right.numbers.count && zip(left.numbers, right.numbers).allSatisfy { $0 == $1 }
    }

    /// Feeds what was seen.
    public func hash(into hasher: inout Hasher) {
        for (run, number) in numbers {
            hasher.combine(run)
            hasher.combine(number)
        }
    }

    private func place(of run: UInt64) -> Int {
        var (low, high) = (0, numbers.count)
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle].run < run { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Something written in a room, numbered and stamped where it was written. It never changes; copies of it are equal.
public struct SharedRecord: Hashable, Sendable {
    /// What was written.
    public enum Content: Hashable, Sendable {
        /// A message: its stanza's payload and the nickname of its author.
        case message(nickname: String, [UInt8])
        /// A change, and the changes that its office had taken into account.
        case change(SharedChange, seen: SeenChanges)
    }

    /// What it is called.
    public var id: RecordID
    /// The office that wrote it, by the domain of its rooms.
    public var office: String
    /// When.
    public var stamp: HybridStamp
    /// The digest of the record before it in its line, 0 for the first: it ties a record to everything before it.
    public var after: UInt64
    /// The bare JID of who said it; empty where the office itself did.
    public var author: String
    /// What.
    public var content: Content

    /// That record.
    public init(id: RecordID, office: String, stamp: HybridStamp, after: UInt64, author: String, content: Content) {
        self.id = id
        self.office = office
        self.stamp = stamp
        self.after = after
        self.author = author
        self.content = content
    }

    /// Whether the office that wrote this change knew that one.
    public func saw(_ other: RecordID) -> Bool {
        guard case .change(_, let seen) = content, other.line.isChanges else { return false }
        return other.line == id.line ? other.number < id.number : seen[other.line.run] >= other.number
    }
}

/// Where a record stands in the one order of a room.
public struct RecordPlace: Hashable, Comparable, Sendable {
    /// First by when.
    public var stamp: HybridStamp
    /// Then by office.
    public var office: String
    /// Then by name.
    public var id: RecordID

    /// That place.
    public init(stamp: HybridStamp, office: String, id: RecordID) {
        self.stamp = stamp
        self.office = office
        self.id = id
    }

    /// Whether the left one comes first.
    public static func < (left: RecordPlace, right: RecordPlace) -> Bool {
        if left.stamp != right.stamp { return left.stamp < right.stamp }
        if left.office != right.office { return left.office.utf8.lexicographicallyPrecedes(right.office.utf8) }
        return left.id < right.id
    }
}
