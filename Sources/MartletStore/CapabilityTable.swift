import MartletPrimitives

/// What entities of one kind want to be notified of: what stands behind a hash of capabilities that was checked.
public enum CapabilityTable {
    /// Bytes of a key.
    public static let keyBytes = 16

    /// The names of nodes whose notifications are wanted; nil where the hash is not known.
    public static func wanted(_ key: [UInt8], in store: some KeyValueTransaction) -> [String]? {
        store.get(.capability, key).map(names)
    }

    /// Notes them.
    public static func put(_ key: [UInt8], _ names: [String], in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 256)
        writer.put(UInt16(clamping: names.count))
        for name in names { writer.put(name) }
        store.put(.capability, key, writer.bytes)
    }

    /// Forgets them.
    public static func remove(_ key: [UInt8], in store: some KeyValueTransaction) { store.delete(.capability, key) }

    /// All hashes that are known.
    public static func keys(in store: some KeyValueTransaction) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        store.forEach(.capability, prefix: []) { key, _ in
            keys.append(key)
            return true
        }
        return keys
    }

    private static func names(_ value: [UInt8]) -> [String] {
        var reader = ByteReader(value)
        return (0..<reader.take(UInt16.self)).map { _ in reader.takeString() }
    }
}
