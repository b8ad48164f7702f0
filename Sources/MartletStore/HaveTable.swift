import MartletPrimitives
import XMPPStanzas

/// What this site has of an incoming lane (`Docs/relay-protocol.md` §2): written in the transaction of the delivery.
public struct HaveRow: Sendable, Equatable {
    /// The numbering that is being received.
    public var epoch: Epoch
    /// Everything up to this number is committed here.
    public var number: UInt64
    /// The tag that this number carried.
    public var tag: UInt64
    /// Numberings that ended, newest last: late bytes of an old socket must not bring one back.
    public var retired: [Epoch] = []
    /// The tags of what came last, the newest last: what stands here is moved into a row of its own when it is
    /// ``TagRun/rowTags`` long, so that an entry costs eight bytes of this row and not one of another table.
    public internal(set) var recent: [TagRun] = []
    /// How many such rows were written.
    public internal(set) var rows: UInt64 = 0
    /// Everything that ever came is remembered.
    public internal(set) var remembersAll = true

    /// How many retired numberings are remembered: an origin gets a new store once in years, and two stores that go back one
    /// after the other make a few at a time.
    public static let retiredLimit = 16

    /// The first entry of a lane.
    public init(epoch: Epoch, number: UInt64, tag: UInt64) {
        self.epoch = epoch
        self.number = number
        self.tag = tag
        recent = [TagRun(epoch: epoch, first: number, tags: [tag])]
    }

    /// An entry was taken over.
    public mutating func took(_ epoch: Epoch, _ number: UInt64, tag: UInt64) {
        if epoch != self.epoch { retired = Array((retired + [self.epoch]).suffix(Self.retiredLimit)) }
        self.epoch = epoch
        self.number = number
        self.tag = tag
        // By the place: a copy of the run would make the next line copy its tags.
        let last = recent.count - 1
        if last >= 0, recent[last].epoch == epoch, recent[last].next == number {
            recent[last].tags.append(tag)
        } else {
            recent.append(TagRun(epoch: epoch, first: number, tags: [tag]))
        }
    }

    /// Tags in this row.
    var recentTags: Int { recent.reduce(0) { $0 + $1.tags.count } }
}

/// Tags that came one after the other in one numbering (`Docs/relay-protocol.md` R6): by them an origin whose store went back in time
/// finds where what it knows and what is here part.
public struct TagRun: Sendable, Equatable {
    /// The numbering.
    public var epoch: Epoch
    /// The number of the first.
    public var first: UInt64
    /// The tags.
    public var tags: [UInt64]

    /// A run.
    public init(epoch: Epoch, first: UInt64, tags: [UInt64]) {
        self.epoch = epoch
        self.first = first
        self.tags = tags
    }

    /// The number behind the last.
    var next: UInt64 { first + UInt64(tags.count) }

    /// A row of tags has at least so many: half a kilobyte.
    static let rowTags = 64
    /// So many rows are there; the oldest is overwritten.
    static let rows: UInt64 = 16
    /// So many are told, the last ones: 22 kB on the wire, for a disaster.
    public static let limit = 1024
}

/// What this site has of all incoming lanes.
public enum HaveTable {
    /// What we have of the lane from `peer` to `local`.
    public static func row(
        peer: AddressNumber, local: AddressNumber, laneClass: LaneClass, in store: some KeyValueTransaction
    ) -> HaveRow? {
        guard let bytes = store.get(.have, key(peer, local, laneClass)) else { return nil }
        var reader = ByteReader(bytes)
        var row = HaveRow(
            epoch: Epoch(high: reader.take(), low: reader.take()), number: reader.take(), tag: reader.take())
        row.recent = []
        if bytes.count % Self.unit == 0 {
            row.remembersAll = false
            while !reader.isAtEnd { row.retired.append(Epoch(high: reader.take(), low: reader.take())) }
            return row
        }
        row.rows = reader.take()
        row.remembersAll = reader.take(UInt8.self) != 0
        for _ in 0..<reader.take(UInt8.self) { row.retired.append(Epoch(high: reader.take(), low: reader.take())) }
        row.recent = runs(&reader)
        return row
    }

    /// Stores what we have.
    public static func update(
        _ row: inout HaveRow, peer: AddressNumber, local: AddressNumber, laneClass: LaneClass,
        in store: some KeyValueTransaction
    ) {
        if row.recentTags >= TagRun.rowTags {
            var writer = ByteWriter(capacity: 64 + 8 * row.recentTags)
            put(row.recent, to: &writer)
            store.put(.haveTags, key(peer, local, laneClass, row.rows % TagRun.rows), writer.bytes)
            if row.rows >= TagRun.rows { row.remembersAll = false }
            row.rows += 1
            row.recent = []
        }
        var writer = ByteWriter(capacity: 96 + 8 * TagRun.rowTags)
        writer.put(row.epoch.high)
        writer.put(row.epoch.low)
        writer.put(row.number)
        writer.put(row.tag)
        writer.put(row.rows)
        writer.put(UInt8(row.remembersAll ? 1 : 0))
        writer.put(UInt8(min(row.retired.count, HaveRow.retiredLimit)))
        for epoch in row.retired.suffix(HaveRow.retiredLimit) {
            writer.put(epoch.high)
            writer.put(epoch.low)
        }
        put(row.recent, to: &writer)
        var bytes = writer.bytes
        if bytes.count % unit == 0 { bytes.append(0) }
        store.put(.have, key(peer, local, laneClass), bytes)
    }

    /// What is remembered of a lane, the oldest first: the last ``TagRun/limit`` tags, and whether that is all there ever was.
    public static func history(
        _ row: HaveRow, peer: AddressNumber, local: AddressNumber, laneClass: LaneClass, in store: some KeyValueTransaction
    ) -> (runs: [TagRun], isAll: Bool) {
        var parts = [row.recent]
        var count = row.recentTags
        var next = row.rows
        let oldest = row.rows - min(row.rows, TagRun.rows)
        while next > oldest, count < TagRun.limit {
            next -= 1
            guard let bytes = store.get(.haveTags, key(peer, local, laneClass, next % TagRun.rows)) else { break }
            var reader = ByteReader(bytes)
            let part = runs(&reader)
            count += part.reduce(0) { $0 + $1.tags.count }
            parts.append(part)
        }
        var result = parts.reversed().flatMap { $0 }
        let isAll = row.remembersAll && next == 0 && count <= TagRun.limit
        var excess = max(0, count - TagRun.limit)
        while excess > 0 {
            let part = min(excess, result[0].tags.count)
            excess -= part
            result[0].tags.removeFirst(part)
            result[0].first += UInt64(part)
            if result[0].tags.isEmpty { result.removeFirst() }
        }
        return (result, isAll)
    }

    /// Rows of builds that remembered no tags are a multiple of this long; others never are.
    private static let unit = 16

    private static func put(_ runs: [TagRun], to writer: inout ByteWriter) {
        writer.put(UInt32(clamping: runs.count))
        for run in runs {
            writer.put(run.epoch.high)
            writer.put(run.epoch.low)
            writer.put(run.first)
            writer.put(UInt32(clamping: run.tags.count))
            for tag in run.tags { writer.put(tag) }
        }
    }

    private static func runs(_ reader: inout ByteReader) -> [TagRun] {
        (0..<reader.take(UInt32.self)).map { _ in
            let epoch = Epoch(high: reader.take(), low: reader.take())
            let first: UInt64 = reader.take()
            return TagRun(epoch: epoch, first: first, tags: (0..<reader.take(UInt32.self)).map { _ in reader.take() })
        }
    }

    private static func key(
        _ peer: AddressNumber, _ local: AddressNumber, _ laneClass: LaneClass, _ row: UInt64
    ) -> [UInt8] {
        key(peer, local, laneClass) + [UInt8(row)]
    }

    private static func key(_ peer: AddressNumber, _ local: AddressNumber, _ laneClass: LaneClass) -> [UInt8] {
        var writer = ByteWriter(capacity: 17)
        writer.put(peer.value)
        writer.put(local.value)
        writer.put(laneClass.rawValue)
        return writer.bytes
    }
}
