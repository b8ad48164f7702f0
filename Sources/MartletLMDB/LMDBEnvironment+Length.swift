internal import CLMDB
import Glibc
import MartletStore

/// Whether a store's file has all its pages.
extension LMDBEnvironment {
    /// A file that has lost pages which are in use is refused: whoever reads them is killed by the system.
    ///
    /// One may be shorter than its pages and sound: LMDB never writes what a transaction took at the end of the file and freed again,
    /// like a long value that was put and removed, but it counts it, and lists it as free. `isOurs`: nobody else has the store. Then
    /// the file gets its length, so that its list of free pages can be read whatever it has lost; the process that only reads
    /// has another one watching it.
    static func checkLength(_ environment: OpaquePointer, _ path: String, isOurs: Bool) throws(StoreFailure) {
        var information = MDB_envinfo()
        var statistics = MDB_stat()
        var status = stat()
        let file = path + "/data.mdb"
        mdb_env_info(environment, &information)
        mdb_env_stat(environment, &statistics)
        guard stat(file, &status) == 0 else { throw LMDBFailure.failure(errno, "looking at", path: file) }
        let pageSize = Int(statistics.ms_psize)
        let pages = information.me_last_pgno + 1
        let length = Int(status.st_size)
        if length >= pages * pageSize || information.me_last_txnid == 0 { return }
        if isOurs, truncate(file, off_t(pages * pageSize)) != 0 { throw LMDBFailure.failure(errno, "lengthening", path: file) }
        let written = length / pageSize
        if freePages(environment, from: written) >= pages - written { return }
        // As it was found: the next start has to find it, too.
        if isOurs { _ = truncate(file, off_t(length)) }
        throw .damaged(path: file, detail: "it has \(length) bytes, and \(pages * pageSize) of it are in use")
    }

    /// How many pages of the list of free ones, LMDB's database 0, are `first` or behind it. What cannot be read has none.
    private static func freePages(_ environment: OpaquePointer, from first: Int) -> Int {
        var transaction: OpaquePointer?
        guard mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction) == MDB_SUCCESS else { return 0 }
        defer { mdb_txn_abort(transaction) }
        var cursor: OpaquePointer?
        guard mdb_cursor_open(transaction, 0, &cursor) == MDB_SUCCESS else { return 0 }
        defer { mdb_cursor_close(cursor) }
        var key = MDB_val()
        var value = MDB_val()
        let word = MemoryLayout<UInt>.size
        var found = 0
        while mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS {
            guard value.mv_size >= word, let data = value.mv_data else { continue }
            let count = min(data.loadUnaligned(as: UInt.self), UInt(value.mv_size / word - 1))
            for index in 0..<Int(count)
            where data.loadUnaligned(fromByteOffset: (index + 1) * word, as: UInt.self) >= UInt(first) {
                found += 1
            }
        }
        return found
    }
}
