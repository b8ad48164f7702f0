import MartletPrimitives

/// Words on their way to the accounts of a site, and the message of the day.
public enum AnnouncementTable {
    /// An announcement that not everybody was told.
    public struct Row: Sendable, Equatable {
        /// Who is told: a number that only its owner understands.
        public var audience: UInt8
        /// The domain that says it.
        public var from: String
        /// The domain whose people are told; empty for all of them.
        public var domain: String
        /// The words.
        public var text: String
        /// The account of ours that has caused it; 0 for another office.
        public var author: UInt64
        /// When it was said, milliseconds since 1970.
        public var time: Int64
        /// The last account that was told.
        public var after: UInt64 = 0

        /// One that nobody was told.
        public init(audience: UInt8, from: String, domain: String, text: String, author: UInt64, time: Int64) {
            self.audience = audience
            self.from = from
            self.domain = domain
            self.text = text
            self.author = author
            self.time = time
        }
    }

    /// Stores one.
    public static func put(_ number: UInt64, _ row: Row, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 64 + row.text.utf8.count)
        writer.put(row.audience)
        writer.put(row.from)
        writer.put(row.domain)
        writer.put(row.text)
        writer.put(row.author)
        writer.put(row.time)
        writer.put(row.after)
        store.put(.announcement, key(number), writer.bytes)
    }

    /// Everybody was told.
    public static func remove(_ number: UInt64, in store: some KeyValueTransaction) { store.delete(.announcement, key(number)) }

    /// Those that are under way.
    public static func all(in store: some KeyValueTransaction) -> [(number: UInt64, row: Row)] {
        var rows: [(number: UInt64, row: Row)] = []
        store.forEach(.announcement, prefix: []) { key, value in
            rows.append((ByteReader.first(key), decode(value)))
            return true
        }
        return rows
    }

    /// Whether a row can be read.
    static func isReadable(_ value: [UInt8]) -> Bool { !decode(value).from.isEmpty }

    private static func decode(_ bytes: [UInt8]) -> Row {
        var reader = ByteReader(bytes)
        let audience: UInt8 = reader.take()
        let from = reader.takeString()
        let domain = reader.takeString()
        let text = reader.takeString()
        let author: UInt64 = reader.take()
        var row = Row(audience: audience, from: from, domain: domain, text: text, author: author, time: reader.take())
        row.after = reader.take()
        return row
    }

    private static func key(_ number: UInt64) -> [UInt8] {
        let key = NumberKey.one(number)
        return Array(key.span)
    }
}

/// Which message of the day an account was shown last.
public enum DayMessageTable {
    /// The number of that message.
    public static func shown(_ account: AddressNumber, in store: some KeyValueTransaction) -> UInt64? {
        store.get(.dayMessageShown, key(account)).map { ByteReader.first($0) }
    }

    /// It was shown that one.
    public static func put(_ account: AddressNumber, _ message: UInt64, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 8)
        writer.put(message)
        store.put(.dayMessageShown, key(account), writer.bytes)
    }

    /// The account is gone.
    public static func remove(_ account: AddressNumber, in store: some KeyValueTransaction) {
        store.delete(.dayMessageShown, key(account))
    }

    private static func key(_ account: AddressNumber) -> [UInt8] {
        let key = NumberKey.one(account.value)
        return Array(key.span)
    }
}
