import MartletStore

/// A way to know when the last holder of a row of the log has gone (`Docs/decisions/0006-the-log-has-several-owners.md`).
enum HolderWay: String, CaseIterable {
    /// Each row has one owner: what all others are compared with. It cannot do the case of two.
    case none = "one owner"
    /// The row counts its holders and is overwritten when one comes or goes.
    case inRow = "count in the row"
    /// A side table counts the further holders; whoever releases a row looks there.
    case sideTable = "side table"
    /// The same, and the row says whether there may be any.
    case markedSideTable = "side table, row marked"
    /// The row says that it is archived: then retention alone removes it, and nobody else's release does anything.
    case retention = "retention owns"

    /// The byte before the value; without one the row is nothing but the value.
    private static let alone: UInt8 = 1
    private static let shared: UInt8 = 2

    /// Stores a row with that many holders. `row` begins with a byte that is ours.
    func append(_ key: [UInt8], _ row: inout [UInt8], holders: Int, in store: any KeyValueTransaction) {
        row[0] = self == .inRow ? UInt8(holders) : holders == 1 ? Self.alone : Self.shared
        store.append(.log, key, row)
        if holders > 1, self == .sideTable || self == .markedSideTable { store.append(Self.side, key, [UInt8(holders - 1)]) }
    }

    /// One holder more for a row that is there.
    func hold(_ key: [UInt8], in store: any KeyValueTransaction) {
        switch self {
        case .none: preconditionFailure("a row with two owners")
        case .inRow: change(key, in: store) { $0 + 1 }
        case .sideTable, .markedSideTable:
            if let count = store.get(Self.side, key) { return store.put(Self.side, key, [count[0] + 1]) }
            if self == .markedSideTable { change(key, in: store) { _ in Self.shared } }
            store.put(Self.side, key, [1])
        case .retention: change(key, in: store) { _ in Self.shared }
        }
    }

    /// One holder less. `isRetention` if it is the one that decides about archived rows.
    func release(_ key: [UInt8], isRetention: Bool = false, in store: any KeyValueTransaction) {
        switch self {
        case .none:
            store.delete(.log, key)
        case .inRow:
            if store.delete(.log, key.span, where: { $0[0] == 1 }) == false { change(key, in: store) { $0 - 1 } }
        case .sideTable:
            if !releaseSide(key, in: store) { store.delete(.log, key) }
        case .markedSideTable:
            guard store.delete(.log, key.span, where: { $0[0] == Self.alone }) == false else { return }
            if !releaseSide(key, in: store) { store.delete(.log, key) }
        case .retention:
            _ = store.delete(.log, key.span) { isRetention || $0[0] == Self.alone }
        }
    }

    private func releaseSide(_ key: [UInt8], in store: any KeyValueTransaction) -> Bool {
        var count: UInt8 = 0
        guard
            let wasLast = store.delete(
                Self.side, key.span,
                where: {
                    count = $0[0]
                    return count == 1
                })
        else { return false }
        if !wasLast { store.put(Self.side, key, [count - 1]) }
        return true
    }

    private func change(_ key: [UInt8], in store: any KeyValueTransaction, _ body: (UInt8) -> UInt8) {
        guard var row = store.get(.log, key) else { return }
        row[0] = body(row[0])
        store.put(.log, key, row)
    }

    /// In a store of the benchmark's own, whose other tables are empty.
    private static let side = Table.meta
}
