import MartletPrimitives

/// The write transaction of a ``MemoryStore``: writes go to the tables at once and are noted for being undone.
final class MemoryStoreTransaction: KeyValueTransaction {
    private let store: MemoryStore
    private(set) var writes = 0
    private var total = WriteTotal()
    /// Rows that were read or looked for, counted as the real one counts them.
    private var reads = 0
    var touched: Int { reads + writes }
    var isOpen = true
    /// How many `readEach`, `read` and `readLastKey` are running.
    private var iterations = 0

    init(_ store: MemoryStore) {
        self.store = store
    }

    var bytesWritten: Int { total.bytes }

    func read(_ table: Table, _ key: Span<UInt8>, _ body: (_ value: Span<UInt8>) -> Void) -> Bool {
        reads += 1
        let key = Array(key)
        check(key)
        guard let value = rows(table).value(of: key) else { return false }
        iterations += 1
        defer { iterations -= 1 }
        body(value.span)
        return true
    }

    func put(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>) {
        let (key, value) = (Array(key), Array(value))
        countWrite(key)
        total.put(value: value.count)
        let replaced = store.state.tables[Int(table.rawValue)].put(key, value)
        note(table, key, replaced: replaced, bytes: value.count - (replaced?.count ?? -key.count))
    }

    func append(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>) {
        let (key, value) = (Array(key), Array(value))
        countWrite(key)
        total.append(key: key.count, value: value.count)
        if let last = rows(table).last {
            require(
                last.key.lexicographicallyPrecedes(key), "append to \(table.databaseName): the key is not the greatest")
        }
        store.state.tables[Int(table.rawValue)].append(key, value)
        note(table, key, replaced: nil, bytes: key.count + value.count)
    }

    @discardableResult
    func delete(_ table: Table, _ key: Span<UInt8>) -> Bool {
        let key = Array(key)
        countWrite(key)
        total.delete()
        reads += 1
        guard let removed = store.state.tables[Int(table.rawValue)].remove(key) else { return false }
        note(table, key, replaced: removed, bytes: -key.count - removed.count)
        return true
    }

    func firstEntry(_ table: Table, atOrAfter key: [UInt8]) -> KeyValueEntry? {
        checkBound(key)
        reads += 1
        let rows = rows(table)
        return entry(rows.row(at: rows.lowerBound(key)))
    }

    func lastEntry(_ table: Table, before key: [UInt8]) -> KeyValueEntry? {
        checkBound(key)
        reads += 2
        let rows = rows(table)
        return entry(rows.row(before: rows.lowerBound(key)))
    }

    func lastEntry(_ table: Table) -> KeyValueEntry? {
        require(isOpen, "use of a transaction that is over")
        reads += 1
        return entry(rows(table).last)
    }

    func readLastKey(_ table: Table, _ body: (_ key: Span<UInt8>) -> Void) -> Bool {
        guard let last = lastEntry(table) else { return false }
        iterations += 1
        defer { iterations -= 1 }
        body(last.key.span)
        return true
    }

    func readEach(_ table: Table, prefix: Span<UInt8>, _ body: (_ key: Span<UInt8>, _ value: Span<UInt8>) -> Bool) {
        let prefix = Array(prefix)
        checkBound(prefix)
        reads += 1
        iterations += 1
        defer { iterations -= 1 }
        let rows = rows(table)
        var position = rows.lowerBound(prefix)
        while let row = rows.row(at: position), row.key.starts(with: prefix) {
            reads += 1
            guard body(row.key.span, row.value.span) else { return }
            position = rows.position(after: position)
        }
    }

    private func rows(_ table: Table) -> MemoryStoreRows { store.state.tables[Int(table.rawValue)] }

    private func entry(_ row: MemoryStoreRows.Row?) -> KeyValueEntry? {
        row.map { KeyValueEntry(key: $0.key, value: $0.value) }
    }

    private func note(_ table: Table, _ key: [UInt8], replaced: [UInt8]?, bytes: Int) {
        store.undo.append(MemoryStore.Undo(table: table, key: key, value: replaced))
        store.state.bytes += bytes
    }

    private func countWrite(_ key: [UInt8]) {
        check(key)
        require(iterations == 0, "a write within readEach or read")
        writes += 1
    }

    private func check(_ key: [UInt8]) {
        require(!key.isEmpty, "an empty key")
        checkBound(key)
    }

    private func checkBound(_ key: [UInt8]) {
        require(isOpen, "use of a transaction that is over")
        require(key.count <= KeyValueLimits.keyBytes, "a key of \(key.count) bytes")
    }
}
