internal import CLMDB
import Glibc
import MartletStore

extension LMDBEnvironment {
    /// Runs `body` on the state after the last commit, on any thread, while the site goes on writing.
    ///
    /// The transaction refuses to write (a precondition). It keeps every page it can see from being reused: end it within
    /// seconds.
    public func read<Result>(_ body: (any KeyValueTransaction) throws -> Result) rethrows -> Result {
        let transaction = LMDBTransaction(self, isReadOnly: true)
        defer { transaction.abort() }
        return try body(transaction)
    }

    /// Copies the state after the last commit into a new directory, which can be opened as a store, while the site goes on.
    ///
    /// `isCompacting` leaves unused pages out, which costs more time. Pages are kept from being reused for as long as it
    /// takes. Not to be called on the site's thread within a transaction: it waits for the end of that.
    public func copy(to directory: String, isCompacting: Bool = false) throws(StoreFailure) {
        if mkdir(directory, 0o700) != 0 { throw LMDBFailure.failure(errno, "creating", path: directory) }
        let file = directory + "/data.mdb"
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor < 0 { throw LMDBFailure.failure(errno, "creating", path: file) }
        var code = mdb_env_copyfd2(environment, descriptor, isCompacting ? UInt32(MDB_CP_COMPACT) : 0)
        if code == MDB_SUCCESS, fsync(descriptor) != 0 { code = errno }
        if close(descriptor) != 0, code == MDB_SUCCESS { code = errno }
        if code != MDB_SUCCESS {
            unlink(file)
            rmdir(directory)
            throw LMDBFailure.failure(code, "copying", path: file)
        }
        try Self.synchronize(directory: directory)
    }

    /// The room the store takes on its disk, in bytes; 0 if it cannot be told.
    public var sizeOnDisk: UInt64 {
        var status = stat()
        guard stat(path + "/data.mdb", &status) == 0 else { return 0 }
        return UInt64(status.st_blocks) * 512
    }

    /// The room left on the disk for this process, in bytes; 0 if it cannot be told.
    public var freeBytesOnDisk: UInt64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return 0 }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }

    /// The bytes the store can still take: unused pages of its file, and what file system and map let the file grow.
    ///
    /// A file never shrinks, so that a store which was once large has room although its disk is full. It walks the list of
    /// unused pages: ask every few seconds, not every turn.
    public var room: UInt64 {
        var information = MDB_envinfo()
        var statistics = MDB_stat()
        guard mdb_env_info(environment, &information) == MDB_SUCCESS, mdb_env_stat(environment, &statistics) == MDB_SUCCESS
        else {
            return 0
        }
        let page = UInt64(statistics.ms_psize)
        let used = (UInt64(information.me_last_pgno) + 1) * page
        return unusedPages() * page + min(freeBytesOnDisk, mapSize > used ? mapSize - used : 0)
    }

    /// The number of pages in LMDB's list of free pages, its database 0: each record begins with its number of pages.
    private func unusedPages() -> UInt64 {
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
            if value.mv_size >= MemoryLayout<UInt>.size, let data = value.mv_data {
                pages += UInt64(data.loadUnaligned(as: UInt.self))
            }
        }
        return pages
    }
}
