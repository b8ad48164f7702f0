import MartletCrypto
import MartletPrimitives
import XMPPAddress

/// An invitation to make an account.
public struct InvitationRow: Sendable, Equatable {
    /// In which domain.
    public var domain: String
    /// Of which name; nil where the guest chooses.
    public var localpart: String?
    /// From when on it is good for nothing, milliseconds since 1970.
    public var expiry: Int64
    /// Whoever has shown it before it expired may use it until then, milliseconds since 1970.
    public var heldUntil: Int64 = 0

    /// An invitation that nobody has shown.
    public init(domain: String, localpart: String?, expiry: Int64) {
        self.domain = domain
        self.localpart = localpart
        self.expiry = expiry
    }
}

/// The invitations that nobody has used, by the digest of their tokens: the store does not tell who could come with them.
public enum InvitationTable {
    /// The invitation with that token.
    public static func row(_ token: String, in store: some KeyValueTransaction) -> InvitationRow? {
        store.get(.invitation, key(token)).map(decode)
    }

    /// Stores an invitation.
    public static func put(_ token: String, _ row: InvitationRow, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 64)
        writer.put(row.domain)
        writer.put(row.localpart)
        writer.put(row.expiry)
        writer.put(row.heldUntil)
        store.put(.invitation, key(token), writer.bytes)
    }

    /// Forgets an invitation.
    public static func remove(_ token: String, in store: some KeyValueTransaction) { store.delete(.invitation, key(token)) }

    /// All invitations.
    public static func all(in store: some KeyValueTransaction) -> [InvitationRow] {
        var rows: [InvitationRow] = []
        store.forEach(.invitation, prefix: []) { _, value in
            rows.append(decode(value))
            return true
        }
        return rows
    }

    /// Forgets those that are good for nothing any more.
    public static func removeExpired(at time: WallTime, in store: some KeyValueTransaction) {
        var keys: [[UInt8]] = []
        store.forEach(.invitation, prefix: []) { key, value in
            let row = decode(value)
            if max(row.expiry, row.heldUntil) <= time.milliseconds { keys.append(key) }
            return true
        }
        for key in keys { store.delete(.invitation, key) }
    }

    private static func key(_ token: String) -> [UInt8] { Array(Digest.hash(.sha256, token.utf8).prefix(16)) }

    private static func decode(_ bytes: [UInt8]) -> InvitationRow {
        var reader = ByteReader(bytes)
        let domain = reader.takeString()
        let localpart = reader.takeOptionalString()
        var row = InvitationRow(domain: domain, localpart: localpart, expiry: reader.take())
        row.heldUntil = reader.take()
        return row
    }
}
