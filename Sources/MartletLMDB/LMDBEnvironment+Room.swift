internal import CLMDB
import Glibc
import MartletStore
import Synchronization

/// How much a store can still take: disk and map are one notion.
extension LMDBEnvironment {
    /// What a look has shown, in bytes.
    public struct Room: Sendable, Equatable {
        /// All that the store can still take: unused pages of its file, and what file system and map let the file grow.
        public var bytes: UInt64
        /// What is at the end of the file: a long value needs pages in a row, which unused ones may not be.
        public var growth: UInt64
    }

    /// Looks at disk and map, and takes blocks of the disk for the next pages of the file where it has too few (``ahead``).
    ///
    /// A file never shrinks, so that a store which was once large has room although its disk is full. It walks the list of
    /// unused pages: ask every few seconds, not every turn.
    public func look() -> Room {
        var information = MDB_envinfo()
        var statistics = MDB_stat()
        guard mdb_env_info(environment, &information) == MDB_SUCCESS, mdb_env_stat(environment, &statistics) == MDB_SUCCESS
        else {
            return Room(bytes: 0, growth: 0)
        }
        let page = UInt64(statistics.ms_psize)
        let used = (UInt64(information.me_last_pgno) + 1) * page
        let owned = owned(behind: used)
        let growth = min(freeBytesOnDisk + owned, mapSize > used ? mapSize - used : 0)
        return Room(bytes: unusedPages(last: information.me_last_txnid) * page + growth, growth: growth)
    }

    /// The number of pages in LMDB's list of free pages, its database 0, that the next transaction may use: each record begins with its
    /// number of pages, and its key is the transaction that has freed them. Those that a reader may still look at do not count.
    private func unusedPages(last: Int) -> UInt64 {
        let oldest = martlet_lmdb_oldest_reader(environment, last)
        var transaction: OpaquePointer?
        guard mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction) == MDB_SUCCESS else { return 0 }
        defer { mdb_txn_abort(transaction) }
        var cursor: OpaquePointer?
        guard mdb_cursor_open(transaction, 0, &cursor) == MDB_SUCCESS else { return 0 }
        defer { mdb_cursor_close(cursor) }
        var key = MDB_val()
        var value = MDB_val()
        var pages: UInt64 = 0
        while mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS {
            guard key.mv_size >= MemoryLayout<Int>.size, let name = key.mv_data, name.loadUnaligned(as: Int.self) < oldest
            else {
                break
            }
            if value.mv_size >= MemoryLayout<UInt>.size, let data = value.mv_data {
                pages += UInt64(data.loadUnaligned(as: UInt.self))
            }
        }
        return pages
    }

    // What is ours already

    /// Bytes behind the used part of the file whose blocks are taken from the disk: nobody else can have them, however fast he fills it.
    ///
    /// They are taken as often as a quarter of them is used up. Where the file system cannot do that, or has no room, there are fewer.
    private func owned(behind used: UInt64) -> UInt64 {
        if ahead > 0, allocatedEnd.load(ordering: .relaxed) < used + ahead / 4 * 3 { allocate(behind: used) }
        let end = allocatedEnd.load(ordering: .relaxed)
        // What an earlier process has taken is there still, also where a file system asks for room again that it has given.
        let onDisk = sizeOnDisk > Self.bookkeeping ? sizeOnDisk - Self.bookkeeping : 0
        return max(end > used ? end - used : 0, onDisk > used ? min(onDisk - used, ahead) : 0)
    }

    /// What a file system may count as the file's for its own lists.
    private static let bookkeeping: UInt64 = 256 << 10
    /// Less is not worth a call.
    private static let leastAhead: UInt64 = 1 << 20

    private func allocate(behind used: UInt64) {
        var descriptor: Int32 = -1
        guard mdb_env_get_fd(environment, &descriptor) == MDB_SUCCESS else { return }
        // From the beginning the first time: pages that were used and freed in one transaction have never been written.
        let start = allocatedEnd.load(ordering: .relaxed)
        var length = min(ahead, freeBytesOnDisk / 4 + (start > used ? start - used : 0))
        repeat {
            let end = used + length
            if end <= start { return }
            let code = martlet_lmdb_allocate(descriptor, off_t(start), off_t(end - start))
            if code == 0 { return allocatedEnd.store(end, ordering: .relaxed) }
            if code != ENOSPC, code != EDQUOT { return }
            length /= 2
        } while length >= Self.leastAhead
    }
}
