import MartletPrimitives
import XMPPStanzas

/// The number of an outgoing lane in this store.
public struct LaneID: Hashable, Comparable, Sendable {
    /// Counts lanes from 1.
    public var value: UInt32

    /// The lane of that number.
    public init(_ value: UInt32) { self.value = value }

    /// The order in which lanes were made.
    public static func < (left: LaneID, right: LaneID) -> Bool { left.value < right.value }
}

/// The durable state of an outgoing lane (`Docs/relay-protocol.md` §2).
public struct LaneRow: Sendable, Equatable {
    /// Our domain and the peer's, as numbers of ``AddressTable``.
    public var local: AddressNumber
    /// The peer domain.
    public var peer: AddressNumber
    /// The class of the lane.
    public var laneClass: LaneClass
    /// Names this numbering.
    public var epoch: Epoch
    /// How many places the numberings before this one have used up (``LaneEntries``).
    public var base: UInt64 = 0
    /// The last number given.
    public var assigned: UInt64 = 0
    /// Entries up to this number may have been written to a stream; those beyond never were. Noted before they are, some
    /// ahead, so that it costs one write for many.
    public var offered: UInt64 = 0
    /// The senders of entries up to this number were told that these wait for long.
    public var warned: UInt64 = 0
    /// The last number that the peer has acknowledged, and the tag it carried.
    public var acked: UInt64 = 0
    /// The tag that this number carried.
    public var ackedTag: UInt64 = 0
    /// By what its entries were proven, since the lane was made.
    public var proven = EntryProofCounts()
    /// An entry of this epoch was acknowledged by other means than `<have/>` (the peer was foreign): the peer cannot know
    /// these numbers, so the lane begins a new epoch before it is relayed.
    public var provenOtherwise = false
    /// Where this numbering begins was decided, by the operator or since the peer was foreign: what the peer has of others before it
    /// says no more.
    public var isDecided = false
    /// Why the lane is stopped; nil while it is open.
    public var stop: LaneStop?
    /// Numberings of this lane that ended, newest last: a peer that names one of them went back in time.
    public var retired: [EndedEpoch] = []
    /// What is kept of what was acknowledged, oldest first (``KeptRun``): every place behind `floor` up to the last acknowledged one
    /// has its entry.
    public internal(set) var kept: [KeptRun] = []
    /// Everything up to this place is gone.
    public internal(set) var floor: UInt64 = 0
    /// The tag of what stood there; 0 where nobody knows it.
    public internal(set) var floorTag: UInt64 = 0
    /// Everything up to this place was the peer's once: what of it is sent again may have been read there.
    public internal(set) var reached: UInt64 = 0

    /// How many ended numberings are remembered: one more is a disaster a year, and two stores that go back one after the other
    /// make a few at a time.
    public static let retiredLimit = 16

    /// A new lane.
    public init(local: AddressNumber, peer: AddressNumber, laneClass: LaneClass, epoch: Epoch) {
        self.local = local
        self.peer = peer
        self.laneClass = laneClass
        self.epoch = epoch
    }

    /// Entries that wait for their acknowledgement.
    public var waiting: UInt64 { assigned - acked }
    /// Whether the lane carries nothing until the operator decides.
    public var isStopped: Bool { stop != nil }
}

/// Why a lane is stopped: one of the two stores went back in time (`Docs/relay-protocol.md` S2). Kept for the operator, who
/// decides, perhaps after a restart.
public struct LaneStop: Sendable, Equatable {
    /// Whose store went back.
    public enum Side: UInt8, Sendable {
        case peer = 0
        case site = 1
    }

    /// Whose store went back.
    public var side: Side
    /// What the peer said it has of this numbering or of another; 0 for nothing.
    public var peerNumber: UInt64
    /// Waiting entries up to this number may be at the peer already: they were there when this store was the newest.
    public var uncertainUpTo: UInt64
    /// What the peer lacks and is not kept here any more.
    public var lost: UInt64
    /// In words.
    public var reason: String
    /// What was decided about the uncertain ones and is being done, while that takes more than one turn.
    public var decision: Decision?

    /// What becomes of uncertain entries that are not sent again.
    public enum Decision: UInt8, Sendable {
        /// Their senders are told.
        case drop = 1
        /// They are kept aside for a human.
        case hold = 2
    }

    /// A stop for that reason.
    public init(_ side: Side, peerNumber: UInt64, uncertainUpTo: UInt64, lost: UInt64 = 0, reason: String) {
        self.side = side
        self.peerNumber = peerNumber
        self.uncertainUpTo = uncertainUpTo
        self.lost = lost
        self.reason = reason
    }
}

/// Outgoing lanes.
public enum LaneTable {
    /// The lane of a pair of domains and a class, if something was ever sent on it.
    public static func lane(
        local: AddressNumber, peer: AddressNumber, laneClass: LaneClass, in store: some KeyValueTransaction
    ) -> LaneID? {
        store.get(.laneByDomains, key(local, peer, laneClass)).map {
            var reader = ByteReader($0)
            return LaneID(reader.take())
        }
    }

    /// Makes a lane.
    public static func insert(_ row: LaneRow, in store: some KeyValueTransaction) -> LaneID {
        var last: UInt32 = 0
        if let entry = store.lastEntry(.lane) {
            var reader = ByteReader(entry.key)
            last = reader.take()
        }
        let lane = LaneID(last + 1)
        update(lane, row, in: store)
        var writer = ByteWriter(capacity: 4)
        writer.put(lane.value)
        store.put(.laneByDomains, key(row.local, row.peer, row.laneClass), writer.bytes)
        return lane
    }

    /// The state of a lane.
    public static func row(_ lane: LaneID, in store: some KeyValueTransaction) -> LaneRow {
        guard let bytes = store.get(.lane, key(lane)) else { ourFault("lane \(lane.value) is not in the store") }
        return decode(bytes)
    }

    /// Stores the state of a lane.
    public static func update(_ lane: LaneID, _ row: LaneRow, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 256)
        writer.put(row.local.value)
        writer.put(row.peer.value)
        writer.put(row.laneClass.rawValue)
        writer.put(row.epoch.high)
        writer.put(row.epoch.low)
        writer.put(row.assigned)
        writer.put(row.offered)
        writer.put(row.warned)
        writer.put(row.acked)
        writer.put(row.ackedTag)
        writer.put(row.base)
        for proof in EntryProof.allCases { writer.put(row.proven[proof]) }
        writer.put(hasKeptFlag | (row.provenOtherwise ? provenOtherwiseFlag : 0) | (row.isDecided ? isDecidedFlag : 0))
        writer.put(UInt8(row.stop == nil ? 0 : 1))
        if let stop = row.stop {
            writer.put(stop.side.rawValue)
            writer.put(stop.decision?.rawValue ?? 0)
            writer.put(stop.peerNumber)
            writer.put(stop.uncertainUpTo)
            writer.put(stop.reason)
            writer.put(stop.lost)
        }
        row.putKept(to: &writer)
        store.put(.lane, key(lane), writer.bytes)
    }

    private static let provenOtherwiseFlag: UInt8 = 1
    /// Behind the stop stands what ``LaneRow/putKept(to:)`` writes. Without it, in rows of builds that kept nothing, the epochs that
    /// ended.
    private static let hasKeptFlag: UInt8 = 2
    private static let isDecidedFlag: UInt8 = 4

    /// Every lane, in the order in which they were made.
    public static func all(in store: some KeyValueTransaction) -> [(LaneID, LaneRow)] {
        var lanes: [(LaneID, LaneRow)] = []
        store.forEach(.lane, prefix: []) { key, value in
            var reader = ByteReader(key)
            lanes.append((LaneID(reader.take()), decode(value)))
            return true
        }
        return lanes
    }

    private static func decode(_ bytes: [UInt8]) -> LaneRow {
        var reader = ByteReader(bytes)
        let local = AddressNumber(reader.take())
        let peer = AddressNumber(reader.take())
        guard let laneClass = LaneClass(rawValue: reader.take()) else { ourFault("a lane of unknown class") }
        var row = LaneRow(
            local: local, peer: peer, laneClass: laneClass, epoch: Epoch(high: reader.take(), low: reader.take()))
        row.assigned = reader.take()
        row.offered = reader.take()
        row.warned = reader.take()
        row.acked = reader.take()
        row.ackedTag = reader.take()
        row.base = reader.take()
        for proof in EntryProof.allCases { row.proven[proof] = reader.take() }
        let flags = reader.take(UInt8.self)
        row.provenOtherwise = flags & provenOtherwiseFlag != 0
        row.isDecided = flags & isDecidedFlag != 0
        if reader.take(UInt8.self) != 0 {
            guard let side = LaneStop.Side(rawValue: reader.take()) else { ourFault("a stop of unknown side") }
            let decision = LaneStop.Decision(rawValue: reader.take())
            row.stop = LaneStop(
                side, peerNumber: reader.take(), uncertainUpTo: reader.take(), reason: reader.takeString())
            row.stop?.decision = decision
            if flags & hasKeptFlag != 0 {
                row.stop?.lost = reader.take()
            } else if let stop = row.stop, stop.side == .peer {
                row.stop?.lost = row.acked - min(row.acked, stop.peerNumber)
            }
        }
        if flags & hasKeptFlag != 0 {
            row.takeKept(from: &reader)
        } else {
            row.keepNothing()
            while !reader.isAtEnd {
                row.retired.append(EndedEpoch(Epoch(high: reader.take(), low: reader.take()), base: nil))
            }
        }
        return row
    }

    private static func key(_ lane: LaneID) -> [UInt8] {
        var writer = ByteWriter(capacity: 4)
        writer.put(lane.value)
        return writer.bytes
    }

    private static func key(_ local: AddressNumber, _ peer: AddressNumber, _ laneClass: LaneClass) -> [UInt8] {
        var writer = ByteWriter(capacity: 17)
        writer.put(local.value)
        writer.put(peer.value)
        writer.put(laneClass.rawValue)
        return writer.bytes
    }
}
