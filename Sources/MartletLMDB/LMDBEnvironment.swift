internal import CLMDB
import Glibc
import MartletStore

/// The files of one store, open: a directory with `data.mdb`, LMDB's own `lock.mdb` and our `lock`.
///
/// It is shared by the ``LMDBStore`` of the site's thread and by those that only read: queries on reader threads, the hot
/// copy, the measurement of room. It closes with its last owner.
public final class LMDBEnvironment: Sendable {
    /// The address space taken for the data unless another size is asked for. It is sparse: no memory, no disk.
    public static let defaultMapSize: UInt64 = 256 << 30

    /// Below this a store is not worth opening.
    static let leastMapSize: UInt64 = 1 << 30

    /// The directory of the store.
    public let path: String

    /// The address space taken for the data, in bytes: the store cannot grow beyond it.
    public let mapSize: UInt64

    // SAFETY: an MDB_env may be used from any thread (with MDB_NOTLS also its read transactions); the pointer never changes.
    nonisolated(unsafe) let environment: OpaquePointer
    /// Indexed by the table's number; ``noDatabase`` for a table that was not named at opening.
    let databases: [MDB_dbi]
    /// What follows when a transaction cannot go on, which nobody can handle: the end of the process.
    let failed: @Sendable (StoreFailure) -> Never
    private let lock: StoreLock

    static let noDatabase = MDB_dbi.max

    /// Opens or creates the store in the directory `path`, with these tables.
    ///
    /// If the system refuses a map of `mapSize` bytes, half of it is tried, and so on down to 1 GiB.
    init(
        path: String, mapSize: UInt64, tables: [Table], failed: @escaping @Sendable (StoreFailure) -> Never
    ) throws(StoreFailure) {
        self.failed = failed
        try Self.makeDirectory(path)
        lock = try StoreLock(path: path + "/lock")
        let (environment, size) = try Self.open(path, mapSize: mapSize, tables: tables.count)
        do throws(StoreFailure) {
            var stale: Int32 = 0
            let code = mdb_reader_check(environment, &stale)
            if code != MDB_SUCCESS { throw LMDBFailure.failure(code, "checking the readers", path: path) }
            databases = try Self.openDatabases(environment, path, tables)
            try Self.synchronize(directory: path)
        } catch {
            mdb_env_close(environment)
            throw error
        }
        self.environment = environment
        self.path = path
        self.mapSize = size
    }

    deinit {
        mdb_env_close(environment)
    }

    private static func makeDirectory(_ path: String) throws(StoreFailure) {
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw LMDBFailure.failure(errno, "creating", path: path) }
    }

    private static func open(_ path: String, mapSize: UInt64, tables: Int) throws(StoreFailure) -> (OpaquePointer, UInt64) {
        var size = max(mapSize, 1 << 20)
        while true {
            var created: OpaquePointer?
            var code = mdb_env_create(&created)
            guard let environment = created else { throw LMDBFailure.failure(code, "opening", path: path) }
            code = mdb_env_set_maxdbs(environment, MDB_dbi(max(tables, 1)))
            if code == MDB_SUCCESS { code = mdb_env_set_mapsize(environment, Int(clamping: size)) }
            // The flags are the durable ones. MDB_NOTLS ties read transactions to their handle instead of to a thread.
            if code == MDB_SUCCESS { code = mdb_env_open(environment, path, UInt32(MDB_NOTLS), 0o600) }
            if code == MDB_SUCCESS { return (environment, size) }
            mdb_env_close(environment)
            if code != ENOMEM { throw LMDBFailure.failure(code, "opening", path: path) }
            if size <= leastMapSize { throw .mapRefused(bytes: size) }
            size /= 2
        }
    }

    private static func openDatabases(_ environment: OpaquePointer, _ path: String, _ tables: [Table]) throws(StoreFailure)
        -> [MDB_dbi]
    {
        var databases = [MDB_dbi](repeating: noDatabase, count: 256)
        var transaction: OpaquePointer?
        var code = mdb_txn_begin(environment, nil, 0, &transaction)
        if code != MDB_SUCCESS { throw LMDBFailure.failure(code, "opening the tables", path: path) }
        for table in tables where code == MDB_SUCCESS {
            code = mdb_dbi_open(transaction, table.databaseName, UInt32(MDB_CREATE), &databases[Int(table.rawValue)])
        }
        if code == MDB_SUCCESS { code = mdb_txn_commit(transaction) } else { mdb_txn_abort(transaction) }
        if code != MDB_SUCCESS { throw LMDBFailure.failure(code, "opening the tables", path: path) }
        return databases
    }

    /// Makes the names in a directory durable: LMDB synchronizes its files but not the entry that leads to them.
    static func synchronize(directory: String) throws(StoreFailure) {
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0 { throw LMDBFailure.failure(errno, "opening", path: directory) }
        let code = fsync(descriptor) == 0 ? 0 : errno
        close(descriptor)
        if code != 0 { throw LMDBFailure.failure(code, "synchronizing", path: directory) }
    }
}
