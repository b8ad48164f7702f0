import MartletLMDB
import MartletPrimitives
import MartletStore

/// Rows like those of waiting entries, written to a store without a site: what the disk allows.
enum BareStore {
    /// Bytes of a message in the log, and of its entry.
    private static let logBytes = 430
    private static let entryBytes = 25

    /// Entries a second, in commits of `batch`. The store in `directory` stays for the caller to remove.
    static func perSecond(directory: String, entries: Int, batch: Int) throws -> Double {
        let store = try LMDBStore(directory: directory, tables: Table.all)
        let log = [UInt8](repeating: 0x61, count: logBytes)
        let entry = [UInt8](repeating: 0x62, count: entryBytes)
        let start = Meter.wall
        var number: UInt64 = 0
        while number < entries {
            let transaction = store.begin()
            for _ in 0..<batch where number < entries {
                number += 1
                var key = ByteWriter(capacity: 8)
                key.put(number)
                transaction.append(.log, key.bytes, log)
                var name = ByteWriter(capacity: 12)
                name.put(UInt32(1))
                name.put(number)
                transaction.append(.entry, name.bytes, entry)
            }
            try store.commit()
        }
        return Double(entries) * 1e9 / Double(Meter.wall - start)
    }
}
