import MartletPrimitives
import XMPPAddress

/// What the site keeps of an account besides its roster and its messages.
public struct AccountRow: Sendable, Equatable {
    /// SCRAM keys for one digest (RFC 5802 §3); the password itself is never stored.
    public struct Keys: Sendable, Equatable {
        /// The salt given to the client.
        public var salt: [UInt8]
        /// The iteration count given to the client.
        public var iterations: Int
        /// Checks the client's proof.
        public var storedKey: [UInt8]
        /// Signs the server's answer.
        public var serverKey: [UInt8]

        /// Those keys.
        public init(salt: [UInt8], iterations: Int, storedKey: [UInt8], serverKey: [UInt8]) {
            self.salt = salt
            self.iterations = iterations
            self.storedKey = storedKey
            self.serverKey = serverKey
        }
    }

    /// Raised with each change of the keys, never used again for the same address: an exchange begun with older keys is
    /// refused at its end.
    public var generation: UInt64
    /// For SCRAM-SHA-1.
    public var sha1: Keys
    /// For SCRAM-SHA-256 and PLAIN.
    public var sha256: Keys
    /// For SCRAM-SHA-512; accounts of earlier versions have none before their password is seen again.
    public var sha512: Keys?

    /// An account with those keys.
    public init(generation: UInt64, sha1: Keys, sha256: Keys, sha512: Keys? = nil) {
        self.generation = generation
        self.sha1 = sha1
        self.sha256 = sha256
        self.sha512 = sha512
    }
}

/// The accounts of the site, by the number of their bare JID. A row is what makes an account exist.
public enum AccountTable {
    /// The account of that number.
    public static func row(_ account: AddressNumber, in store: some KeyValueTransaction) -> AccountRow? {
        let key = NumberKey.one(account.value)
        var row: [UInt8] = []
        return store.read(.account, key.span) { row = Array($0) } ? decode(row) : nil
    }

    /// The number of the account with that bare JID; nil where there is none.
    public static func number(of bare: JID, in store: some KeyValueTransaction) -> AddressNumber? {
        AddressTable.number(of: bare, in: store).flatMap { exists($0, in: store) ? $0 : nil }
    }

    /// Whether there is such an account.
    public static func exists(_ account: AddressNumber, in store: some KeyValueTransaction) -> Bool {
        let key = NumberKey.one(account.value)
        return store.read(.account, key.span) { _ in }
    }

    /// Stores an account.
    public static func put(_ account: AddressNumber, _ row: AccountRow, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 256)
        writer.put(row.generation)
        put(row.sha1, to: &writer)
        put(row.sha256, to: &writer)
        if let sha512 = row.sha512 { put(sha512, to: &writer) }
        let key = NumberKey.one(account.value)
        store.put(.account, key.span, writer.bytes.span)
    }

    /// Removes an account.
    public static func remove(_ account: AddressNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.one(account.value)
        store.delete(.account, key.span)
    }

    /// What an account had is being removed; it exists no more.
    public static func noteRemoval(_ account: AddressNumber, in store: some KeyValueTransaction) {
        let all = removals(in: store).filter { $0 != account } + [account]
        setRemovals(all, in: store)
    }

    /// Nothing of an account is left.
    public static func forgetRemoval(_ account: AddressNumber, in store: some KeyValueTransaction) {
        setRemovals(removals(in: store).filter { $0 != account }, in: store)
    }

    /// The accounts that are being removed, in the order in which they went.
    public static func removals(in store: some KeyValueTransaction) -> [AddressNumber] {
        guard let bytes = MetaTable.bytes(.removals, in: store) else { return [] }
        var reader = ByteReader(bytes)
        var numbers: [AddressNumber] = []
        while !reader.isAtEnd { numbers.append(AddressNumber(reader.take())) }
        return numbers
    }

    /// Whether what the account of that bare JID had is still being removed.
    public static func isBeingRemoved(_ bare: JID, in store: some KeyValueTransaction) -> Bool {
        let removals = removals(in: store)
        guard !removals.isEmpty, let number = AddressTable.number(of: bare, in: store) else { return false }
        return removals.contains(number)
    }

    private static func setRemovals(_ numbers: [AddressNumber], in store: some KeyValueTransaction) {
        if numbers.isEmpty { return MetaTable.remove(.removals, in: store) }
        var writer = ByteWriter(capacity: numbers.count * 8)
        for number in numbers { writer.put(number.value) }
        MetaTable.set(.removals, writer.bytes, in: store)
    }

    /// The accounts in the order of their numbers.
    public static func all(in store: some KeyValueTransaction) -> [AddressNumber] {
        var accounts: [AddressNumber] = []
        store.forEach(.account, prefix: []) { key, _ in
            accounts.append(AddressNumber(ByteReader.first(key)))
            return true
        }
        return accounts
    }

    /// The next accounts behind a number, in the order of their numbers.
    public static func accounts(
        after last: AddressNumber, limit: Int, in store: some KeyValueTransaction
    ) -> [AddressNumber] {
        var accounts: [AddressNumber] = []
        var last = last
        while accounts.count < limit, last.value < .max {
            let key = NumberKey.one(last.value + 1)
            guard let row = store.firstEntry(.account, atOrAfter: Array(key.span)) else { break }
            last = AddressNumber(ByteReader.first(row.key))
            accounts.append(last)
        }
        return accounts
    }

    /// How many accounts there are, and how many of them have no keys for SCRAM-SHA-512.
    public static func count(in store: some KeyValueTransaction) -> (all: Int, withoutSHA512: Int) {
        var (all, without) = (0, 0)
        store.forEach(.account, prefix: []) { _, value in
            all += 1
            if decode(Array(value)).sha512 == nil { without += 1 }
            return true
        }
        return (all, without)
    }

    private static func put(_ keys: AccountRow.Keys, to writer: inout ByteWriter) {
        writer.put(keys.salt)
        writer.put(UInt32(clamping: keys.iterations))
        writer.put(keys.storedKey)
        writer.put(keys.serverKey)
    }

    private static func takeKeys(_ reader: inout ByteReader) -> AccountRow.Keys {
        let salt = reader.takeBytes()
        let iterations = Int(reader.take(UInt32.self))
        return AccountRow.Keys(
            salt: salt, iterations: iterations, storedKey: reader.takeBytes(), serverKey: reader.takeBytes())
    }

    private static func decode(_ bytes: [UInt8]) -> AccountRow {
        var reader = ByteReader(bytes)
        let generation: UInt64 = reader.take()
        let sha1 = takeKeys(&reader)
        let sha256 = takeKeys(&reader)
        return AccountRow(
            generation: generation, sha1: sha1, sha256: sha256, sha512: reader.isAtEnd ? nil : takeKeys(&reader))
    }
}
