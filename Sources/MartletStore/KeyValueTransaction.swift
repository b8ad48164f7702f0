/// One sorted table of the store.
///
/// The raw value is part of the format on disk: a number once given out is never used again for something else. Tables are
/// declared as static members next to their codecs.
public struct Table: RawRepresentable, Hashable, Sendable {
    /// The number that stands in the name of the table on disk.
    public let rawValue: UInt8

    /// The table with this number.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The name of the table's LMDB database: `t` and the number in decimal.
    public var databaseName: String { "t\(rawValue)" }
}

/// A row of a table.
public struct KeyValueEntry: Equatable, Sendable {
    /// 1 to ``KeyValueLimits/keyBytes`` bytes.
    public let key: [UInt8]
    /// Any bytes, possibly none.
    public let value: [UInt8]

    /// A row of these bytes.
    public init(key: [UInt8], value: [UInt8]) {
        self.key = key
        self.value = value
    }
}

/// What every implementation of the store refuses, so that the simulated one finds what the real one cannot do.
public enum KeyValueLimits {
    /// The longest key in bytes: what LMDB is compiled with (`MDB_MAXKEYSIZE`). A JID does not fit: an address is never a key.
    public static let keyBytes = 511
}

/// The one open write transaction of a store: sorted tables of bytes, keys compared as unsigned bytes, a prefix before
/// what it is a prefix of.
///
/// Reads see the writes made before them. Nothing throws: an error of the disk or a full map inside a transaction cannot
/// be handled half-way, so it ends the process, and recovery is the boot path. A key that is empty or longer than
/// ``KeyValueLimits/keyBytes`` is our own fault and ends the process too, in every implementation. A transaction is used
/// on the thread that began it and not after its store was told to commit or abort.
public protocol KeyValueTransaction: AnyObject {
    /// Shows the value of `key` to `body`, which must not write (a precondition); false if there is no such row.
    func read(_ table: Table, _ key: Span<UInt8>, _ body: (_ value: Span<UInt8>) -> Void) -> Bool

    /// Writes the row, replacing the value of a row with this key.
    func put(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>)

    /// Writes a row whose key is greater than every key in the table (a precondition): much cheaper than ``put(_:_:_:)``.
    func append(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>)

    /// Removes the row with this key; false if there was none.
    @discardableResult
    func delete(_ table: Table, _ key: Span<UInt8>) -> Bool

    /// Removes the row with this key if `body`, which must not write (a precondition), says so of its value; nil if there is no such
    /// row. It costs no more than ``delete(_:_:)``, and counts as a write where something was removed.
    func delete(_ table: Table, _ key: Span<UInt8>, where body: (_ value: Span<UInt8>) -> Bool) -> Bool?

    /// The row with the least key that is not less than `key`. An empty `key` means the first row of the table.
    func firstEntry(_ table: Table, atOrAfter key: [UInt8]) -> KeyValueEntry?

    /// The row with the greatest key that is less than `key`.
    func lastEntry(_ table: Table, before key: [UInt8]) -> KeyValueEntry?

    /// The row with the greatest key.
    func lastEntry(_ table: Table) -> KeyValueEntry?

    /// Shows the greatest key to `body`, which must not write (a precondition); false if the table is empty.
    @discardableResult
    func readLastKey(_ table: Table, _ body: (_ key: Span<UInt8>) -> Void) -> Bool

    /// Shows key and value of each row whose key begins with `prefix` to `body`, ascending, until it returns false.
    ///
    /// An empty prefix means the whole table. `body` may read but must not write (a precondition): collect first, or
    /// step with ``firstEntry(_:atOrAfter:)``.
    func readEach(_ table: Table, prefix: Span<UInt8>, _ body: (_ key: Span<UInt8>, _ value: Span<UInt8>) -> Bool)

    /// The number of calls of put, append and delete since the transaction began. Zero means that a commit costs nothing.
    var writes: Int { get }

    /// How many bytes of its disk the writes so far take at most (``WriteCost``). The same in every implementation.
    var bytesWritten: Int { get }
    /// The number of rows that were read, looked for or written since the transaction began: what work is reckoned by.
    var touched: Int { get }
}

extension KeyValueTransaction {
    /// For transactions that pass everything on to another: looks, then removes.
    public func delete(_ table: Table, _ key: Span<UInt8>, where body: (_ value: Span<UInt8>) -> Bool) -> Bool? {
        var isWanted = false
        guard read(table, key, { isWanted = body($0) }) else { return nil }
        return isWanted && delete(table, key)
    }
}

/// The same with arrays, for rows that are not written for every message: each array is memory of its own.
extension KeyValueTransaction {
    /// The value of `key`, `nil` if there is no such row.
    public func get(_ table: Table, _ key: [UInt8]) -> [UInt8]? {
        var value: [UInt8]?
        return read(table, key.span) { value = Array($0) } ? value : nil
    }

    /// Writes the row, replacing the value of a row with this key.
    public func put(_ table: Table, _ key: [UInt8], _ value: [UInt8]) { put(table, key.span, value.span) }

    /// Writes a row whose key is greater than every key in the table (a precondition).
    public func append(_ table: Table, _ key: [UInt8], _ value: [UInt8]) { append(table, key.span, value.span) }

    /// Removes the row with this key; false if there was none.
    @discardableResult
    public func delete(_ table: Table, _ key: [UInt8]) -> Bool { delete(table, key.span) }

    /// Calls `body` with key and value of each row whose key begins with `prefix`, as ``readEach(_:prefix:_:)`` does.
    public func forEach(_ table: Table, prefix: [UInt8], _ body: (_ key: [UInt8], _ value: [UInt8]) -> Bool) {
        readEach(table, prefix: prefix.span) { body(Array($0), Array($1)) }
    }

    /// The number with which the greatest key begins; `nil` if the table is empty.
    func lastNumber(_ table: Table) -> UInt64? {
        var number: UInt64 = 0
        return readLastKey(table) { number = UInt64(bigEndianBytes: $0) } ? number : nil
    }
}

extension Array<UInt8> {
    /// A copy of these bytes.
    public init(_ bytes: Span<UInt8>) {
        self = bytes.withUnsafeBufferPointer { Array($0) }
    }
}
