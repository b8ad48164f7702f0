import MartletPrimitives

/// A message in the index of an archive; the message itself stands in the log, under the same number.
public struct ArchiveRow: Sendable, Equatable {
    /// Its place in the log, which is its place in the archive.
    public var sequence: UInt64
    /// When it came or went. Later rows have no earlier time, whatever the clock did.
    public var time: WallTime
    /// The hash of the bare JID of whoever it is with; see ``ArchiveTable``.
    public var peer: UInt64
    /// The mark of the other's resource (``MailboxRow/mark(ofResource:)``), 0 where there is none.
    public var resource: UInt32
    /// The bytes of the row in the log.
    public var size: UInt32
    /// It came from somebody elsewhere whom the account did not know.
    public var isFromStranger: Bool

    /// That row.
    public init(
        sequence: UInt64, time: WallTime, peer: UInt64, resource: UInt32, size: UInt32, isFromStranger: Bool = false
    ) {
        self.sequence = sequence
        self.time = time
        self.peer = peer
        self.resource = resource
        self.size = size
        self.isFromStranger = isFromStranger
    }

    /// A bit of the stored size, which is that of a stanza and never has it.
    static let strangerBit: UInt32 = 1 << 31
}

/// The index of all archives, in two orders: (account, place) and (account, peer, place), each row with all that a search needs to pass
/// over it without reading the message.
///
/// The other's address stands there as a hash under a key of the site: an address number would cost a row at a random place for whoever
/// writes once, kept for ever. Two addresses with one hash are told apart when the message is read.
public enum ArchiveTable {
    /// One order of an account's rows.
    public enum Order: Sendable, Equatable {
        /// All of them.
        case all
        /// Those with the peer of that hash.
        case peer(UInt64)

        var table: Table {
            switch self {
            case .all: .archive
            case .peer: .archiveByPeer
            }
        }
    }

    /// Writes the rows of an account, of which the first is behind all that were written before: in key order, so that rows that come
    /// together stand on few pages.
    public static func put(_ account: AddressNumber, _ rows: [ArchiveRow], in store: some KeyValueTransaction) {
        for row in rows {
            let key = NumberKey.two(account.value, row.sequence)
            let value = value(of: row)
            store.put(.archive, key.span, value.span)
        }
        for row in rows.sorted(by: { ($0.peer, $0.sequence) < ($1.peer, $1.sequence) }) {
            let key = NumberKey.three(account.value, row.peer, row.sequence)
            let value = value(of: row)
            store.put(.archiveByPeer, key.span, value.span)
        }
    }

    /// The row of one message.
    public static func row(
        _ account: AddressNumber, _ sequence: UInt64, in store: some KeyValueTransaction
    ) -> ArchiveRow? {
        let key = NumberKey.two(account.value, sequence)
        var row: ArchiveRow?
        return store.read(.archive, key.span) { row = decode($0, sequence) } ? row : nil
    }

    /// The first row of an account from `sequence` on.
    public static func first(
        of account: AddressNumber, _ order: Order, from sequence: UInt64, in store: some KeyValueTransaction
    ) -> ArchiveRow? {
        let key = key(account, order, sequence)
        return store.firstEntry(order.table, atOrAfter: key).flatMap { decode($0, like: key) }
    }

    /// The last row of an account before `sequence`.
    public static func last(
        of account: AddressNumber, _ order: Order, before sequence: UInt64, in store: some KeyValueTransaction
    ) -> ArchiveRow? {
        let key = key(account, order, sequence)
        return store.lastEntry(order.table, before: key).flatMap { decode($0, like: key) }
    }

    /// Removes a row, and gives the message back to the log where no other archive has it.
    public static func remove(_ account: AddressNumber, _ row: ArchiveRow, in store: some KeyValueTransaction) {
        let key = NumberKey.two(account.value, row.sequence)
        guard store.delete(.archive, key.span) else { return }
        let other = NumberKey.three(account.value, row.peer, row.sequence)
        store.delete(.archiveByPeer, other.span)
        guard let record = StanzaLog.archive(of: row.sequence, in: store) else {
            ourFault("message \(row.sequence) is gone from the log and was in an archive")
        }
        if let owner = record.other(than: account), self.row(owner, row.sequence, in: store) != nil { return }
        StanzaLog.release(row.sequence, in: store)
    }

    private static func key(_ account: AddressNumber, _ order: Order, _ sequence: UInt64) -> [UInt8] {
        switch order {
        case .all:
            let key = NumberKey.two(account.value, sequence)
            return Array(key.span)
        case .peer(let peer):
            let key = NumberKey.three(account.value, peer, sequence)
            return Array(key.span)
        }
    }

    private static func value(of row: ArchiveRow) -> InlineArray<24, UInt8> {
        let first = UInt64(bitPattern: row.time.milliseconds)
        let last = UInt64(row.resource) << 32 | UInt64(row.isFromStranger ? row.size | ArchiveRow.strangerBit : row.size)
        return NumberKey.three(first, row.peer, last)
    }

    private static func decode(_ entry: KeyValueEntry, like key: [UInt8]) -> ArchiveRow? {
        let prefix = key.count - 8
        guard entry.key.count == key.count, entry.key[..<prefix] == key[..<prefix] else { return nil }
        var reader = ByteReader(entry.key, from: prefix)
        return decode(entry.value.span, reader.take())
    }

    private static func decode(_ value: Span<UInt8>, _ sequence: UInt64) -> ArchiveRow {
        require(value.count >= 24, "an archive row of \(value.count) bytes")
        var parts: InlineArray<3, UInt64> = .init(repeating: 0)
        for index in 0..<24 { parts[index / 8] = parts[index / 8] << 8 | UInt64(value[index]) }
        let size = UInt32(truncatingIfNeeded: parts[2])
        return ArchiveRow(
            sequence: sequence, time: WallTime(milliseconds: Int64(bitPattern: parts[0])), peer: parts[1],
            resource: UInt32(truncatingIfNeeded: parts[2] >> 32), size: size & ~ArchiveRow.strangerBit,
            isFromStranger: size & ArchiveRow.strangerBit != 0)
    }
}
