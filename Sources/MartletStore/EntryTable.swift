import MartletPrimitives

/// An entry of a link queue: a stanza with its number in a lane (`Docs/relay-protocol.md` §2).
public struct EntryRow: Sendable, Equatable {
    /// What becomes of an entry.
    public enum State: UInt8, Sendable {
        /// To be sent, or sent and not acknowledged.
        case waiting = 0
        /// Expired or cancelled: only its number is still sent, so that numbers stay whole. It has no stanza.
        case void = 1
        /// Kept for a human.
        case held = 2
    }

    /// Where the stanza stands in the log; 0 for a void.
    public var logSequence: UInt64
    /// Random; tells this numbering from another after a restored backup.
    public var tag: UInt64
    /// When it expires, in site time.
    public var deadline: Instant
    /// What becomes of it.
    public var state = State.waiting
    /// It may have arrived under another number, which does not say so any more.
    public var mayHaveArrived: Bool

    /// A waiting entry.
    public init(logSequence: UInt64, tag: UInt64, deadline: Instant, mayHaveArrived: Bool = false) {
        self.logSequence = logSequence
        self.tag = tag
        self.deadline = deadline
        self.mayHaveArrived = mayHaveArrived
    }
}

/// The entries of one numbering of a lane: where its numbers stand in the table.
///
/// A new numbering begins behind what the one before has left, and moves nothing: what waits keeps its place, and its number
/// is the distance from `base`. So a lane begins anew in one row, however much waits.
public struct LaneEntries: Hashable, Sendable {
    /// The lane.
    public var lane: LaneID
    /// The place before number 1.
    public var base: UInt64

    /// The numbering of `lane` that begins behind `base`.
    public init(_ lane: LaneID, base: UInt64) {
        self.lane = lane
        self.base = base
    }
}

/// The entries of all outgoing lanes, in order.
public enum EntryTable {
    /// The entry of that number.
    public static func entry(_ lane: LaneEntries, _ number: UInt64, in store: some KeyValueTransaction) -> EntryRow? {
        let key = place(lane, number)
        var row: EntryRow?
        return store.read(.entry, key.span) { row = decode($0) } ? row : nil
    }

    /// Stores an entry.
    public static func put(_ lane: LaneEntries, _ number: UInt64, _ row: EntryRow, in store: some KeyValueTransaction) {
        let numbers: InlineArray<3, UInt64> = [row.logSequence, row.tag, UInt64(bitPattern: row.deadline.milliseconds)]
        let flags = row.state.rawValue | (row.mayHaveArrived ? arrivedFlag : 0)
        let key = place(lane, number)
        let value = InlineArray<25, UInt8> {
            $0 < 24 ? UInt8(truncatingIfNeeded: numbers[$0 / 8] >> UInt64(56 - 8 * ($0 % 8))) : flags
        }
        store.put(.entry, key.span, value.span)
    }

    /// Removes an entry and gives its stanza back to the log.
    public static func remove(_ lane: LaneEntries, _ number: UInt64, in store: some KeyValueTransaction) {
        guard let row = entry(lane, number, in: store) else { return }
        if row.logSequence != 0 { StanzaLog.release(row.logSequence, in: store) }
        let key = place(lane, number)
        store.delete(.entry, key.span)
    }

    /// The entries of a lane from `number` on, until `body` returns false.
    public static func forEach(
        _ lane: LaneEntries, from number: UInt64, in store: some KeyValueTransaction, _ body: (UInt64, EntryRow) -> Bool
    ) {
        var next = key(lane, number)
        let prefix = Array(next[..<4])
        while let found = store.firstEntry(.entry, atOrAfter: next), found.key.starts(with: prefix) {
            var reader = ByteReader(found.key, from: 4)
            let number: UInt64 = reader.take() - lane.base
            if !body(number, decode(found.value.span)) { return }
            next = key(lane, number + 1)
        }
    }

    /// Whether entries before `number` are still there, also those of earlier numberings.
    public static func hasEntries(_ lane: LaneEntries, before number: UInt64, in store: some KeyValueTransaction) -> Bool {
        let end = key(lane, number)
        guard let found = store.firstEntry(.entry, atOrAfter: Array(end[..<4])) else { return false }
        return found.key.starts(with: end[..<4]) && found.key.lexicographicallyPrecedes(end)
    }

    /// Removes the first entries of a lane as far as they stand before `number`, `limit` of them, and gives their stanzas back
    /// to the log. Returns how many there were.
    public static func removeFirst(
        _ limit: Int, of lane: LaneEntries, before number: UInt64, in store: some KeyValueTransaction
    ) -> Int {
        let end = key(lane, number)
        var next = Array(end[..<4])
        for removed in 0..<limit {
            guard let found = store.firstEntry(.entry, atOrAfter: next), found.key.starts(with: end[..<4]),
                found.key.lexicographicallyPrecedes(end)
            else { return removed }
            let row = decode(found.value.span)
            if row.logSequence != 0 { StanzaLog.release(row.logSequence, in: store) }
            store.delete(.entry, found.key)
            next = found.key
        }
        return limit
    }

    /// Beside the state in its byte.
    private static let arrivedFlag: UInt8 = 0x80

    private static func decode(_ bytes: Span<UInt8>) -> EntryRow {
        require(bytes.count == 25, "an entry of \(bytes.count) bytes")
        var row = EntryRow(
            logSequence: UInt64(bigEndianBytes: bytes), tag: UInt64(bigEndianBytes: bytes.extracting(8..<16)),
            deadline: Instant(milliseconds: Int64(bitPattern: UInt64(bigEndianBytes: bytes.extracting(16..<24)))))
        let byte = bytes[24]
        guard let state = EntryRow.State(rawValue: byte & ~arrivedFlag) else {
            ourFault("an entry in unknown state")
        }
        row.state = state
        row.mayHaveArrived = byte & arrivedFlag != 0
        return row
    }

    /// The key of an entry.
    public static func key(_ lane: LaneEntries, _ number: UInt64) -> [UInt8] { Array(place(lane, number).span) }

    /// The key of an entry, without memory of its own.
    private static func place(_ lane: LaneEntries, _ number: UInt64) -> InlineArray<12, UInt8> {
        NumberKey.short(lane.lane.value, lane.base + number)
    }
}
