internal import CLMDB
import Glibc
import MartletStore
import Synchronization

/// The files of one store, open: a directory with `data.mdb`, LMDB's own `lock.mdb` and our `lock`.
///
/// It is shared by the ``LMDBStore`` of the site's thread and by those that only read: queries on reader threads, the hot
/// copy, the measurement of room. It closes with its last owner.
public final class LMDBEnvironment: Sendable {
    /// The address space taken for the data unless another size is asked for. It is sparse: no memory, no disk.
    public static let defaultMapSize: UInt64 = 256 << 30

    /// What the map has beyond the size that is allowed, at most: what frees pages needs some first, so the end of the map is never met.
    static let headroom: UInt64 = 256 << 20

    /// Below this a store is not worth opening.
    static let leastMapSize: UInt64 = 1 << 30

    /// The directory of the store.
    public let path: String

    /// The size in bytes beyond which nothing is admitted that makes the store grow. The map is somewhat larger (``headroom``).
    public let mapSize: UInt64

    /// The bytes behind the used part of the file that are taken from the disk before they are needed: ``look()`` sees to it.
    let ahead: UInt64
    /// Up to where blocks were taken by this process.
    let allocatedEnd = Atomic<UInt64>(0)

    // SAFETY: an MDB_env may be used from any thread (with MDB_NOTLS also its read transactions); the pointer never changes.
    nonisolated(unsafe) let environment: OpaquePointer
    /// Indexed by the table's number; ``noDatabase`` for a table that was not named at opening.
    let databases: [MDB_dbi]
    /// What follows when a transaction cannot go on, which nobody can handle: the end of the process.
    let failed: @Sendable (StoreFailure) -> Never
    /// `nil` where it is only read: the site may be running.
    private let lock: StoreLock?

    static let noDatabase = MDB_dbi.max

    /// Opens or creates the store in the directory `path`, with these tables.
    ///
    /// If the system refuses a map of `mapSize` bytes, half of it is tried, and so on down to 1 GiB.
    init(
        path: String, mapSize: UInt64, ahead: UInt64, tables: [Table], failed: @escaping @Sendable (StoreFailure) -> Never
    ) throws(StoreFailure) {
        self.failed = failed
        self.ahead = ahead
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

    /// Opens the store in the directory `path` for reading only, while its site runs or not; `tables` that it does not have are empty.
    public init(reading path: String, tables: [Table], failed: @escaping @Sendable (StoreFailure) -> Never) throws(StoreFailure)
    {
        self.failed = failed
        ahead = 0
        lock = nil
        var created: OpaquePointer?
        var code = mdb_env_create(&created)
        guard let environment = created else { throw LMDBFailure.failure(code, "opening", path: path) }
        do throws(StoreFailure) {
            code = mdb_env_set_maxdbs(environment, MDB_dbi(max(tables.count, 1)))
            if code == MDB_SUCCESS { code = mdb_env_open(environment, path, UInt32(MDB_NOTLS | MDB_RDONLY), 0o600) }
            if code != MDB_SUCCESS { throw LMDBFailure.failure(code, "opening", path: path) }
            try Self.checkLength(environment, path, isOurs: false)
            databases = try Self.openDatabases(environment, path, tables, isReadOnly: true)
        } catch {
            mdb_env_close(environment)
            throw error
        }
        self.environment = environment
        self.path = path
        mapSize = 0
    }

    /// The tables that the store has, of those that were named when it was opened.
    public func tables(among tables: [Table]) -> [Table] {
        tables.filter { databases[Int($0.rawValue)] != Self.noDatabase }
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
            if code == MDB_SUCCESS { code = mdb_env_set_mapsize(environment, Int(clamping: size + min(headroom, size / 8))) }
            // The flags are the durable ones. MDB_NOTLS ties read transactions to their handle instead of to a thread.
            if code == MDB_SUCCESS { code = mdb_env_open(environment, path, UInt32(MDB_NOTLS), 0o600) }
            if code == MDB_SUCCESS { code = makeHeadroom(environment) }
            if code == MDB_SUCCESS {
                mdb_env_set_assert(environment) { _, words in LMDBFailure.endOfDamaged(words) }
                do throws(StoreFailure) { try checkLength(environment, path, isOurs: true) } catch {
                    mdb_env_close(environment)
                    throw error
                }
                return (environment, size)
            }
            mdb_env_close(environment)
            if code != ENOMEM { throw LMDBFailure.failure(code, "opening", path: path) }
            if size <= leastMapSize { throw .mapRefused(bytes: size) }
            size /= 2
        }
    }

    /// A store that is as large as its map, since a smaller one is allowed now, gets what it needs to free pages.
    private static func makeHeadroom(_ environment: OpaquePointer) -> Int32 {
        var information = MDB_envinfo()
        var statistics = MDB_stat()
        mdb_env_info(environment, &information)
        mdb_env_stat(environment, &statistics)
        let used = (information.me_last_pgno + 1) * Int(statistics.ms_psize)
        let needed = used + Int(min(headroom, UInt64(used) / 8 + 1 << 20))
        return information.me_mapsize < needed ? mdb_env_set_mapsize(environment, needed) : MDB_SUCCESS
    }

    private static func openDatabases(
        _ environment: OpaquePointer, _ path: String, _ tables: [Table], isReadOnly: Bool = false
    ) throws(StoreFailure) -> [MDB_dbi] {
        var databases = [MDB_dbi](repeating: noDatabase, count: 256)
        var transaction: OpaquePointer?
        var code = mdb_txn_begin(environment, nil, isReadOnly ? UInt32(MDB_RDONLY) : 0, &transaction)
        if code != MDB_SUCCESS { throw LMDBFailure.failure(code, "opening the tables", path: path) }
        for table in tables where code == MDB_SUCCESS {
            let index = Int(table.rawValue)
            code = mdb_dbi_open(transaction, table.databaseName, isReadOnly ? 0 : UInt32(MDB_CREATE), &databases[index])
            if isReadOnly, code == MDB_NOTFOUND {
                databases[index] = noDatabase
                code = MDB_SUCCESS
            }
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
