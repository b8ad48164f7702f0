import MartletStore

/// A transaction that counts the rows it touches: what a turn costs, without a clock.
final class CountingTransaction: KeyValueTransaction {
    private let inner: any KeyValueTransaction
    /// Rows that were read, written or looked for.
    private(set) var touched = 0

    init(_ inner: any KeyValueTransaction) { self.inner = inner }

    var writes: Int { inner.writes }
    var bytesWritten: Int { inner.bytesWritten }

    func read(_ table: Table, _ key: Span<UInt8>, _ body: (_ value: Span<UInt8>) -> Void) -> Bool {
        touched += 1
        return inner.read(table, key, body)
    }
    func put(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>) {
        touched += 1
        inner.put(table, key, value)
    }
    func append(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>) {
        touched += 1
        inner.append(table, key, value)
    }
    @discardableResult
    func delete(_ table: Table, _ key: Span<UInt8>) -> Bool {
        touched += 1
        return inner.delete(table, key)
    }
    func firstEntry(_ table: Table, atOrAfter key: [UInt8]) -> KeyValueEntry? {
        counted { $0.firstEntry(table, atOrAfter: key) }
    }
    func lastEntry(_ table: Table, before key: [UInt8]) -> KeyValueEntry? { counted { $0.lastEntry(table, before: key) } }
    func lastEntry(_ table: Table) -> KeyValueEntry? { counted { $0.lastEntry(table) } }
    func readLastKey(_ table: Table, _ body: (_ key: Span<UInt8>) -> Void) -> Bool {
        touched += 1
        return inner.readLastKey(table, body)
    }
    func readEach(_ table: Table, prefix: Span<UInt8>, _ body: (_ key: Span<UInt8>, _ value: Span<UInt8>) -> Bool) {
        inner.readEach(table, prefix: prefix) { key, value in
            touched += 1
            return body(key, value)
        }
    }

    private func counted<Result>(_ work: (any KeyValueTransaction) -> Result) -> Result {
        touched += 1
        return work(inner)
    }
}
