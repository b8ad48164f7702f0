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

/// The messages taken over lately, oldest first. Numbers only grow, so that a row costs an append.
public enum RecentMessageTable {
    /// All of them with their numbers, oldest first.
    public static func all(in store: some KeyValueTransaction) -> [(sequence: UInt64, message: RecentMessage)] {
        var rows: [(UInt64, RecentMessage)] = []
        store.forEach(.recentMessage, prefix: []) { key, value in
            var reader = ByteReader(value)
            let message = RecentMessage(
                name: reader.take(), fingerprint: reader.take(), acceptedAt: Instant(milliseconds: reader.take()))
            rows.append((ByteReader.first(key), message))
            return true
        }
        return rows
    }

    /// Adds a message; `sequence` is greater than every number in the table.
    public static func append(_ sequence: UInt64, _ message: RecentMessage, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 24)
        writer.put(message.name)
        writer.put(message.fingerprint)
        writer.put(message.acceptedAt.milliseconds)
        store.append(.recentMessage, key(sequence), writer.bytes)
    }

    /// Forgets a message.
    public static func remove(_ sequence: UInt64, in store: some KeyValueTransaction) {
        store.delete(.recentMessage, key(sequence))
    }

    private static func key(_ sequence: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.put(sequence)
        return writer.bytes
    }
}
