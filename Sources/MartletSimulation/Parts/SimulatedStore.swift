import MartletStore
import XMPPStanzas

/// A store in memory whose process can die within a commit, and whose committed rows the checkers can read at any time.
final class SimulatedStore: KeyValueStore {
    /// Where the process dies next.
    enum CrashPoint {
        case beforeCommit
        case afterCommit
    }

    /// A backup.
    struct Backup {
        fileprivate let rows: MemoryStore.Snapshot
        fileprivate let committed: CommittedRows
        fileprivate let known: Set<String>
    }

    let memory = MemoryStore()
    var crashPoint: CrashPoint?
    /// What the checkers may look at.
    private(set) var committed = CommittedRows()
    /// The messages that this store ever took over, by their ids.
    private(set) var known: Set<String> = []
    /// Lanes whose rows were committed since the list was taken.
    var changedLanes: [LaneID] = []
    /// The process has died in a commit and does not know it: only where the mutation lets effects out nevertheless.
    private(set) var hasDiedUnnoticed = false
    let mutation: Mutation?
    fileprivate var pending: [(table: Table, key: [UInt8], value: [UInt8]?)] = []
    fileprivate var logged: [UInt64] = []
    fileprivate var deferred: [(key: [UInt8], value: [UInt8])] = []

    init(mutation: Mutation?) {
        self.mutation = mutation
    }

    func begin() -> any KeyValueTransaction {
        let transaction = RecordingTransaction(memory.begin(), self)
        let late = deferred
        deferred = []
        for row in late { transaction.putNow(.have, row.key, row.value) }
        return transaction
    }

    func commit() throws(StoreFailure) {
        switch crashPoint {
        case nil:
            try memory.commit()
            keep()
        case .beforeCommit:
            memory.crashDuringCommit(survives: false)
            pending.removeAll()
            logged.removeAll()
            if mutation == .ackBeforeCommit {
                hasDiedUnnoticed = true
                return
            }
            throw .failed(operation: "commit", detail: "the process died before it")
        case .afterCommit:
            memory.crashDuringCommit(survives: true)
            keep()
            throw .failed(operation: "commit", detail: "the process died after it")
        }
    }

    func abort() {
        memory.abort()
        pending.removeAll()
        logged.removeAll()
    }

    /// The process is gone.
    func crash() {
        memory.crash()
        pending.removeAll()
        logged.removeAll()
        deferred.removeAll()
        crashPoint = nil
        hasDiedUnnoticed = false
    }

    /// Takes a backup. There must be no open transaction.
    func backup() -> Backup { Backup(rows: memory.snapshot(), committed: committed, known: known) }

    /// Puts a backup back.
    func restore(_ backup: Backup) {
        memory.restore(backup.rows)
        committed = backup.committed
        known = backup.known
        // What was committed and not looked at yet may be of a lane that the backup does not have.
        changedLanes = []
    }

    /// The messages that stand in its log, by their ids: they wait for somebody, or are kept. There must be no open transaction.
    func loggedMessages() -> Set<String> {
        let transaction = memory.begin()
        defer { memory.abort() }
        var sequences: [UInt64] = []
        transaction.forEach(.log, prefix: []) { key, _ in
            sequences.append(key.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
            return true
        }
        return Set(sequences.compactMap { Self.message($0, transaction) })
    }

    private static func message(_ sequence: UInt64, _ transaction: any KeyValueTransaction) -> String? {
        guard let stanza = StanzaLog.stanza(sequence, in: transaction)?.stanza, stanza.kind == .message, !stanza.isError else {
            return nil
        }
        return stanza.id
    }

    private func noteKnown() {
        guard !logged.isEmpty else { return }
        let transaction = memory.begin()
        for sequence in logged { if let id = Self.message(sequence, transaction) { known.insert(id) } }
        memory.abort()
        logged.removeAll(keepingCapacity: true)
    }

    private func keep() {
        for (table, key, value) in pending {
            committed.set(table, key, value)
            if table == .lane, value != nil {
                let lane = LaneID(UInt32(key[0]) << 24 | UInt32(key[1]) << 16 | UInt32(key[2]) << 8 | UInt32(key[3]))
                if !changedLanes.contains(lane) { changedLanes.append(lane) }
            }
        }
        pending.removeAll(keepingCapacity: true)
        noteKnown()
    }
}

/// A transaction that notes what the checkers want to see.
private final class RecordingTransaction: KeyValueTransaction {
    private let inner: any KeyValueTransaction
    private let store: SimulatedStore

    init(_ inner: any KeyValueTransaction, _ store: SimulatedStore) {
        self.inner = inner
        self.store = store
    }

    var writes: Int { inner.writes }
    var bytesWritten: Int { inner.bytesWritten }
    var touched: Int { inner.touched }

    func read(_ table: Table, _ key: Span<UInt8>, _ body: (_ value: Span<UInt8>) -> Void) -> Bool {
        inner.read(table, key, body)
    }

    func put(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>) {
        if table == .have, store.mutation == .haveInAnotherTransaction {
            return store.deferred.append((Array(key), Array(value)))
        }
        if table == .archive, store.mutation == .archiveRowLost { return }
        putNow(table, Array(key), Array(value))
    }

    func putNow(_ table: Table, _ key: [UInt8], _ value: [UInt8]) {
        inner.put(table, key, value)
        if store.committed.watches(table) { store.pending.append((table, key, value)) }
    }

    func append(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>) {
        inner.append(table, key, value)
        if table == .log { store.logged.append((0..<key.count).reduce(UInt64(0)) { $0 << 8 | UInt64(key[$1]) }) }
        if store.committed.watches(table) { store.pending.append((table, Array(key), Array(value))) }
    }

    @discardableResult
    func delete(_ table: Table, _ key: Span<UInt8>) -> Bool {
        if store.committed.watches(table) { store.pending.append((table, Array(key), nil)) }
        return inner.delete(table, key)
    }

    func firstEntry(_ table: Table, atOrAfter key: [UInt8]) -> KeyValueEntry? { inner.firstEntry(table, atOrAfter: key) }
    func lastEntry(_ table: Table, before key: [UInt8]) -> KeyValueEntry? { inner.lastEntry(table, before: key) }
    func lastEntry(_ table: Table) -> KeyValueEntry? { inner.lastEntry(table) }
    func readLastKey(_ table: Table, _ body: (_ key: Span<UInt8>) -> Void) -> Bool { inner.readLastKey(table, body) }
    func readEach(_ table: Table, prefix: Span<UInt8>, _ body: (_ key: Span<UInt8>, _ value: Span<UInt8>) -> Bool) {
        inner.readEach(table, prefix: prefix, body)
    }
}
