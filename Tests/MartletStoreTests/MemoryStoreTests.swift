import MartletPrimitives
import Testing

@testable import MartletStore

/// A generator for these tests: SplitMix64.
struct StoreTestGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// The obvious implementation: a sorted list, every question answered by looking at its rows one after the other.
private struct NaiveTable: Equatable {
    private(set) var rows: [KeyValueEntry] = []

    func get(_ key: [UInt8]) -> [UInt8]? { rows.first { $0.key == key }?.value }
    mutating func put(_ key: [UInt8], _ value: [UInt8]) {
        _ = delete(key)
        let place = rows.firstIndex { !$0.key.lexicographicallyPrecedes(key) } ?? rows.count
        rows.insert(KeyValueEntry(key: key, value: value), at: place)
    }
    mutating func delete(_ key: [UInt8]) -> Bool {
        guard let place = rows.firstIndex(where: { $0.key == key }) else { return false }
        rows.remove(at: place)
        return true
    }
    func first(atOrAfter key: [UInt8]) -> KeyValueEntry? { rows.first { !$0.key.lexicographicallyPrecedes(key) } }
    func last(before key: [UInt8]) -> KeyValueEntry? { rows.last { $0.key.lexicographicallyPrecedes(key) } }
}

private let table = Table(rawValue: 7)
private let other = Table(rawValue: 8)

private func rows(_ transaction: any KeyValueTransaction, _ table: Table, prefix: [UInt8] = []) -> [KeyValueEntry] {
    var found: [KeyValueEntry] = []
    transaction.forEach(table, prefix: prefix) { key, value in
        found.append(KeyValueEntry(key: key, value: value))
        return true
    }
    return found
}

@Suite("MemoryStore")
struct MemoryStoreTests {
    /// Keys from a small alphabet, so that they meet, with zeros and ends around the eighth byte.
    private func key(_ random: inout StoreTestGenerator) -> [UInt8] {
        let length = Int.random(in: 1...11, using: &random)
        let stem: [UInt8] = [0, 0, 1, 0, 0, 255, 0]
        let common = min(length - 1, Int.random(in: 0...7, using: &random))
        return Array(stem[..<common]) + (common..<length).map { _ in [0, 1, 255].randomElement(using: &random) ?? 0 }
    }

    @Test("random operations, commits, aborts and crashes give what a naive model gives", arguments: 0..<4)
    func model(seed: UInt64) throws {
        var random = StoreTestGenerator(state: seed)
        let store = MemoryStore()
        var committed = NaiveTable()
        var beforeLast = NaiveTable()
        for _ in 0..<150 {
            var model = committed
            let transaction = store.begin()
            var writes = 0
            for _ in 0..<Int.random(in: 0...25, using: &random) {
                let key = key(&random)
                switch Int.random(in: 0..<10, using: &random) {
                case 0...4:
                    let value = (0..<Int.random(in: 0...3, using: &random)).map { UInt8($0) }
                    transaction.put(table, key, value)
                    model.put(key, value)
                    writes += 1
                case 5...6:
                    let victim = Bool.random(using: &random) ? key : model.rows.randomElement(using: &random)?.key ?? key
                    #expect(transaction.delete(table, victim) == model.delete(victim))
                    writes += 1
                case 7:
                    #expect(transaction.get(table, key) == model.get(key))
                    #expect(transaction.firstEntry(table, atOrAfter: key) == model.first(atOrAfter: key))
                case 8:
                    #expect(transaction.lastEntry(table, before: key) == model.last(before: key))
                    #expect(transaction.lastEntry(table) == model.rows.last)
                    #expect(lastKey(transaction, table) == model.rows.last?.key)
                default:
                    let prefix = Array(key.prefix(Int.random(in: 0...3, using: &random)))
                    #expect(rows(transaction, table, prefix: prefix) == model.rows.filter { $0.key.starts(with: prefix) })
                }
            }
            #expect(transaction.writes == writes)
            let commits = store.commits
            switch Int.random(in: 0..<10, using: &random) {
            case 0...4:
                try store.commit()
                if store.commits > commits { beforeLast = committed }
                committed = model
            case 5: store.abort()
            case 6: store.crash()
            case 7: store.crashDuringCommit(survives: false)
            case 8:
                store.crashDuringCommit(survives: true)
                if store.commits > commits { beforeLast = committed }
                committed = model
            default:
                store.crashLosingLastCommit()
                committed = beforeLast
            }
            let check = store.begin()
            #expect(rows(check, table) == committed.rows)
            store.abort()
            #expect(store.count(table) == committed.rows.count)
            #expect(store.bytes == committed.rows.reduce(0) { $0 + $1.key.count + $1.value.count })
        }
    }

    @Test("many chunks: rows put in any order come back in order, and a queue drains from its front")
    func chunks() throws {
        var random = StoreTestGenerator(state: 1)
        let store = MemoryStore()
        let transaction = store.begin()
        let keys = (0..<5_000).map { number in (0..<9).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8 % 64)) } }
        for key in keys.shuffled(using: &random) { transaction.put(table, key, key) }
        for number in 0..<5_000 { transaction.append(other, bigEndian(number), []) }
        let expected = keys.sorted { $0.lexicographicallyPrecedes($1) }
        #expect(rows(transaction, table).map(\.key) == expected)
        for number in 0..<5_000 {
            #expect(transaction.firstEntry(other, atOrAfter: [])?.key == bigEndian(number))
            #expect(transaction.delete(other, bigEndian(number)))
        }
        #expect(transaction.lastEntry(other) == nil)
        for key in keys.shuffled(using: &random).prefix(4_990) { transaction.delete(table, key) }
        #expect(rows(transaction, table).count == 10)
        try store.commit()
    }

    @Test("a snapshot keeps its state and can be restored into another store")
    func snapshot() throws {
        let store = MemoryStore()
        store.begin().put(table, [1], [1])
        try store.commit()
        let snapshot = store.snapshot()
        store.begin().put(table, [1], [2])
        try store.commit()
        #expect(store.snapshot() != snapshot)
        #expect(MemoryStore(snapshot).begin().get(table, [1]) == [1])
        store.restore(snapshot)
        #expect(store.snapshot() == snapshot)
        store.crashLosingLastCommit()
        #expect(store.snapshot() == snapshot, "what was undone belongs to the state before the restore")
    }

    @Test("a failed commit is thrown once and leaves nothing behind")
    func failure() throws {
        let store = MemoryStore()
        store.nextCommitFailure = .diskFull(path: "/")
        store.begin().put(table, [1], [1])
        #expect(throws: StoreFailure.diskFull(path: "/")) { try store.commit() }
        #expect(store.count(table) == 0)
        store.begin().put(table, [1], [1])
        try store.commit()
        #expect(store.count(table) == 1)
    }

    @Test("a key of 511 bytes is allowed, one of 512 or none ends the process")
    func keyLimit() async {
        let transaction = MemoryStore().begin()
        let longest = [UInt8](repeating: 1, count: KeyValueLimits.keyBytes)
        transaction.put(table, longest, [])
        #expect(transaction.get(table, longest) == [])
        await #expect(processExitsWith: .failure) {
            MemoryStore().begin().put(Table(rawValue: 1), [UInt8](repeating: 1, count: 512), [])
        }
        await #expect(processExitsWith: .failure) { MemoryStore().begin().put(Table(rawValue: 1), [], []) }
    }

    @Test("appending a key that is not the greatest, and writing within forEach, end the process")
    func misuse() async {
        await #expect(processExitsWith: .failure) {
            let transaction = MemoryStore().begin()
            transaction.append(Table(rawValue: 1), [2], [])
            transaction.append(Table(rawValue: 1), [2], [])
        }
        await #expect(processExitsWith: .failure) {
            let transaction = MemoryStore().begin()
            transaction.put(Table(rawValue: 1), [2], [])
            transaction.forEach(Table(rawValue: 1), prefix: []) { key, _ in transaction.delete(Table(rawValue: 1), key) }
        }
        await #expect(processExitsWith: .failure) {
            let transaction = MemoryStore().begin()
            transaction.put(Table(rawValue: 1), [2], [])
            transaction.readLastKey(Table(rawValue: 1)) { transaction.delete(Table(rawValue: 1), $0) }
        }
    }

    private func bigEndian(_ number: Int) -> [UInt8] {
        (0..<8).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }
}

private func lastKey(_ transaction: any KeyValueTransaction, _ table: Table) -> [UInt8]? {
    var key: [UInt8]?
    let isThere = transaction.readLastKey(table) { key = Array($0) }
    return isThere ? key : nil
}
