import MartletPrimitives

/// Single values of a store, by name.
public enum MetaTable {
    /// The names in use.
    public enum Name: String {
        /// The version of the format.
        case schema
        /// 32 random bytes made with the store: the root of salts for unknown users and of dialback keys.
        case secret
        /// Site time at the last commit that noted it, milliseconds.
        case siteTime
        /// Calendar time at that commit, milliseconds since 1970.
        case wallTime
        /// The other offices as rosters showed them last.
        case offices
    }

    /// The format this code reads and writes.
    public static let schemaVersion: Int64 = 1

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

    /// The bytes of that name.
    public static func bytes(_ name: Name, in store: some KeyValueTransaction) -> [UInt8]? {
        store.get(.meta, Array(name.rawValue.utf8))
    }

    /// Stores bytes.
    public static func set(_ name: Name, _ value: [UInt8], in store: some KeyValueTransaction) {
        store.put(.meta, Array(name.rawValue.utf8), value)
    }
}
