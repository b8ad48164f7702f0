import MartletPrimitives

/// Brings a store that an earlier version has written to ``MetaTable/schemaVersion``, before anything else reads it.
///
/// It goes in slices, each a transaction of its own: a log of a million rows neither fills the memory nor the disk. A process that
/// dies in between leaves a store that says so (``MetaTable/Name/migration``), and the next start goes on: rows of the log are
/// moved to another table, the front ones first, so that where a row stands says how it is written, and the other rows say it in
/// their first byte (``StanzaCoding``). One transaction for all would hold every page that it changes in memory until its end. Moved
/// rows fill their pages, while rows that grow where they stand split one page in seven, and the file never shrinks again.
///
/// **From 1 to 2:** the traits of a stanza get 32 bits, and a row of the log begins with a byte about its holders. Stanzas stand in
/// the log, in requests for a subscription and in the presence of sessions.
///
/// **From 2 to 3:** rows of lanes, of what we have of the peers' lanes, of peers and of mailboxes may have more behind what they had,
/// which is missing in old ones. Nothing is written anew: the number keeps earlier versions away, which would misread such rows.
public enum StoreMigration {
    /// What was done.
    public struct Outcome: Sendable, Equatable {
        /// The schema that the store had.
        public var schema: UInt32
        /// Rows that were written anew by this process.
        public var rows: Int

        /// Those rows, from that schema.
        public init(schema: UInt32, rows: Int) {
            self.schema = schema
            self.rows = rows
        }
    }

    /// How much one transaction writes anew: some thousand pages of memory.
    struct Slice {
        /// Rows.
        var rows = 10_000
        /// Bytes of their values.
        var bytes = 4 << 20
    }

    /// Throws ``StoreFailure/newerVersion(detail:)`` if a later version has written the store. Changes nothing.
    public static func check(_ store: any KeyValueStore) throws(StoreFailure) {
        let transaction = store.begin()
        defer { store.abort() }
        try check(transaction)
    }

    /// Whether a store has rows and needs no migration: what else begins with writing.
    public static func isCurrent(_ store: any KeyValueStore) -> Bool {
        let transaction = store.begin()
        defer { store.abort() }
        return MetaTable.schema(in: transaction) == MetaTable.schemaVersion
            && MetaTable.number(.migration, in: transaction) == nil
    }

    /// Migrates a store that needs it; nil if it is new or as it should be.
    @discardableResult
    public static func run(_ store: any KeyValueStore) throws(StoreFailure) -> Outcome? { try run(store, Slice()) }

    /// The same with slices of that size, `limit` of them: for a process that dies in between.
    static func run(_ store: any KeyValueStore, _ slice: Slice, limit: Int = .max) throws(StoreFailure) -> Outcome? {
        guard let schema = try begin(store) else { return nil }
        if schema == 2 { return Outcome(schema: schema, rows: 0) }
        var state = State(slice: slice)
        for _ in 0..<limit {
            let transaction = store.begin()
            let isDone = state.goOn(transaction)
            if isDone {
                MetaTable.remove(.migration, in: transaction)
                // A version between may have begun it.
                MetaTable.setSchema(MetaTable.schemaVersion, in: transaction)
            }
            try store.commit()
            if isDone { break }
        }
        return Outcome(schema: schema, rows: state.rows)
    }

    private static func check(_ transaction: some KeyValueTransaction) throws(StoreFailure) {
        guard let schema = MetaTable.schema(in: transaction), schema > MetaTable.schemaVersion else { return }
        throw .newerVersion(
            detail: "its format is schema \(schema), this version knows schema \(MetaTable.schemaVersion) and those before; "
                + "install the version that was here last, or restore a backup from before its first start")
    }

    /// The schema from which there is something to do, noted in the store; nil if there is nothing.
    private static func begin(_ store: any KeyValueStore) throws(StoreFailure) -> UInt32? {
        let transaction = store.begin()
        do throws(StoreFailure) { try check(transaction) } catch {
            store.abort()
            throw error
        }
        let begun = MetaTable.number(.migration, in: transaction).map { UInt32(clamping: $0) }
        if let begun {
            store.abort()
            return begun
        }
        guard let schema = MetaTable.schema(in: transaction), schema < MetaTable.schemaVersion else {
            store.abort()
            return nil
        }
        // First of all: who knows the old schema alone is to stop here.
        MetaTable.setSchema(MetaTable.schemaVersion, in: transaction)
        if schema == 1 { MetaTable.set(.migration, Int64(schema), in: transaction) }
        try store.commit()
        return schema
    }
}

/// How far a migration has come in this process.
private struct State {
    let slice: StoreMigration.Slice
    var rows = 0
    /// The table that is gone through next, and from where on.
    private var table = 0
    private var next: [UInt8] = []

    /// The other tables with rows that are stanzas, and the last byte of a key by which such a row is told from others.
    private static let tables: [(table: Table, part: UInt8?)] = [(.pendingSubscription, nil), (.clientSession, 2)]

    init(slice: StoreMigration.Slice) { self.slice = slice }

    /// One slice; true if nothing is left.
    mutating func goOn(_ store: any KeyValueTransaction) -> Bool {
        var left = slice
        while left.rows > 0, left.bytes > 0 {
            guard let bytes = moveFirst(store) ?? changeNext(store) else { return true }
            left.rows -= 1
            left.bytes -= bytes
        }
        return false
    }

    /// Moves the first row of the old log; nil if it is empty, else the bytes moved.
    private mutating func moveFirst(_ store: any KeyValueTransaction) -> Int? {
        guard let entry = store.firstEntry(.logOfSchema1, atOrAfter: []) else { return nil }
        store.append(.log, entry.key, [StanzaLog.alone] + Self.widened(entry.value, stanzaAt: 16))
        store.delete(.logOfSchema1, entry.key)
        rows += 1
        return entry.value.count
    }

    /// Writes the next stanza of the other tables anew where it stands; nil if there is none, else the bytes looked at.
    private mutating func changeNext(_ store: any KeyValueTransaction) -> Int? {
        while table < Self.tables.count {
            let (current, part) = Self.tables[table]
            guard let entry = store.firstEntry(current, atOrAfter: next) else {
                table += 1
                next = []
                continue
            }
            next = entry.key + [0]
            if part == nil || entry.key.last == part, entry.value[0] & 0xF0 != StanzaCoding.mark {
                store.put(current, entry.key, Self.widened(entry.value, stanzaAt: 0))
                rows += 1
            }
            return entry.value.count
        }
        return nil
    }

    /// A row with a stanza of schema 1 that begins there, in schema 2: the mark beside its kind, and four bytes of traits instead
    /// of one, the highest first.
    private static func widened(_ row: [UInt8], stanzaAt start: Int) -> [UInt8] {
        require(row.count > start + 1 && row[start] < 3, "a stanza of schema 1 begins with \(row[start])")
        var wide: [UInt8] = []
        wide.reserveCapacity(row.count + 3)
        wide += row[..<start]
        wide += [StanzaCoding.mark | row[start], 0, 0, 0]
        wide += row[(start + 1)...]
        return wide
    }
}
