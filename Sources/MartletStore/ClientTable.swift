import MartletCrypto
import MartletPrimitives

/// A client of an account as the site remembers it: the digest of the identifier that it gives itself (XEP-0388 §2.3).
public struct ClientKey: Hashable, Sendable {
    /// The first eight bytes.
    public let high: UInt64
    /// The next eight.
    public let low: UInt64

    /// The client with that identifier.
    public init(agentID: String) {
        var reader = ByteReader(Digest.hash(.sha256, agentID.utf8))
        high = reader.take()
        low = reader.take()
    }

    /// The client of that key.
    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// 32 digits: what people name it by.
    public var text: String {
        var writer = ByteWriter(capacity: 16)
        writer.put(high)
        writer.put(low)
        return Hex.encode(writer.bytes)
    }

    /// The client that ``text`` names; nil for another text.
    public init?(_ text: String) {
        guard let bytes = Hex.decode(text), bytes.count == 16 else { return nil }
        var reader = ByteReader(bytes)
        high = reader.take()
        low = reader.take()
    }
}

/// A token of a client (XEP-0484). The token itself is not kept, only its digest: that is what its mechanism computes with, so whoever
/// steals the store can use it in the client's place, and learns nothing else by it.
public struct ClientToken: Sendable, Equatable {
    /// SHA-256 of the token, which is longer than a block of it: the key of the HMAC.
    public var key: [UInt8]
    /// The mechanism that it is for, by name.
    public var mechanism: String
    /// When it was given, milliseconds since 1970.
    public var issued: Int64
    /// From when on it is good for nothing, milliseconds since 1970.
    public var expiry: Int64
    /// The generation of the account: with another password it is void.
    public var generation: UInt64
    /// The highest count that the client has shown with it; nil as long as it has shown none.
    public var count: UInt32?

    /// A token that was never used.
    public init(key: [UInt8], mechanism: String, issued: Int64, expiry: Int64, generation: UInt64) {
        self.key = key
        self.mechanism = mechanism
        self.issued = issued
        self.expiry = expiry
        self.generation = generation
    }
}

/// What is remembered of a client of an account.
public struct ClientRow: Sendable, Equatable {
    /// When it came first, milliseconds since 1970.
    public var firstSeen: Int64
    /// When it logged in last, milliseconds since 1970.
    public var lastSeen: Int64
    /// What it calls itself.
    public var software = ""
    /// What it calls its machine.
    public var device = ""
    /// The generation of the account whose password it has shown last; 0 where it has shown none.
    public var passwordGeneration: UInt64 = 0
    /// The token that it has used last, or got before that it has used none.
    public var current: ClientToken?
    /// A later one, which it has not used yet.
    public var fresh: ClientToken?

    /// A client that is new.
    public init(firstSeen: Int64) {
        self.firstSeen = firstSeen
        lastSeen = firstSeen
    }
}

/// The clients of accounts that have named themselves: key account, ``ClientKey``.
public enum ClientTable {
    /// The row of a client.
    public static func row(_ account: AddressNumber, _ client: ClientKey, in store: some KeyValueTransaction) -> ClientRow? {
        store.get(.client, key(account, client)).map(decode)
    }

    /// Stores the row of a client.
    public static func put(
        _ account: AddressNumber, _ client: ClientKey, _ row: ClientRow, in store: some KeyValueTransaction
    ) {
        var writer = ByteWriter(capacity: 256)
        writer.put(row.firstSeen)
        writer.put(row.lastSeen)
        writer.put(row.software)
        writer.put(row.device)
        writer.put(row.passwordGeneration)
        put(row.current, to: &writer)
        put(row.fresh, to: &writer)
        store.put(.client, key(account, client), writer.bytes)
    }

    /// Forgets a client.
    public static func remove(_ account: AddressNumber, _ client: ClientKey, in store: some KeyValueTransaction) {
        store.delete(.client, key(account, client))
    }

    /// The clients of an account, in the order of their keys.
    public static func clients(
        of account: AddressNumber, in store: some KeyValueTransaction
    ) -> [(key: ClientKey, row: ClientRow)] {
        var clients: [(ClientKey, ClientRow)] = []
        var prefix = ByteWriter(capacity: 8)
        prefix.put(account.value)
        store.forEach(.client, prefix: prefix.bytes) { key, value in
            var reader = ByteReader(key, from: 8)
            let high: UInt64 = reader.take()
            clients.append((ClientKey(high: high, low: reader.take()), decode(value)))
            return true
        }
        return clients
    }

    private static func key(_ account: AddressNumber, _ client: ClientKey) -> [UInt8] {
        var writer = ByteWriter(capacity: 24)
        writer.put(account.value)
        writer.put(client.high)
        writer.put(client.low)
        return writer.bytes
    }

    private static func put(_ token: ClientToken?, to writer: inout ByteWriter) {
        writer.put(UInt8(token == nil ? 0 : 1))
        guard let token else { return }
        writer.put(token.key)
        writer.put(token.mechanism)
        writer.put(token.issued)
        writer.put(token.expiry)
        writer.put(token.generation)
        writer.put(token.count.map { Int64($0) } ?? -1)
    }

    private static func takeToken(_ reader: inout ByteReader) -> ClientToken? {
        guard reader.take(UInt8.self) == 1 else { return nil }
        let key = reader.takeBytes()
        let mechanism = reader.takeString()
        let issued: Int64 = reader.take()
        let expiry: Int64 = reader.take()
        var token = ClientToken(
            key: key, mechanism: mechanism, issued: issued, expiry: expiry, generation: reader.take())
        token.count = UInt32(exactly: reader.take(Int64.self))
        return token
    }

    private static func decode(_ bytes: [UInt8]) -> ClientRow {
        var reader = ByteReader(bytes)
        var row = ClientRow(firstSeen: reader.take())
        row.lastSeen = reader.take()
        row.software = reader.takeString()
        row.device = reader.takeString()
        row.passwordGeneration = reader.take()
        row.current = takeToken(&reader)
        row.fresh = takeToken(&reader)
        return row
    }
}
