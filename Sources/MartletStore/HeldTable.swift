import MartletPrimitives

/// An entry that was taken out of its lane for a human (`Docs/relay-protocol.md` S5, S7): a void took its number and
/// place, so that nothing waits behind it, and its stanza stays in the log until it is released or purged.
public struct HeldRow: Sendable, Equatable {
    /// The lane it was taken from, and where it goes back to.
    public var lane: LaneID
    /// The number it had there.
    public var number: UInt64
    /// Where the stanza stands in the log.
    public var logSequence: UInt64
    /// The tag it had: names it beyond doubt, since the names of held entries are given again.
    public var tag: UInt64
    /// What was left of its lifetime, milliseconds: lifetimes stand still while a human thinks.
    public var remaining: Int64
    /// It may have arrived: it was written to a stream and nobody said what became of it.
    public var mayHaveArrived: Bool
    /// Why it is held, in words.
    public var reason: String
    /// Its sender is to be told that it is held.
    public var isUntold = false

    /// The row for an entry that is taken out of `lane` at `now`.
    public init(_ entry: EntryRow, lane: LaneID, number: UInt64, now: Instant, mayHaveArrived: Bool, reason: String) {
        self.lane = lane
        self.number = number
        logSequence = entry.logSequence
        tag = entry.tag
        remaining = max(0, entry.deadline - now)
        self.mayHaveArrived = mayHaveArrived
        self.reason = reason
    }

    fileprivate init(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        lane = LaneID(reader.take())
        number = reader.take()
        logSequence = reader.take()
        tag = reader.take()
        remaining = reader.take()
        mayHaveArrived = reader.take(UInt8.self) != 0
        reason = reader.takeString()
        // Rows of an earlier version end here.
        if !reader.isAtEnd { isUntold = reader.take(UInt8.self) != 0 }
    }

    fileprivate var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 96)
        writer.put(lane.value)
        writer.put(number)
        writer.put(logSequence)
        writer.put(tag)
        writer.put(remaining)
        writer.put(UInt8(mayHaveArrived ? 1 : 0))
        writer.put(reason)
        if isUntold { writer.put(UInt8(1)) }
        return writer.bytes
    }
}

/// The entries that are held for a human, in the order in which they were taken out.
public enum HeldTable {
    /// Adds an entry, whose reference to the log moves here, and gives its place in the table.
    @discardableResult
    public static func insert(_ row: HeldRow, in store: some KeyValueTransaction) -> UInt64 {
        let place = (store.lastNumber(.held) ?? 0) + 1
        store.append(.held, key(place), row.bytes)
        return place
    }

    /// The entry at that place.
    public static func row(_ place: UInt64, in store: some KeyValueTransaction) -> HeldRow? {
        store.get(.held, key(place)).map(HeldRow.init)
    }

    /// Changes the row at that place.
    public static func update(_ place: UInt64, _ row: HeldRow, in store: some KeyValueTransaction) {
        store.put(.held, key(place), row.bytes)
    }

    /// Removes the row; the reference to the log is the caller's.
    public static func remove(_ place: UInt64, in store: some KeyValueTransaction) {
        store.delete(.held, key(place))
    }

    /// The held entries from `place` on, until `body` returns false.
    public static func forEach(
        from place: UInt64, in store: some KeyValueTransaction, _ body: (UInt64, HeldRow) -> Bool
    ) {
        var next = key(place)
        while let found = store.firstEntry(.held, atOrAfter: next) {
            let place = ByteReader.first(found.key)
            if !body(place, HeldRow(found.value)) { return }
            next = key(place + 1)
        }
    }

    private static func key(_ place: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.put(place)
        return writer.bytes
    }
}
