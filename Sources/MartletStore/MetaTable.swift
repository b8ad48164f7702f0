import MartletPrimitives

/// Single values of a store, by name.
public enum MetaTable {
    /// The names in use.
    public enum Name: String {
        /// The version of the format; see ``schema(in:)``.
        case schema
        /// While the store is brought to another schema: the one that it had, as a number. See ``StoreMigration``.
        case migration
        /// 32 random bytes made with the store: the root of salts for unknown users and of dialback keys.
        case secret
        /// Site time at the last commit that noted it, milliseconds.
        case siteTime
        /// Calendar time at that commit, milliseconds since 1970.
        case wallTime
        /// The other offices as rosters showed them last.
        case offices
        /// Accounts that are gone and whose rosters and messages are being removed, as numbers.
        case removals
        /// The number of the last node that was made.
        case lastNode
        /// How far the archives' index has come in the log, and the time of what stands there.
        case archiveIndex
        /// The message of the day: its number, the domain that says it, and its words.
        case dayMessage
    }

    /// Bytes of ``Name/secret``.
    public static let secretBytes = 32

    /// The format this code reads and writes.
    public static let schemaVersion: UInt32 = 3

    /// The format of the store; nil if it is new. While it is being migrated that is the format it will have.
    ///
    /// Schema 1 is a number of eight bytes, all others are numbers of four: builds that knew schema 1 alone took every store for
    /// one of theirs, but they end when they find that number too short, before they have read anything else.
    public static func schema(in store: some KeyValueTransaction) -> UInt32? {
        bytes(.schema, in: store).map {
            var reader = ByteReader($0)
            return $0.count == 8 ? UInt32(clamping: reader.take(Int64.self)) : reader.take(UInt32.self)
        }
    }

    /// Stores the format.
    public static func setSchema(_ version: UInt32, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 4)
        writer.put(version)
        set(.schema, writer.bytes, in: store)
    }

    /// The number of that name.
    public static func number(_ name: Name, in store: some KeyValueTransaction) -> Int64? {
        store.get(.meta, Array(name.rawValue.utf8)).map {
            var reader = ByteReader($0)
            return reader.take(Int64.self)
        }
    }

    /// Stores a number.
    public static func set(_ name: Name, _ value: Int64, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 8)
        writer.put(value)
        store.put(.meta, Array(name.rawValue.utf8), writer.bytes)
    }

    /// Forgets the value of that name.
    public static func remove(_ name: Name, in store: some KeyValueTransaction) {
        store.delete(.meta, Array(name.rawValue.utf8))
    }

    /// How far the archives' index has come in the log.
    public static func archivesIndexed(in store: some KeyValueTransaction) -> UInt64 {
        bytes(.archiveIndex, in: store).map { ByteReader.first($0) } ?? 0
    }

    /// The bytes of that name.
    public static func bytes(_ name: Name, in store: some KeyValueTransaction) -> [UInt8]? {
        store.get(.meta, Array(name.rawValue.utf8))
    }

    /// Stores bytes.
    public static func set(_ name: Name, _ value: [UInt8], in store: some KeyValueTransaction) {
        store.put(.meta, Array(name.rawValue.utf8), value)
    }
}
