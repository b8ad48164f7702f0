import MartletCrypto
import MartletPrimitives
import XMPPAddress

/// Messages that came back in such numbers that their sender was not told of each: what he is told of all of them together.
public struct UntoldRow: Sendable, Equatable {
    /// Who sent them: the bare JID.
    public var sender: JID
    /// Where they went to.
    public var domain: JID
    /// How many they are.
    public var count: UInt64
    /// When the first of them came back.
    public var since: WallTime
    /// Why the last one did, in words; may be empty.
    public var reason: String

    /// None yet, between these two.
    public init(sender: JID, domain: JID, since: WallTime) {
        self.sender = sender
        self.domain = domain
        count = 0
        self.since = since
        reason = ""
    }

    fileprivate init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        count = reader.take()
        since = WallTime(milliseconds: reader.take())
        let (sender, domain) = (reader.takeString(), reader.takeString())
        reason = reader.takeString()
        guard let sender = try? JID(sender), let domain = try? JID(domain) else { return nil }
        (self.sender, self.domain) = (sender, domain)
    }

    fileprivate var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 128)
        writer.put(count)
        writer.put(since.milliseconds)
        writer.put(sender.description)
        writer.put(domain.description)
        writer.put(reason)
        return writer.bytes
    }
}

/// The first 16 bytes of the digest of sender and domain → ``UntoldRow``. A row changes where it stands, so that counting takes no
/// room; there are as many as there are senders who are owed a word.
public enum UntoldTable {
    /// Writes a row.
    public static func put(_ row: UntoldRow, in store: some KeyValueTransaction) {
        store.put(.untold, key(row.sender, row.domain), row.bytes)
    }

    /// Removes a row: its sender is told in the same transaction.
    public static func remove(_ sender: JID, _ domain: JID, in store: some KeyValueTransaction) {
        store.delete(.untold, key(sender, domain))
    }

    /// All rows.
    public static func all(in store: some KeyValueTransaction) -> [UntoldRow] {
        var rows: [UntoldRow] = []
        store.forEach(.untold, prefix: []) { _, value in
            if let row = UntoldRow(value) { rows.append(row) }
            return true
        }
        return rows
    }

    /// Whether the value of a row can be read, for ``StoreCheck``.
    static func isReadable(_ value: [UInt8]) -> Bool { UntoldRow(value) != nil }

    private static func key(_ sender: JID, _ domain: JID) -> [UInt8] {
        var writer = ByteWriter(capacity: 128)
        writer.put(sender.description)
        writer.put(domain.description)
        return Array(Digest.hash(.sha256, writer.bytes).prefix(16))
    }
}
