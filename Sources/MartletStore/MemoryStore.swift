import MartletPrimitives

/// The simulated twin of the store on disk: the same rules and the same order of rows, in memory, with the ways in which
/// a disk can betray a server.
///
/// The simulator owns one per site; it survives the crashes of the site it belongs to.
public final class MemoryStore: KeyValueStore {
    /// A copy of the committed state, sharing memory with the store until either changes.
    public struct Snapshot: Equatable, Sendable {
        fileprivate let state: State
    }

    struct State: Equatable, Sendable {
        /// Indexed by the table's number.
        var tables: [MemoryStoreRows] = Array(repeating: MemoryStoreRows(), count: 256)
        /// Bytes of all keys and values.
        var bytes = 0
    }

    /// What a write replaced.
    struct Undo {
        let table: Table
        let key: [UInt8]
        /// `nil`: there was no row.
        let value: [UInt8]?
    }

    /// The next commit throws this, once, and forgets the transaction.
    public var nextCommitFailure: StoreFailure?

    /// How many bytes there is room for: a commit that leaves more fails, as on a disk that is full.
    public var capacity = Int.max

    /// Commits that had something to write, since the store was made.
    public private(set) var commits = 0

    var state = State()
    /// Of the open transaction, oldest first.
    var undo: [Undo] = []
    private var open: MemoryStoreTransaction?
    /// Of the last commit that had something to write.
    private var lastCommit: [Undo] = []

    /// An empty store.
    public init() {}

    /// A store with the rows of a snapshot.
    public init(_ snapshot: Snapshot) {
        state = snapshot.state
    }

    /// Bytes of all keys and values, those of the open transaction included.
    public var bytes: Int { state.bytes }

    /// The rows of a table, those of the open transaction included.
    public func count(_ table: Table) -> Int { state.tables[Int(table.rawValue)].count }

    /// Begins the write transaction.
    public func begin() -> any KeyValueTransaction {
        require(open == nil, "a transaction is already open")
        let transaction = MemoryStoreTransaction(self)
        open = transaction
        return transaction
    }

    /// Keeps the writes of the open transaction, or throws ``nextCommitFailure`` or that ``capacity`` is exceeded.
    public func commit() throws(StoreFailure) {
        if let failure = nextCommitFailure ?? (state.bytes > capacity && !undo.isEmpty ? .diskFull(path: "memory") : nil) {
            nextCommitFailure = nil
            abort()
            throw failure
        }
        end("commit")
        keep()
    }

    /// Forgets the open transaction.
    public func abort() {
        end("abort")
        Self.revert(&undo, in: &state)
    }

    /// The process dies: an open transaction is gone, what was committed stays.
    public func crash() {
        if open != nil { abort() }
    }

    /// The process dies within `commit()`: the open transaction is there whole, or not at all, and nobody was told which.
    public func crashDuringCommit(survives: Bool) {
        end("crash during commit")
        if survives { keep() } else { Self.revert(&undo, in: &state) }
    }

    /// The machine dies and its disk had only pretended to write the last commit: as LMDB falls back to the page before,
    /// the last commit is gone whole. This breaks what commit promises: it is a rollback that the peers must notice.
    public func crashLosingLastCommit() {
        crash()
        Self.revert(&lastCommit, in: &state)
    }

    /// The committed state. There must be no open transaction.
    public func snapshot() -> Snapshot {
        require(open == nil, "a snapshot within a transaction")
        return Snapshot(state: state)
    }

    /// Replaces everything by an earlier state: a backup that was restored. There must be no open transaction.
    public func restore(_ snapshot: Snapshot) {
        require(open == nil, "a restore within a transaction")
        state = snapshot.state
        lastCommit.removeAll()
    }

    private func end(_ what: String) {
        guard let transaction = open else { ourFault("\(what) without an open transaction") }
        transaction.isOpen = false
        open = nil
    }

    private func keep() {
        if undo.isEmpty { return }
        commits += 1
        swap(&lastCommit, &undo)
        undo.removeAll(keepingCapacity: true)
    }

    private static func revert(_ undo: inout [Undo], in state: inout State) {
        while let step = undo.popLast() {
            let table = Int(step.table.rawValue)
            if let value = step.value {
                let replaced = state.tables[table].put(step.key, value)
                state.bytes += value.count - (replaced?.count ?? -step.key.count)
            } else if let removed = state.tables[table].remove(step.key) {
                state.bytes -= step.key.count + removed.count
            }
        }
    }
}
