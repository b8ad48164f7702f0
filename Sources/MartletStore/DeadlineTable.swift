import MartletPrimitives

/// Entries of link queues that expire before the lifetime of their link is over, soonest first. All others expire in the
/// order of their numbers and need no row.
public enum DeadlineTable {
    /// One entry and its deadline.
    public struct Row: Sendable, Equatable {
        /// When it expires, in site time.
        public var deadline: Instant
        /// Its lane.
        public var lane: LaneID
        /// Its place in the lane, which no new numbering changes (``LaneEntries``).
        public var place: UInt64

        /// The entry in that place.
        public init(deadline: Instant, lane: LaneID, place: UInt64) {
            self.deadline = deadline
            self.lane = lane
            self.place = place
        }
    }

    /// The soonest.
    public static func first(in store: some KeyValueTransaction) -> Row? {
        store.firstEntry(.deadline, atOrAfter: []).map {
            var reader = ByteReader($0.key)
            let deadline = Instant(milliseconds: Int64(reader.take(UInt64.self)))
            return Row(deadline: deadline, lane: LaneID(reader.take()), place: reader.take())
        }
    }

    /// Adds a row.
    public static func put(_ row: Row, in store: some KeyValueTransaction) { store.put(.deadline, key(row), []) }

    /// Removes a row; one that is not there changes nothing.
    public static func remove(_ row: Row, in store: some KeyValueTransaction) { store.delete(.deadline, key(row)) }

    private static func key(_ row: Row) -> [UInt8] {
        var writer = ByteWriter(capacity: 20)
        writer.put(UInt64(max(0, row.deadline.milliseconds)))
        writer.put(row.lane.value)
        writer.put(row.place)
        return writer.bytes
    }
}
