import MartletPrimitives
internal import CLMDB
import MartletStore

/// A transaction of LMDB with one cursor per table, kept because most accesses are near the one before.
///
/// An error within it cannot be handled (the map or the disk is full, a page is damaged): ``LMDBEnvironment/failed`` ends the
/// process with LMDB's words.
final class LMDBTransaction: KeyValueTransaction {
    private let environment: LMDBEnvironment
    private let isReadOnly: Bool
    /// `nil` before the first access of a writing transaction: a batch that neither reads nor writes costs nothing.
    private var transaction: OpaquePointer?
    private var isOver = false
    /// Indexed by the table's number, grown on demand. The end of a write transaction frees its cursors, not that of a
    /// reading one.
    private var cursors: [OpaquePointer?] = []
    /// How many `readEach`, `read` and `readLastKey` are running.
    private var iterations = 0
    private(set) var writes = 0
    private var total = WriteTotal()
    /// Rows that were read or looked for.
    private var reads = 0
    var touched: Int { reads + writes }

    init(_ environment: LMDBEnvironment, isReadOnly: Bool) {
        self.environment = environment
        self.isReadOnly = isReadOnly
        // What a reader sees is what was committed by now.
        if isReadOnly { _ = begun() }
    }

    var bytesWritten: Int { total.bytes }

    /// Ends the transaction; returns LMDB's code.
    func commit() -> Int32 {
        guard let ended = end() else { return MDB_SUCCESS }
        return mdb_txn_commit(ended)
    }

    func abort() {
        if let ended = end() { mdb_txn_abort(ended) }
    }

    private func begun() -> OpaquePointer {
        if let transaction { return transaction }
        require(!isOver, "use of a transaction that is over")
        let code = mdb_txn_begin(environment.environment, nil, isReadOnly ? UInt32(MDB_RDONLY) : 0, &transaction)
        guard code == MDB_SUCCESS, let transaction else {
            environment.failed(LMDBFailure.failure(code, "beginning a transaction", path: environment.path))
        }
        return transaction
    }

    /// What LMDB has to end, if anything was begun.
    private func end() -> OpaquePointer? {
        require(iterations == 0, "the end of a transaction within readEach or read")
        require(!isOver, "use of a transaction that is over")
        isOver = true
        guard let ended = transaction else { return nil }
        if isReadOnly {
            for cursor in cursors where cursor != nil { mdb_cursor_close(cursor) }
        }
        cursors.removeAll()
        transaction = nil
        return ended
    }

    func read(_ table: Table, _ key: Span<UInt8>, _ body: (_ value: Span<UInt8>) -> Void) -> Bool {
        check(key.count)
        return seek(cursor(table), table, key, MDB_SET) { _, value in show(value, body) } != nil
    }

    func put(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>) {
        total.put(value: value.count)
        write(table, key, value, flags: 0)
    }

    func append(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>) {
        total.append(key: key.count, value: value.count)
        write(table, key, value, flags: UInt32(MDB_APPEND))
    }

    @discardableResult
    func delete(_ table: Table, _ key: Span<UInt8>) -> Bool {
        countWrite(key.count)
        total.delete()
        let cursor = cursor(table)
        guard seek(cursor, table, key, MDB_SET, { _, _ in true }) != nil else { return false }
        succeed(mdb_cursor_del(cursor, 0), "deleting", table)
        return true
    }

    func delete(_ table: Table, _ key: Span<UInt8>, where body: (_ value: Span<UInt8>) -> Bool) -> Bool? {
        check(key.count)
        let cursor = cursor(table)
        guard let isWanted = seek(cursor, table, key, MDB_SET, { _, value in holds(body, for: value) }) else { return nil }
        guard isWanted else { return false }
        countWrite(key.count)
        total.delete()
        succeed(mdb_cursor_del(cursor, 0), "deleting", table)
        return true
    }

    func firstEntry(_ table: Table, atOrAfter key: [UInt8]) -> KeyValueEntry? {
        checkBound(key.count)
        if key.isEmpty { return step(cursor(table), table, MDB_FIRST) }
        return seek(cursor(table), table, key.span, MDB_SET_RANGE, Self.entry)
    }

    func lastEntry(_ table: Table, before key: [UInt8]) -> KeyValueEntry? {
        checkBound(key.count)
        if key.isEmpty { return nil }
        let cursor = cursor(table)
        let isPlaced = seek(cursor, table, key.span, MDB_SET_RANGE) { _, _ in true } != nil
        return step(cursor, table, isPlaced ? MDB_PREV : MDB_LAST)
    }

    func lastEntry(_ table: Table) -> KeyValueEntry? {
        step(cursor(table), table, MDB_LAST)
    }

    func readLastKey(_ table: Table, _ body: (_ key: Span<UInt8>) -> Void) -> Bool {
        reads += 1
        var key = MDB_val()
        var value = MDB_val()
        let code = mdb_cursor_get(cursor(table), &key, &value, MDB_LAST)
        if code == MDB_NOTFOUND { return false }
        succeed(code, "reading", table)
        show(key, body)
        return true
    }

    func readEach(_ table: Table, prefix: Span<UInt8>, _ body: (_ key: Span<UInt8>, _ value: Span<UInt8>) -> Bool) {
        checkBound(prefix.count)
        // A cursor of its own, because the body may read from the same table.
        let cursor = openCursor(table)
        iterations += 1
        defer {
            iterations -= 1
            mdb_cursor_close(cursor)
        }
        func visit(_ key: MDB_val, _ value: MDB_val) -> Bool {
            var goesOn = false
            show(key) { key in
                guard key.starts(with: prefix) else { return }
                show(value) { goesOn = body(key, $0) }
            }
            return goesOn
        }
        var goesOn: Bool? =
            prefix.isEmpty
            ? step(cursor, table, MDB_FIRST, visit) : seek(cursor, table, prefix, MDB_SET_RANGE, visit)
        while goesOn == true { goesOn = step(cursor, table, MDB_NEXT, visit) }
    }

    private func write(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>, flags: UInt32) {
        countWrite(key.count)
        let cursor = cursor(table)
        let code = key.withUnsafeBytes { keyBytes in
            value.withUnsafeBytes { valueBytes in
                var key = Self.value(keyBytes)
                var value = Self.value(valueBytes)
                return mdb_cursor_put(cursor, &key, &value, flags)
            }
        }
        require(code != MDB_KEYEXIST, "append to \(table.databaseName): the key is not the greatest")
        succeed(code, "writing", table)
    }

    /// Places the cursor by a key and gives what it found there to `body`; `nil` if there is nothing.
    private func seek<Result>(
        _ cursor: OpaquePointer, _ table: Table, _ key: Span<UInt8>, _ operation: MDB_cursor_op,
        _ body: (MDB_val, MDB_val) -> Result
    ) -> Result? {
        reads += 1
        return key.withUnsafeBytes { keyBytes in
            var key = Self.value(keyBytes)
            var value = MDB_val()
            let code = mdb_cursor_get(cursor, &key, &value, operation)
            if code == MDB_NOTFOUND { return nil }
            succeed(code, "reading", table)
            return body(key, value)
        }
    }

    /// Moves the cursor and gives the row it came to.
    private func step(_ cursor: OpaquePointer, _ table: Table, _ operation: MDB_cursor_op) -> KeyValueEntry? {
        step(cursor, table, operation, Self.entry)
    }

    /// Moves the cursor and gives what it came to to `body`; `nil` if there is nothing.
    private func step<Result>(
        _ cursor: OpaquePointer, _ table: Table, _ operation: MDB_cursor_op, _ body: (MDB_val, MDB_val) -> Result
    ) -> Result? {
        reads += 1
        var key = MDB_val()
        var value = MDB_val()
        let code = mdb_cursor_get(cursor, &key, &value, operation)
        if code == MDB_NOTFOUND { return nil }
        succeed(code, "reading", table)
        return body(key, value)
    }

    private func cursor(_ table: Table) -> OpaquePointer {
        let index = Int(table.rawValue)
        if index < cursors.count, let cursor = cursors[index] { return cursor }
        while cursors.count <= index { cursors.append(nil) }
        let cursor = openCursor(table)
        cursors[index] = cursor
        return cursor
    }

    private func openCursor(_ table: Table) -> OpaquePointer {
        let transaction = begun()
        let database = environment.databases[Int(table.rawValue)]
        require(
            database != LMDBEnvironment.noDatabase, "table \(table.databaseName) was not named when the store was opened")
        var opened: OpaquePointer?
        succeed(mdb_cursor_open(transaction, database, &opened), "opening a cursor", table)
        guard let cursor = opened else { ourFault("no cursor for \(table.databaseName)") }
        return cursor
    }

    private func countWrite(_ keyBytes: Int) {
        check(keyBytes)
        require(!isReadOnly, "a write in a reading transaction")
        require(iterations == 0, "a write within readEach or read")
        writes += 1
    }

    private func check(_ keyBytes: Int) {
        require(keyBytes > 0, "an empty key")
        checkBound(keyBytes)
    }

    private func checkBound(_ keyBytes: Int) {
        require(keyBytes <= KeyValueLimits.keyBytes, "a key of \(keyBytes) bytes")
    }

    private func succeed(_ code: Int32, _ operation: String, _ table: Table) {
        guard code != MDB_SUCCESS else { return }
        environment.failed(LMDBFailure.failure(code, "\(operation) \(table.databaseName)", path: environment.path))
    }

    // SAFETY: LMDB does not change what a key or a value to be written points to, and is done with it when it returns.
    private static func value(_ bytes: UnsafeRawBufferPointer) -> MDB_val {
        MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }

    // SAFETY: what LMDB points to is valid until the next write of the transaction; it is copied at once.
    private static func bytes(_ value: MDB_val) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size))
    }

    // SAFETY: what LMDB points to is valid until the next write of the transaction: `body` cannot keep the span, and a write within
    // it ends the process.
    private func show(_ value: MDB_val, _ body: (Span<UInt8>) -> Void) {
        iterations += 1
        defer { iterations -= 1 }
        let bytes = UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
        bytes.withMemoryRebound(to: UInt8.self) { body($0.span) }
    }

    private func holds(_ body: (Span<UInt8>) -> Bool, for value: MDB_val) -> Bool {
        var holds = false
        show(value) { holds = body($0) }
        return holds
    }

    private static func entry(_ key: MDB_val, _ value: MDB_val) -> KeyValueEntry {
        KeyValueEntry(key: bytes(key), value: bytes(value))
    }
}
