import Foundation
import MartletStore

/// A store as text: what `mdb_dump -a` of LMDB writes, with the bytes in hexadecimal.
struct StoreDump {
    /// The rows of each table, in the order of their keys.
    private(set) var tables: [Table: [KeyValueEntry]] = [:]

    /// Reads a file in `Tests/Stores`.
    init(_ name: String) throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: tests.appending(path: "Stores/\(name)"), encoding: .utf8)
        var table = Table(rawValue: 255)
        var key: [UInt8]?
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            if line.first == UInt8(ascii: " ") {
                let bytes = Self.bytes(line.dropFirst())
                if let complete = key {
                    tables[table, default: []].append(KeyValueEntry(key: complete, value: bytes))
                    key = nil
                } else {
                    key = bytes
                }
            } else if let name = Substring(line).wholeMatch(of: /database=t(\d+)/), let number = UInt8(name.1) {
                table = Table(rawValue: number)
            }
        }
    }

    /// Puts the rows into a store that is empty.
    func load(into store: any KeyValueStore) throws {
        let transaction = store.begin()
        for (table, rows) in tables { for row in rows { transaction.put(table, row.key, row.value) } }
        try store.commit()
    }

    private static func bytes(_ line: Substring.UTF8View) -> [UInt8] {
        let digits = line.map { $0 >= 0x61 ? $0 - 0x61 + 10 : $0 - 0x30 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
