import MartletPrimitives
import XMPPAddress

/// One contact in an account's roster (RFC 6121 §2.1.2), as stored.
public struct RosterRow: Sendable, Equatable {
    /// Bits of the presence subscription.
    public struct Flags: OptionSet, Sendable, Hashable {
        /// As stored.
        public let rawValue: UInt8
        /// The flags of these bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The account sees the contact's presence.
        public static let to = Flags(rawValue: 1)
        /// The contact sees the account's presence.
        public static let from = Flags(rawValue: 2)
        /// The account asked and was not answered yet (`ask='subscribe'`).
        public static let pendingOut = Flags(rawValue: 4)
        /// The account approved a request that has not come yet (RFC 6121 §3.4).
        public static let approved = Flags(rawValue: 8)
    }

    /// The account's name for the contact; empty where none was given.
    public var name = ""
    /// The groups, in the order given.
    public var groups: [String] = []
    /// The presence subscription.
    public var flags: Flags = []

    /// Bytes of what is stored.
    public var size: Int { groups.reduce(name.utf8.count + 1) { $0 + $1.utf8.count } }

    /// A contact without subscription.
    public init() {}
}

/// How large a roster is.
public struct RosterSize: Sendable, Equatable {
    /// Its contacts.
    public var items: Int
    /// Bytes of them as clients see them.
    public var bytes: Int

    /// That size.
    public init(items: Int = 0, bytes: Int = 0) {
        self.items = items
        self.bytes = bytes
    }
}

/// The rosters of all accounts.
///
/// A second kind of row in the same table answers "which accounts have contacts at this domain": its key begins with the
/// number that no account has. It is kept for contacts with a subscription, or one that was asked for, only.
public enum RosterTable {
    /// Whether the account has put an address into its roster.
    public static func hasContact(_ contact: JID, of account: AddressNumber, in store: some KeyValueTransaction) -> Bool {
        AddressTable.number(of: contact, in: store).flatMap { row(account, $0, in: store) } != nil
    }

    /// The contact's row in the account's roster.
    public static func row(
        _ account: AddressNumber, _ contact: AddressNumber, in store: some KeyValueTransaction
    ) -> RosterRow? {
        store.get(.roster, key(account.value, contact.value)).map(decode)
    }

    /// Stores a contact. `domain` is the number of the contact's domain.
    public static func put(
        _ account: AddressNumber, _ contact: AddressNumber, domain: AddressNumber, _ row: RosterRow,
        in store: some KeyValueTransaction
    ) {
        var writer = ByteWriter(capacity: 32)
        writer.put(row.flags.rawValue)
        writer.put(row.name)
        for group in row.groups { writer.put(group) }
        store.put(.roster, key(account.value, contact.value), writer.bytes)
        let index = indexKey(domain, account, contact)
        if row.flags.isDisjoint(with: [.to, .from, .pendingOut]) {
            if store.get(.roster, index) != nil { store.delete(.roster, index) }
        } else if store.get(.roster, index) == nil {
            store.put(.roster, index, [])
        }
    }

    /// Removes a contact.
    public static func remove(
        _ account: AddressNumber, _ contact: AddressNumber, domain: AddressNumber, in store: some KeyValueTransaction
    ) {
        store.delete(.roster, key(account.value, contact.value))
        let index = indexKey(domain, account, contact)
        if store.get(.roster, index) != nil { store.delete(.roster, index) }
    }

    /// The contacts of an account, in the order in which they became known.
    public static func contacts(
        of account: AddressNumber, in store: some KeyValueTransaction
    ) -> [(contact: AddressNumber, row: RosterRow)] {
        var contacts: [(AddressNumber, RosterRow)] = []
        store.forEach(.roster, prefix: key(account.value)) { key, value in
            var reader = ByteReader(key, from: 8)
            contacts.append((AddressNumber(reader.take()), decode(value)))
            return true
        }
        return contacts
    }

    /// The contacts of an account with that flag, in the order in which they became known: whom its presence concerns, without
    /// names and groups.
    public static func contacts(
        of account: AddressNumber, with flag: RosterRow.Flags, in store: some KeyValueTransaction
    ) -> [AddressNumber] {
        var contacts: [AddressNumber] = []
        let prefix = NumberKey.one(account.value)
        store.readEach(.roster, prefix: prefix.span) { key, value in
            if RosterRow.Flags(rawValue: value[0]).contains(flag) {
                contacts.append(AddressNumber(UInt64(bigEndianBytes: key.extracting(8...))))
            }
            return true
        }
        return contacts
    }

    /// Up to `limit` contacts of an account from behind `contact` on, in the order in which they became known, with their flags:
    /// whom its presence concerns, without names and groups.
    public static func flags(
        of account: AddressNumber, after contact: AddressNumber, limit: Int, in store: some KeyValueTransaction
    ) -> [(contact: AddressNumber, flags: RosterRow.Flags)] {
        var contacts: [(AddressNumber, RosterRow.Flags)] = []
        forEach(of: account, after: contact, in: store) { contact, value in
            contacts.append((contact, RosterRow.Flags(rawValue: value[0])))
            return contacts.count < limit
        }
        return contacts
    }

    /// Up to `limit` contacts of an account from behind `contact` on, in the order in which they became known.
    public static func rows(
        of account: AddressNumber, after contact: AddressNumber, limit: Int, in store: some KeyValueTransaction
    ) -> [(contact: AddressNumber, row: RosterRow)] {
        var contacts: [(AddressNumber, RosterRow)] = []
        forEach(of: account, after: contact, in: store) { contact, value in
            contacts.append((contact, decode(Array(value))))
            return contacts.count < limit
        }
        return contacts
    }

    /// Shows the rows behind that of `contact` until `body` returns false. From the first on it costs less.
    private static func forEach(
        of account: AddressNumber, after contact: AddressNumber, in store: some KeyValueTransaction,
        _ body: (AddressNumber, Span<UInt8>) -> Bool
    ) {
        guard contact.value > 0 else {
            let prefix = NumberKey.one(account.value)
            return store.readEach(.roster, prefix: prefix.span) { key, value in
                body(AddressNumber(UInt64(bigEndianBytes: key.extracting(8...))), value)
            }
        }
        let prefix = key(account.value)
        var next = key(account.value, contact.value + 1)
        while let found = store.firstEntry(.roster, atOrAfter: next), found.key.starts(with: prefix) {
            guard body(AddressNumber(UInt64(bigEndianBytes: found.key.span.extracting(8...))), found.value.span) else { return }
            next = found.key + [0]
        }
    }

    /// An account and a contact of it.
    public struct Pair: Sendable, Equatable {
        /// The account.
        public var account: AddressNumber
        /// The contact.
        public var contact: AddressNumber

        /// That pair.
        public init(account: AddressNumber, contact: AddressNumber) {
            self.account = account
            self.contact = contact
        }
    }

    /// Sees to it that a contact is found by its domain: earlier versions did not index those that were only asked.
    public static func index(
        _ account: AddressNumber, _ contact: AddressNumber, domain: AddressNumber, in store: some KeyValueTransaction
    ) {
        let index = indexKey(domain, account, contact)
        if store.get(.roster, index) == nil { store.put(.roster, index, []) }
    }

    /// Up to `limit` pairs with a subscription, or one that was asked for, where the contact is at `domain`, from behind `pair` on, in order.
    public static func pairs(
        at domain: AddressNumber, after pair: Pair? = nil, limit: Int = .max, in store: some KeyValueTransaction
    ) -> [Pair] {
        var pairs: [Pair] = []
        let prefix = key(.max, domain.value)
        var next = prefix
        if let pair { next = indexKey(domain, pair.account, pair.contact) + [0] }
        while pairs.count < limit, let found = store.firstEntry(.roster, atOrAfter: next), found.key.starts(with: prefix) {
            var reader = ByteReader(found.key, from: 16)
            pairs.append(Pair(account: AddressNumber(reader.take()), contact: AddressNumber(reader.take())))
            next = found.key + [0]
        }
        return pairs
    }

    /// The version of an account's roster (RFC 6121 §2.6): a counter and a random tag, so that a restored backup cannot
    /// give an old version to new content. Empty as long as the roster never changed.
    public static func version(of account: AddressNumber, in store: some KeyValueTransaction) -> String {
        // An empty one would say that there is none (RFC 6121 §2.6.2).
        guard let row = store.get(.rosterVersion, key(account.value)) else { return "0" }
        var reader = ByteReader(row)
        return "\(reader.take(UInt64.self))-\(String(reader.take(UInt32.self), radix: 16))"
    }

    /// Gives an account's roster a new version, since that contact changed or went.
    public static func changeVersion(
        of account: AddressNumber, tag: UInt32, contact: AddressNumber, at now: Instant, in store: some KeyValueTransaction
    ) {
        let counter = store.get(.rosterVersion, key(account.value)).map(ByteReader.first) ?? 0
        var writer = ByteWriter(capacity: 12 + 16 * recentLimit)
        writer.put(counter + 1)
        writer.put(tag)
        let others = recentChanges(of: account, in: store).filter { $0.contact != contact }
        for change in others.suffix(recentLimit - 1) + [(contact, now)] {
            writer.put(change.contact.value)
            writer.put(change.at.milliseconds)
        }
        store.put(.rosterVersion, key(account.value), writer.bytes)
    }

    /// How many changes are remembered with the version.
    public static let recentLimit = 16

    /// The contacts that changed or went last, newest last: what a session may not have heard when the server died.
    public static func recentChanges(
        of account: AddressNumber, in store: some KeyValueTransaction
    ) -> [(contact: AddressNumber, at: Instant)] {
        guard let row = store.get(.rosterVersion, key(account.value)) else { return [] }
        var reader = ByteReader(row, from: 12)
        var changes: [(AddressNumber, Instant)] = []
        while !reader.isAtEnd { changes.append((AddressNumber(reader.take()), Instant(milliseconds: reader.take()))) }
        return changes
    }

    /// Forgets the version and the size, with the account.
    public static func removeVersion(of account: AddressNumber, in store: some KeyValueTransaction) {
        store.delete(.rosterVersion, key(account.value))
        store.delete(.rosterVersion, sizeKey(account))
    }

    /// How large an account's roster is; nil where an earlier version has written it.
    public static func size(of account: AddressNumber, in store: some KeyValueTransaction) -> RosterSize? {
        guard let row = store.get(.rosterVersion, sizeKey(account)) else { return nil }
        var reader = ByteReader(row)
        return RosterSize(items: Int(reader.take(UInt32.self)), bytes: Int(reader.take(UInt64.self)))
    }

    /// Notes how large an account's roster is.
    public static func setSize(of account: AddressNumber, _ size: RosterSize, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 12)
        writer.put(UInt32(clamping: size.items))
        writer.put(UInt64(clamping: size.bytes))
        store.put(.rosterVersion, sizeKey(account), writer.bytes)
    }

    /// Behind the version's.
    private static func sizeKey(_ account: AddressNumber) -> [UInt8] { key(account.value) + [1] }

    private static func key(_ numbers: UInt64...) -> [UInt8] {
        var writer = ByteWriter(capacity: numbers.count * 8)
        for number in numbers { writer.put(number) }
        return writer.bytes
    }

    private static func indexKey(_ domain: AddressNumber, _ account: AddressNumber, _ contact: AddressNumber) -> [UInt8] {
        key(.max, domain.value, account.value, contact.value)
    }

    private static func decode(_ bytes: [UInt8]) -> RosterRow {
        var reader = ByteReader(bytes)
        var row = RosterRow()
        row.flags = RosterRow.Flags(rawValue: reader.take())
        row.name = reader.takeString()
        while !reader.isAtEnd { row.groups.append(reader.takeString()) }
        return row
    }
}
