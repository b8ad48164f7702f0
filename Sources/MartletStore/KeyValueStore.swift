/// The durable state of a site: sorted tables, changed by one write transaction at a time, on one thread.
///
/// The runtime owns one and lives exactly as long as it. `MartletLMDB` has the real one, ``MemoryStore`` is its simulated
/// twin.
public protocol KeyValueStore: AnyObject {
    /// Begins the write transaction. There must be none open (a precondition).
    func begin() -> any KeyValueTransaction

    /// Makes the open transaction durable: when this returns, its writes survive the loss of power.
    ///
    /// After a failure the caller ends the process, because what is on disk is then unknown; the transaction is over
    /// either way.
    func commit() throws(StoreFailure)

    /// Forgets the open transaction. There must be one (a precondition).
    func abort()
}

/// Why a store cannot be opened or a transaction cannot be made durable. The description is for the operator.
public enum StoreFailure: Error, Equatable, Sendable {
    /// Another process has the store open; its process id, 0 if it cannot be told.
    case inUse(pid: Int32)
    /// The store was written by a version of the server or of LMDB newer than this one.
    case newerVersion(detail: String)
    /// The files belong to somebody else or their mode forbids access.
    case notPermitted(path: String)
    /// The file system has no room left.
    case diskFull(path: String)
    /// The map that the store was opened with is full.
    case mapFull(path: String)
    /// The address space or a limit of the process does not allow even the smallest map.
    case mapRefused(bytes: UInt64)
    /// What is on disk is not a store, or is damaged.
    case damaged(path: String, detail: String)
    /// Anything else, in the words of the operating system or of the library.
    case failed(operation: String, detail: String)
}

extension StoreFailure: CustomStringConvertible {
    /// One sentence for the log and the console.
    public var description: String {
        switch self {
        case .inUse(let pid) where pid > 0: "the store is in use by process \(pid)"
        case .inUse: "the store is in use by another process"
        case .newerVersion(let detail): "the store was written by a newer version: \(detail)"
        case .notPermitted(let path): "no permission to use \(path)"
        case .diskFull(let path): "no space left on the disk of \(path)"
        case .mapFull(let path): "the store in \(path) has grown to the size that limits.map_size allows"
        case .mapRefused(let bytes):
            "the operating system refuses a memory map of \(bytes >> 20) MiB: raise the address space limit (ulimit -v)"
        case .damaged(let path, let detail): "\(path) is not a store or is damaged: \(detail)"
        case .failed(let operation, let detail): "\(operation) failed: \(detail)"
        }
    }
}
