import MartletLMDB
import MartletStore
import Testing

/// A generator for these tests: SplitMix64.
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

private let tables = [Table(rawValue: 0), Table(rawValue: 3), Table(rawValue: 255)]

/// Both stores, given the same operations.
private struct Twins {
    let memory: any KeyValueTransaction
    let disk: any KeyValueTransaction

    func expectSame<Result: Equatable>(_ operation: (any KeyValueTransaction) -> Result) {
        #expect(operation(memory) == operation(disk))
    }
}

@Suite("MemoryStore and LMDBStore are twins")
struct TwinTests {
    @Test("random operations, commits and aborts answer the same and leave the same rows", arguments: 1...6)
    func twins(seed: UInt64) throws {
        var random = Generator(state: seed)
        let directory = try TemporaryDirectory()
        let memory = MemoryStore()
        let disk = try LMDBStore(directory: directory.path("store"), tables: tables)
        // Large values make trees of several levels from few rows, and overflow pages.
        let largest = [20, 400, 1_500, 9_000][Int(seed % 4)]
        for _ in 0..<40 {
            let twins = Twins(memory: memory.begin(), disk: disk.begin())
            for _ in 0..<Int.random(in: 0...150, using: &random) { operate(twins, &random, largest) }
            twins.expectSame { $0.writes }
            if Int.random(in: 0..<4, using: &random) == 0 {
                memory.abort()
                disk.abort()
            } else {
                try memory.commit()
                try disk.commit()
            }
            let after = Twins(memory: memory.begin(), disk: disk.begin())
            for table in tables { after.expectSame { rows($0, table, []) } }
            memory.abort()
            disk.abort()
        }
    }

    private func operate(_ twins: Twins, _ random: inout Generator, _ largest: Int) {
        let table = tables.randomElement(using: &random) ?? tables[0]
        var key = randomKey(&random)
        if Int.random(in: 0..<3, using: &random) == 0, let near = twins.disk.firstEntry(table, atOrAfter: key) {
            key = near.key
        }
        let value = [UInt8](
            repeating: UInt8.random(in: 0...255, using: &random), count: Int.random(in: 0...largest, using: &random))
        switch Int.random(in: 0..<20, using: &random) {
        case 0...5:
            twins.expectSame {
                $0.put(table, key, value); return $0.get(table, key)
            }
        case 6...7:
            guard let last = twins.disk.lastEntry(table)?.key else { return }
            guard last.count < KeyValueLimits.keyBytes else { return }
            twins.expectSame {
                $0.append(table, last + [1], value); return $0.lastEntry(table)
            }
        case 8...9: twins.expectSame { $0.delete(table, key) }
        case 10: twins.expectSame { $0.delete(table, key.span) { $0.count % 2 == 0 } }
        case 11:
            // A queue: the first rows go.
            for _ in 0..<10 {
                guard let first = twins.memory.firstEntry(table, atOrAfter: []) else { return }
                twins.expectSame { $0.delete(table, first.key) }
                twins.expectSame { $0.firstEntry(table, atOrAfter: []) }
            }
        case 12...13: twins.expectSame { $0.get(table, key) }
        case 14...15: twins.expectSame { $0.firstEntry(table, atOrAfter: key) }
        case 16...17: twins.expectSame { $0.lastEntry(table, before: key) }
        case 18:
            twins.expectSame { $0.lastEntry(table) }
            twins.expectSame { lastKey($0, table) }
        default:
            let prefix = Array(key.prefix(Int.random(in: 0...2, using: &random)))
            twins.expectSame { rows($0, table, prefix) }
            let limit = Int.random(in: 1...3, using: &random)
            twins.expectSame { transaction in
                var count = 0
                transaction.forEach(table, prefix: prefix) { key, _ in
                    count += 1
                    return count < limit && transaction.get(table, key) != nil
                }
                return count
            }
        }
    }

    private func rows(_ transaction: any KeyValueTransaction, _ table: Table, _ prefix: [UInt8]) -> [KeyValueEntry] {
        var found: [KeyValueEntry] = []
        transaction.forEach(table, prefix: prefix) { key, value in
            found.append(KeyValueEntry(key: key, value: value))
            return true
        }
        return found
    }

    private func randomKey(_ random: inout Generator) -> [UInt8] {
        let length = [1, 2, 7, 8, 9, 16, 511].randomElement(using: &random) ?? 1
        var key = [UInt8](repeating: [0, 7, 255].randomElement(using: &random) ?? 0, count: length)
        for _ in 0..<2 { key[Int.random(in: 0..<min(9, length), using: &random)] = UInt8.random(in: 0...3, using: &random) }
        return key
    }
}

private func lastKey(_ transaction: any KeyValueTransaction, _ table: Table) -> [UInt8]? {
    var key: [UInt8]?
    let isThere = transaction.readLastKey(table) { key = Array($0) }
    return isThere ? key : nil
}
