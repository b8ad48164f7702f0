import MartletPrimitives

/// A message that the site has taken over from a client, remembered so that the same one is not routed again when the
/// client, for want of a session to resume, sends it once more (`Docs/relay-protocol.md` §7.3).
public struct RecentMessage: Sendable, Equatable {
    /// 64 bits of a digest over account and stanza id: what an error names it by.
    public var name: UInt64
    /// 64 bits of a digest over account, addressee, origin-id and content.
    public var fingerprint: UInt64
    /// When it was taken over, in site time.
    public var acceptedAt: Instant

    /// A message taken over at that moment.
    public init(name: UInt64, fingerprint: UInt64, acceptedAt: Instant) {
        self.name = name
        self.fingerprint = fingerprint
        self.acceptedAt = acceptedAt
    }
}

/// The messages taken over lately, oldest first: a row holds those of one batch, ``rowLimit`` at most. Numbers of rows only grow,
/// so that one costs an append.
public enum RecentMessageTable {
    /// Messages of a row: what fits into a page beside others.
    public static let rowLimit = 80

    /// All of them with the numbers of their rows, oldest first.
    public static func all(in store: some KeyValueTransaction) -> [(row: UInt64, message: RecentMessage)] {
        var messages: [(UInt64, RecentMessage)] = []
        store.forEach(.recentMessage, prefix: []) { key, value in
            let row: UInt64 = ByteReader.first(key)
            messages += decode(value).map { (row, $0) }
            return true
        }
        return messages
    }

    /// Adds a row; `row` is greater than every number in the table.
    public static func append(_ row: UInt64, _ messages: [RecentMessage], in store: some KeyValueTransaction) {
        store.append(.recentMessage, key(row), encode(messages))
    }

    /// Forgets the messages of that name in a row.
    public static func remove(_ name: UInt64, from row: UInt64, in store: some KeyValueTransaction) {
        guard let messages = store.get(.recentMessage, key(row)).map(decode) else { return }
        let rest = messages.filter { $0.name != name }
        if rest.isEmpty {
            store.delete(.recentMessage, key(row))
        } else {
            store.put(.recentMessage, key(row), encode(rest))
        }
    }

    /// Forgets a row.
    public static func remove(_ row: UInt64, in store: some KeyValueTransaction) {
        store.delete(.recentMessage, key(row))
    }

    /// Reads the value of a row, for ``StoreCheck``.
    static func checkRow(_ value: [UInt8]) { _ = decode(value) }

    private static func encode(_ messages: [RecentMessage]) -> [UInt8] {
        var writer = ByteWriter(capacity: 24 * messages.count)
        for message in messages {
            writer.put(message.name)
            writer.put(message.fingerprint)
            writer.put(message.acceptedAt.milliseconds)
        }
        return writer.bytes
    }

    private static func decode(_ bytes: [UInt8]) -> [RecentMessage] {
        var reader = ByteReader(bytes)
        var messages: [RecentMessage] = []
        while !reader.isAtEnd {
            messages.append(
                RecentMessage(
                    name: reader.take(), fingerprint: reader.take(), acceptedAt: Instant(milliseconds: reader.take())))
        }
        return messages
    }

    private static func key(_ row: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.put(row)
        return writer.bytes
    }
}
