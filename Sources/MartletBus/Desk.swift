import MartletPrimitives
import XMPPAddress
import XMPPStanzas

/// The name of an entry, as people read and type it: `1/17` is number 17 of lane 1 and stands in the logs of the site,
/// `held/5` is the fifth entry that was kept aside.
public struct EntryName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Where the entry is: the lane's number, or ``held``.
    public var lane: UInt32
    /// The number in the lane, or the place among the held ones.
    public var number: UInt64

    /// Stands for the entries that are held, behind all lanes.
    public static let held = UInt32.max

    /// That name.
    public init(lane: UInt32, number: UInt64) {
        self.lane = lane
        self.number = number
    }

    /// Reads `1/17` or `held/5`.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = UInt64(parts[1]), number > 0 else { return nil }
        if parts[0] == "held" {
            self.init(lane: Self.held, number: number)
        } else if let lane = UInt32(parts[0]), lane != Self.held {
            self.init(lane: lane, number: number)
        } else {
            return nil
        }
    }

    /// `1/17` or `held/5`.
    public var description: String { lane == Self.held ? "held/\(number)" : "\(lane)/\(number)" }

    /// The order in which the desk goes through the queues.
    public static func < (left: EntryName, right: EntryName) -> Bool {
        (left.lane, left.number) < (right.lane, right.number)
    }
}

/// Which entries are meant: those that fit everything that is said.
public struct QueueFilter: Sendable, Equatable {
    /// This one.
    public var entry: EntryName?
    /// For this domain.
    public var peer: JID?
    /// From this address: a domain, an account with all its devices, or one device.
    public var from: JID?
    /// To this address, likewise.
    public var to: JID?
    /// Only those that are held, or only those that are not.
    public var isHeld: Bool?

    /// Everything that waits.
    public init() {}
}

/// One entry as somebody has seen it in a list: a name that was given anew since then does not lead to another stanza.
public struct EntryClaim: Sendable, Equatable {
    /// The name in the list.
    public var name: EntryName
    /// The tag in the list.
    public var tag: UInt64

    /// That entry.
    public init(name: EntryName, tag: UInt64) {
        self.name = name
        self.tag = tag
    }
}

/// One waiting entry of a link queue.
public struct QueueRow: Sendable, Equatable {
    /// Its name, as it appears in the logs.
    public var name: EntryName
    /// Its random tag.
    public var tag: UInt64
    /// The domain it waits for.
    public var peer: String
    /// The sender.
    public var from: String
    /// The addressee.
    public var to: String
    /// The size of the content.
    public var bytes: Int
    /// Milliseconds since the stanza was taken over.
    public var age: Int64
    /// What becomes of it.
    public var state: State
    /// Why it is held; else empty.
    public var reason: String

    /// What becomes of an entry.
    public enum State: String, Sendable, Equatable {
        /// Not written to any stream yet.
        case waiting
        /// Written to a stream, without acknowledgement: it may have arrived.
        case sent
        /// Kept aside for a human.
        case held
    }

    /// A row.
    public init(
        name: EntryName, tag: UInt64, peer: String, from: String, to: String, bytes: Int, age: Int64, state: State,
        reason: String
    ) {
        self.name = name
        self.tag = tag
        self.peer = peer
        self.from = from
        self.to = to
        self.bytes = bytes
        self.age = age
        self.state = state
        self.reason = reason
    }
}

/// A part of the queues: as much as one turn can look at.
public struct QueuePage: Sendable, Equatable {
    /// The entries that fit, in the order of their names.
    public var rows: [QueueRow] = []
    /// Ask again with this; nil at the end.
    public var next: EntryName?

    /// An empty page.
    public init() {}
}

/// How many entries of each age wait for a peer.
public struct QueueAges: Sendable, Equatable {
    /// The ages at which the columns end, milliseconds; the last column has no end.
    public static let bounds: [Int64] = [300_000, 900_000, 3_600_000, 14_400_000, 86_400_000, 432_000_000]
    /// Their names.
    public static let names = ["5m", "15m", "1h", "4h", "1d", "5d", "older"]

    /// One line of the table.
    public struct Row: Sendable, Equatable {
        /// The peer.
        public var peer: String
        /// Waiting entries by age, youngest first.
        public var counts = [Int](repeating: 0, count: QueueAges.names.count)
        /// Entries that are held, whatever their age.
        public var held = 0

        /// Nothing waits for `peer`.
        public init(peer: String) { self.peer = peer }
    }

    /// The peers of this part, each once.
    public var rows: [Row] = []
    /// Ask again with this and add up; nil at the end.
    public var next: EntryName?

    /// No entries.
    public init() {}

    /// The column of an age.
    public static func column(ofAge age: Int64) -> Int { bounds.firstIndex { age < $0 } ?? bounds.count }
}

/// What became of a deed at the desk.
public struct DeskOutcome: Sendable, Equatable {
    /// Entries with which it was done.
    public var done = 0
    /// Entries that were not there any more: delivered, expired or taken by somebody else meanwhile.
    public var gone = 0
    /// Entries with which it could not be done, and why.
    public var refused: [Refusal] = []

    /// An entry that was refused.
    public struct Refusal: Sendable, Equatable {
        /// Which.
        public var name: EntryName
        /// Why, in words.
        public var words: String

        /// That refusal.
        public init(name: EntryName, words: String) {
            self.name = name
            self.words = words
        }
    }

    /// Nothing was done.
    public init() {}
}

/// What becomes of entries that a restored backup brought along and that may have been delivered before.
public enum UncertainChoice: String, Sendable, CaseIterable {
    /// Send them; who had them gets them twice.
    case resend
    /// Tell their senders that they are unconfirmed and may have arrived.
    case drop
    /// Keep them aside for a human.
    case hold
}

/// A lane that is stopped, and what `link resync` would do.
public struct ResyncRow: Sendable, Equatable {
    /// The class of the lane.
    public var lane: String
    /// Why it is stopped, in words.
    public var reason: String
    /// Our own store went back in time, not the peer's.
    public var wasOurStore: Bool
    /// Entries that wait.
    public var waiting: Int
    /// Those of them that may have been delivered.
    public var uncertain: Int
    /// Age of the oldest waiting entry, milliseconds.
    public var oldestAge: Int64
    /// What the peer had acknowledged and does not know any more: it was removed here, nobody can send it again.
    public var lost: Int

    /// A row.
    public init(
        lane: String, reason: String, wasOurStore: Bool, waiting: Int, uncertain: Int, oldestAge: Int64, lost: Int
    ) {
        self.lane = lane
        self.reason = reason
        self.wasOurStore = wasOurStore
        self.waiting = waiting
        self.uncertain = uncertain
        self.oldestAge = oldestAge
        self.lost = lost
    }
}

/// Everything about one link.
public struct LinkDetails: Sendable, Equatable {
    /// As in the list of links.
    public var link: LinkRow
    /// Its lanes that were ever used.
    public var lanes: [Lane] = []
    /// The addresses that worked last, best first.
    public var addresses: [String] = []
    /// Milliseconds since they worked; 0 where none did.
    public var addressesAge: Int64 = 0
    /// The peer has shown a certificate that verified: dialback alone is not enough for it.
    public var showedCertificate = false
    /// What was put right by itself after a store went back in time, in words; empty where nothing was.
    public var healing = ""
    /// The largest segments that connections to the peer have, bytes; 0 where nothing is wrong with them.
    public var segmentLimit = 0
    /// Why the link is on a stream that the peer opened; empty where it is not.
    public var detour = ""

    /// One lane.
    public struct Lane: Sendable, Equatable {
        /// Its number, as in the names of its entries.
        public var id: UInt32
        /// Its class.
        public var lane: String
        /// The name of its numbering.
        public var epoch: String
        /// The last number given.
        public var assigned: UInt64
        /// The last number acknowledged.
        public var acked: UInt64
        /// Entries written to the stream that is up, without acknowledgement.
        public var inFlight: Int
        /// By what its entries were proven to have arrived: "812 by have"; empty where none were.
        public var proven: String
        /// Entries that were acknowledged and are kept in case the peer's store goes back in time.
        public var kept: UInt64
        /// What they take, in bytes.
        public var keptBytes: UInt64
        /// Why it is stopped; empty while it is not.
        public var stopReason: String

        /// That lane.
        public init(
            id: UInt32, lane: String, epoch: String, assigned: UInt64, acked: UInt64, inFlight: Int, proven: String,
            kept: UInt64, keptBytes: UInt64, stopReason: String
        ) {
            self.kept = kept
            self.keptBytes = keptBytes
            self.id = id
            self.lane = lane
            self.epoch = epoch
            self.assigned = assigned
            self.acked = acked
            self.inFlight = inFlight
            self.proven = proven
            self.stopReason = stopReason
        }
    }

    /// A link of which nothing else is known yet.
    public init(link: LinkRow) { self.link = link }
}
