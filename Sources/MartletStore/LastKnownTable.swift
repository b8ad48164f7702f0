import MartletCrypto
import MartletPrimitives

/// What each account was shown of its contacts elsewhere: items, profiles, what they can. It is looked at while their server cannot
/// be reached.
///
/// A row belongs to one account and one contact. What it shows stands once for all accounts that were shown the same, under its digest,
/// with the number of rows that have it.
public enum LastKnownTable {
    /// What it is that was shown.
    public enum Kind: UInt8, Sendable {
        /// An item of a node.
        case item = 1
        /// A profile as vcard-temp.
        case vCardTemp = 2
        /// A profile as vCard4, asked for without a node.
        case vCard4 = 3
        /// What the account can (disco#info).
        case info = 4
        /// What the account has (disco#items).
        case nodes = 5
    }

    /// One thing that was shown.
    public struct Row: Sendable, Equatable {
        /// What it is.
        public var kind: Kind
        /// The node of an item; else empty.
        public var node: String
        /// The item's id; else empty.
        public var id: String
        /// The digest of its text.
        public var digest: [UInt8] = []
        /// The bytes of its text.
        public var bytes = 0
        /// When it was last known to be so.
        public var at: WallTime
        /// What came in one stanza has one number.
        public var arrival: UInt64 = 0

        /// Something of that kind, without text.
        public init(_ kind: Kind, node: String = "", id: String = "", at: WallTime) {
            (self.kind, self.node, self.id, self.at) = (kind, node, id, at)
        }

        /// Whether it is the same thing, as it is now or was once.
        public func isSame(as other: Row) -> Bool { kind == other.kind && node == other.node && id == other.id }

        /// What it counts for, with the rows that find it.
        public var size: Int { bytes + node.utf8.count + id.utf8.count + LastKnownTable.overhead }
    }

    /// How much an account has.
    public struct Size: Sendable, Equatable {
        /// Rows and their texts; of all accounts together each text once.
        public var bytes: UInt64 = 0
        /// Of an account: rows up to that place are gone for everybody. Of all accounts: the last place that was given out.
        public var place: UInt64 = 0

        /// Nothing.
        public init() {}
    }

    /// Bytes of the rows and keys of one thing, beside its names and its text.
    public static let overhead = 256
    /// Under the number that no account has: all accounts.
    public static let everybody = AddressNumber(.max)

    /// What an account knows of a contact, the oldest first.
    public static func rows(
        _ account: AddressNumber, _ contact: AddressNumber, in store: some KeyValueTransaction
    ) -> [(place: UInt64, row: Row)] {
        let gone = size(of: account, in: store).place
        var rows: [(UInt64, Row)] = []
        let prefix = NumberKey.two(account.value, contact.value)
        store.readEach(.known, prefix: prefix.span) { key, value in
            let place = UInt64(bigEndianBytes: key.extracting(16...))
            if place > gone { rows.append((place, row(Array(value)))) }
            return true
        }
        return rows
    }

    /// The text of a row.
    public static func text(_ row: Row, in store: some KeyValueTransaction) -> [UInt8] {
        store.get(.knownText, row.digest) ?? []
    }

    /// The digest of a text.
    public static func digest(_ text: [UInt8]) -> [UInt8] { Digest.hash(.sha256, text) }

    /// Adds a thing behind everything else, and gives it as it stands there.
    public static func add(
        _ account: AddressNumber, _ contact: AddressNumber, _ row: Row, text: [UInt8], in store: some KeyValueTransaction
    ) -> (place: UInt64, row: Row) {
        var all = size(of: everybody, in: store)
        all.place += 1
        var row = row
        row.digest = digest(text)
        row.bytes = text.count
        let holders = store.get(.knownHolders, row.digest).map(ByteReader.first) ?? 0
        if holders == 0 {
            store.put(.knownText, row.digest, text)
            all.bytes += UInt64(text.count)
        }
        put(holders + 1, row.digest, in: store)
        all.bytes += UInt64(row.size - row.bytes)
        put(account, contact, all.place, row, in: store)
        let (age, own) = (NumberKey.one(all.place), NumberKey.two(account.value, all.place))
        let (pair, other) = (NumberKey.two(account.value, contact.value), NumberKey.one(contact.value))
        store.append(.knownByAge, age.span, pair.span)
        store.put(.knownOfAccount, own.span, other.span)
        setSize(of: everybody, all, in: store)
        var owned = size(of: account, in: store)
        owned.bytes += UInt64(row.size)
        setSize(of: account, owned, in: store)
        return (all.place, row)
    }

    /// Writes a row anew that is there, with the same text.
    public static func put(
        _ account: AddressNumber, _ contact: AddressNumber, _ place: UInt64, _ row: Row, in store: some KeyValueTransaction
    ) {
        var writer = ByteWriter(capacity: 64 + row.node.utf8.count + row.id.utf8.count)
        writer.put(row.kind.rawValue)
        writer.put(row.at.milliseconds)
        writer.put(row.arrival)
        writer.put(UInt32(clamping: row.bytes))
        writer.put(row.node)
        writer.put(row.id)
        writer.put(row.digest)
        let key = NumberKey.three(account.value, contact.value, place)
        let value = writer.bytes
        store.put(.known, key.span, value.span)
    }

    /// Removes a thing.
    public static func remove(
        _ account: AddressNumber, _ contact: AddressNumber, _ place: UInt64, in store: some KeyValueTransaction
    ) {
        let key = NumberKey.three(account.value, contact.value, place)
        var value: [UInt8] = []
        guard store.read(.known, key.span, { value = Array($0) }) else { return }
        let row = row(value)
        var all = size(of: everybody, in: store)
        let holders = store.get(.knownHolders, row.digest).map(ByteReader.first) ?? 0
        if holders > 1 {
            put(holders - 1, row.digest, in: store)
        } else {
            store.delete(.knownHolders, row.digest)
            store.delete(.knownText, row.digest)
            all.bytes -= min(all.bytes, UInt64(row.bytes))
        }
        all.bytes -= min(all.bytes, UInt64(row.size - row.bytes))
        setSize(of: everybody, all, in: store)
        store.delete(.known, key.span)
        let (age, own) = (NumberKey.one(place), NumberKey.two(account.value, place))
        store.delete(.knownByAge, age.span)
        store.delete(.knownOfAccount, own.span)
        var owned = size(of: account, in: store)
        owned.bytes -= min(owned.bytes, UInt64(row.size))
        setSize(of: account, owned, in: store)
    }

    /// The oldest thing that anybody knows.
    public static func oldest(
        in store: some KeyValueTransaction
    ) -> (account: AddressNumber, contact: AddressNumber, place: UInt64)? {
        guard let entry = store.firstEntry(.knownByAge, atOrAfter: []) else { return nil }
        var reader = ByteReader(entry.value)
        return (AddressNumber(reader.take()), AddressNumber(reader.take()), ByteReader.first(entry.key))
    }

    /// The oldest thing that an account knows, or knew before it was removed.
    public static func oldest(
        of account: AddressNumber, in store: some KeyValueTransaction
    ) -> (contact: AddressNumber, place: UInt64)? {
        let start = NumberKey.two(account.value, 0)
        guard let entry = store.firstEntry(.knownOfAccount, atOrAfter: Array(start.span)) else { return nil }
        var reader = ByteReader(entry.key)
        guard reader.take(UInt64.self) == account.value else { return nil }
        return (AddressNumber(ByteReader.first(entry.value)), reader.take())
    }

    /// How much an account has.
    public static func size(of account: AddressNumber, in store: some KeyValueTransaction) -> Size {
        let key = NumberKey.one(account.value)
        var size = Size()
        _ = store.read(.knownSize, key.span) { value in
            size.bytes = UInt64(bigEndianBytes: value)
            size.place = UInt64(bigEndianBytes: value.extracting(8...))
        }
        return size
    }

    /// Notes it; nothing is noted of an account that has nothing.
    public static func setSize(of account: AddressNumber, _ size: Size, in store: some KeyValueTransaction) {
        let key = NumberKey.one(account.value)
        let value = NumberKey.two(size.bytes, size.place)
        if size == Size() { store.delete(.knownSize, key.span) } else { store.put(.knownSize, key.span, value.span) }
    }

    /// Accounts that were removed, whose rows are not all gone.
    public static func removed(in store: some KeyValueTransaction) -> [AddressNumber] {
        var accounts: [AddressNumber] = []
        store.readEach(.knownSize, prefix: [UInt8]().span) { key, value in
            let account = AddressNumber(UInt64(bigEndianBytes: key))
            if account != everybody, UInt64(bigEndianBytes: value.extracting(8...)) > 0 { accounts.append(account) }
            return true
        }
        return accounts
    }

    static func row(_ value: [UInt8]) -> Row {
        var reader = ByteReader(value)
        let kind = Kind(rawValue: reader.take()) ?? .item
        let at = WallTime(milliseconds: reader.take())
        let arrival: UInt64 = reader.take()
        let bytes = Int(reader.take(UInt32.self))
        var row = Row(kind, node: reader.takeString(), id: reader.takeString(), at: at)
        (row.arrival, row.bytes, row.digest) = (arrival, bytes, reader.takeBytes())
        return row
    }

    private static func put(_ holders: UInt64, _ digest: [UInt8], in store: some KeyValueTransaction) {
        let value = NumberKey.one(holders)
        store.put(.knownHolders, digest, Array(value.span))
    }
}
