import MartletPrimitives
import MartletStore

internal import CLMDB

/// The store on disk: one LMDB environment, one database per table, every commit synchronized before it returns.
///
/// The runtime owns one and uses it on the site's thread only; ``environment`` may be given to other threads for reading.
public final class LMDBStore: KeyValueStore {
    /// The open files, for readers.
    public let environment: LMDBEnvironment

    private var open: LMDBTransaction?

    /// Opens or creates the store in the directory `path` with these tables. `ahead` bytes of the disk are taken before they are needed
    /// as often as its room is looked at. `failed` ends the process when a transaction cannot go on.
    ///
    /// - Throws: ``StoreFailure`` in words for the operator: in use by another process, no permission, no room, damaged,
    ///   written by a newer version, the map refused even at 1 GiB.
    public init(
        directory path: String, mapSize: UInt64 = LMDBEnvironment.defaultMapSize, ahead: UInt64 = 0, tables: [Table],
        failed: @escaping @Sendable (StoreFailure) -> Never = { ourFault("\($0)") }
    ) throws(StoreFailure) {
        environment = try LMDBEnvironment(
            path: path, mapSize: mapSize, ahead: ahead, tables: tables, failed: failed)
    }

    deinit {
        open?.abort()
    }

    /// Begins the write transaction.
    public func begin() -> any KeyValueTransaction {
        require(open == nil, "a transaction is already open")
        let transaction = LMDBTransaction(environment, isReadOnly: false)
        open = transaction
        return transaction
    }

    /// Makes the open transaction durable. One without writes costs nothing.
    public func commit() throws(StoreFailure) {
        let code = end("commit").commit()
        if code != MDB_SUCCESS { throw LMDBFailure.failure(code, "committing", path: environment.path) }
    }

    /// Forgets the open transaction.
    public func abort() {
        end("abort").abort()
    }

    /// The room the store takes on its disk, in bytes.
    public var sizeOnDisk: UInt64 { environment.sizeOnDisk }

    /// The room left on the disk for this process, in bytes.
    public var freeBytesOnDisk: UInt64 { environment.freeBytesOnDisk }

    /// Copies the last committed state into a new directory. Within a transaction it would wait for itself: there must be
    /// none open.
    public func copy(to directory: String, isCompacting: Bool = false) throws(StoreFailure) {
        require(open == nil, "a copy within a transaction")
        try environment.copy(to: directory, isCompacting: isCompacting)
    }

    private func end(_ what: String) -> LMDBTransaction {
        guard let transaction = open else { ourFault("\(what) without an open transaction") }
        open = nil
        return transaction
    }
}
