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
}
