import MartletPrimitives

/// How much the archive of an account has, and what an operator has said of it.
public struct ArchiveAccountRow: Sendable, Equatable {
    /// Messages in the index.
    public var messages: UInt64 = 0
    /// The bytes of their rows in the log; what two archives have counts in both.
    public var bytes: UInt64 = 0
    /// Those of them that came from people elsewhere whom the account did not know.
    public var strangersBytes: UInt64 = 0
    /// The index has all of the account's messages up to here.
    public var indexed: UInt64 = 0
    /// Messages up to here belonged to an account of the same name that was removed: nobody is shown them, and they are being removed.
    public var removed: UInt64 = 0
    /// How long its messages are kept, milliseconds, 0 for ever; nil where the site's rule holds.
    public var retention: Int64?

    /// An empty archive.
    public init() {}

    /// Whether the row says nothing.
    public var isEmpty: Bool { messages == 0 && removed == 0 && retention == nil }
}

/// The archives of all accounts.
public enum ArchiveAccountTable {
    /// What is known of an account's archive.
    public static func row(_ account: AddressNumber, in store: some KeyValueTransaction) -> ArchiveAccountRow {
        let key = NumberKey.one(account.value)
        var bytes: [UInt8] = []
        return store.read(.archiveAccount, key.span) { bytes = Array($0) } ? decode(bytes) : ArchiveAccountRow()
    }

    /// Stores it. A row that says nothing stays while its index may be written anew after a crash: it is removed with ``remove(_:in:)``.
    public static func put(_ account: AddressNumber, _ row: ArchiveAccountRow, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 49)
        for number in [row.messages, row.bytes, row.indexed, row.removed, row.strangersBytes] { writer.put(number) }
        writer.put(UInt8(row.retention == nil ? 0 : 1))
        writer.put(row.retention ?? 0)
        let key = NumberKey.one(account.value)
        store.put(.archiveAccount, key.span, writer.bytes.span)
    }

    /// Forgets an account whose archive is empty.
    public static func remove(_ account: AddressNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.one(account.value)
        store.delete(.archiveAccount, key.span)
    }

    /// The first account from `account` on that has a row.
    public static func first(
        from account: AddressNumber, in store: some KeyValueTransaction
    ) -> (account: AddressNumber, row: ArchiveAccountRow)? {
        let key = NumberKey.one(account.value)
        return store.firstEntry(.archiveAccount, atOrAfter: Array(key.span)).map {
            (AddressNumber(ByteReader.first($0.key)), decode($0.value))
        }
    }

    private static func decode(_ bytes: [UInt8]) -> ArchiveAccountRow {
        var reader = ByteReader(bytes)
        var row = ArchiveAccountRow()
        row.messages = reader.take()
        row.bytes = reader.take()
        row.indexed = reader.take()
        row.removed = reader.take()
        row.strangersBytes = reader.take()
        let hasRetention = reader.take(UInt8.self) != 0
        let retention = reader.take(Int64.self)
        if hasRetention { row.retention = retention }
        return row
    }
}
