import MartletPrimitives
import XMPPAddress

/// What an account wants to be kept in its archive (XEP-0441 §2).
public struct ArchivePreferences: Sendable, Equatable {
    /// What is kept where no list says otherwise.
    public enum Rule: UInt8, Sendable, CaseIterable {
        /// Everything.
        case always
        /// Nothing.
        case never
        /// What is exchanged with contacts of the roster.
        case roster

        /// As it stands in XML and in the configuration.
        public var name: String {
            switch self {
            case .always: "always"
            case .never: "never"
            case .roster: "roster"
            }
        }

        /// The rule of that name.
        public init?(name: some StringProtocol) {
            guard let rule = Self.allCases.first(where: { $0.name == name }) else { return nil }
            self = rule
        }
    }

    /// For whoever is on neither list.
    public var rule: Rule
    /// Messages with these are kept.
    public var always: [JID] = []
    /// Messages with these are not.
    public var never: [JID] = []

    /// Everybody is treated alike.
    public init(rule: Rule) { self.rule = rule }
}

/// The preferences of the accounts that have said any.
public enum ArchivePreferencesTable {
    /// What an account has said; nil where it has said nothing.
    public static func preferences(
        of account: AddressNumber, in store: some KeyValueTransaction
    ) -> ArchivePreferences? {
        let key = NumberKey.one(account.value)
        return store.get(.archivePreferences, Array(key.span)).map(decode)
    }

    /// Stores what an account says.
    public static func put(_ account: AddressNumber, _ preferences: ArchivePreferences, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 256)
        writer.put(preferences.rule.rawValue)
        for list in [preferences.always, preferences.never] {
            writer.put(UInt32(clamping: list.count))
            for jid in list {
                writer.put(jid.localpart)
                writer.put(jid.domainpart)
                writer.put(jid.resourcepart)
            }
        }
        let key = NumberKey.one(account.value)
        store.put(.archivePreferences, key.span, writer.bytes.span)
    }

    /// Forgets it.
    public static func remove(_ account: AddressNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.one(account.value)
        store.delete(.archivePreferences, key.span)
    }

    /// The accounts that have said anything.
    public static func accounts(in store: some KeyValueTransaction) -> [AddressNumber] {
        var accounts: [AddressNumber] = []
        store.forEach(.archivePreferences, prefix: []) { key, _ in
            accounts.append(AddressNumber(ByteReader.first(key)))
            return true
        }
        return accounts
    }

    private static func decode(_ bytes: [UInt8]) -> ArchivePreferences {
        var reader = ByteReader(bytes)
        guard let rule = ArchivePreferences.Rule(rawValue: reader.take()) else { ourFault("unknown archive preferences") }
        var preferences = ArchivePreferences(rule: rule)
        preferences.always = takeList(&reader)
        preferences.never = takeList(&reader)
        return preferences
    }

    private static func takeList(_ reader: inout ByteReader) -> [JID] {
        (0..<reader.take(UInt32.self)).map { _ in
            JID(
                preparedLocalpart: reader.takeOptionalString(), preparedDomainpart: reader.takeString(),
                preparedResourcepart: reader.takeOptionalString())
        }
    }
}
