internal import CLMDB
import MartletStore

/// What becomes of the pages of a store's file, as far as LMDB tells.
extension LMDBEnvironment {
    /// The pages of the file.
    public struct Pages: Sendable, Equatable {
        /// All of them.
        public var all: UInt64 = 0
        /// In tables.
        public var used: UInt64 = 0
        /// Free for use.
        public var free: UInt64 = 0
        /// What is wrong with the list of those that are free, in words.
        public var faults: [String] = []

        /// None.
        public init() {}

        /// Those that are neither: room that is lost until the store is copied.
        public var lost: UInt64 { all > used + free ? all - used - free : 0 }
    }

    /// The first pages of a file are its two heads.
    private static let heads: UInt64 = 2

    /// Counts the pages and looks at the list of free ones: each once, none beyond the end of the file.
    public func pages() -> Pages {
        var result = Pages()
        var transaction: OpaquePointer?
        guard mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction) == MDB_SUCCESS else { return result }
        defer { mdb_txn_abort(transaction) }
        var information = MDB_envinfo()
        mdb_env_info(environment, &information)
        result.all = UInt64(information.me_last_pgno) + 1
        // Database 0 is the list of free pages, 1 the names of the others.
        for database in [0, 1] + databases.filter({ $0 != Self.noDatabase }) {
            var statistics = MDB_stat()
            guard mdb_stat(transaction, database, &statistics) == MDB_SUCCESS else { continue }
            result.used += UInt64(statistics.ms_branch_pages + statistics.ms_leaf_pages + statistics.ms_overflow_pages)
        }
        result.used += Self.heads
        readFreePages(transaction, &result)
        return result
    }

    private func readFreePages(_ transaction: OpaquePointer?, _ result: inout Pages) {
        var cursor: OpaquePointer?
        guard mdb_cursor_open(transaction, 0, &cursor) == MDB_SUCCESS else { return }
        defer { mdb_cursor_close(cursor) }
        var key = MDB_val()
        var value = MDB_val()
        var seen: Set<UInt> = []
        let word = MemoryLayout<UInt>.size
        while mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS {
            guard value.mv_size >= word, let data = value.mv_data else {
                result.faults.append("a record of free pages is empty")
                continue
            }
            let count = data.loadUnaligned(as: UInt.self)
            guard count <= UInt(value.mv_size / word - 1) else {
                result.faults.append("a record of free pages names \(count) and has room for \(value.mv_size / word - 1)")
                continue
            }
            result.free += UInt64(count)
            for index in 0..<Int(count) {
                let page = data.loadUnaligned(fromByteOffset: (index + 1) * word, as: UInt.self)
                if UInt64(page) < Self.heads || UInt64(page) >= result.all {
                    result.faults.append("page \(page) is listed as free and is not in the file")
                } else if !seen.insert(page).inserted {
                    result.faults.append("page \(page) is listed as free twice")
                }
            }
        }
    }
}
