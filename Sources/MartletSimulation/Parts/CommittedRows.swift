import MartletPrimitives
import MartletStore

/// The committed rows of the tables that checkers read, in the form of a transaction so that the tables' own codecs read
/// them. Only look-ups by key.
struct CommittedRows {
    private var rows: [[[UInt8]: [UInt8]]] = Array(repeating: [:], count: 256)
    private static let watched: Set<Table> = [
        .have, .lane, .laneByDomains, .clientSession, .addressByDigest, .addressByNumber, .entry,
    ]
    private static let isWatched: [Bool] = (0...255).map { watched.contains(Table(rawValue: $0)) }

    func watches(_ table: Table) -> Bool { Self.isWatched[Int(table.rawValue)] }

    mutating func set(_ table: Table, _ key: [UInt8], _ value: [UInt8]?) { rows[Int(table.rawValue)][key] = value }

    func value(_ table: Table, _ key: [UInt8]) -> [UInt8]? { rows[Int(table.rawValue)][key] }

    /// For the tables' codecs.
    var reader: some KeyValueTransaction { CommittedReader(self) }
}

private final class CommittedReader: KeyValueTransaction {
    private let rows: CommittedRows

    init(_ rows: CommittedRows) { self.rows = rows }

    var writes: Int { 0 }
    var bytesWritten: Int { 0 }
    var touched: Int { 0 }
    func read(_ table: Table, _ key: Span<UInt8>, _ body: (_ value: Span<UInt8>) -> Void) -> Bool {
        guard let value = rows.value(table, Array(key)) else { return false }
        body(value.span)
        return true
    }
    func put(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>) { refuse() }
    func append(_ table: Table, _ key: Span<UInt8>, _ value: Span<UInt8>) { refuse() }
    func delete(_ table: Table, _ key: Span<UInt8>) -> Bool { refuse() }
    func firstEntry(_ table: Table, atOrAfter key: [UInt8]) -> KeyValueEntry? { refuse() }
    func lastEntry(_ table: Table, before key: [UInt8]) -> KeyValueEntry? { refuse() }
    func lastEntry(_ table: Table) -> KeyValueEntry? { refuse() }
    func readLastKey(_ table: Table, _ body: (_ key: Span<UInt8>) -> Void) -> Bool { refuse() }
    func readEach(_ table: Table, prefix: Span<UInt8>, _ body: (Span<UInt8>, Span<UInt8>) -> Bool) { refuse() }

    private func refuse() -> Never { ourFault("checkers only look up committed rows by their keys") }
}
