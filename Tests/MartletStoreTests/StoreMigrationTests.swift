import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas

@testable import MartletStore

@Suite("Stores of other schemas")
struct StoreMigrationTests {
    @Test("a new store and one of our schema are left alone")
    func nothingToDo() throws {
        let store = MemoryStore()
        #expect(try StoreMigration.run(store) == nil)
        MetaTable.setSchema(MetaTable.schemaVersion, in: store.begin())
        try store.commit()
        #expect(try StoreMigration.run(store) == nil)
        #expect(store.commits == 1)
    }

    @Test("a store of a later schema is refused in words, and nothing is changed")
    func refusal() throws {
        let store = MemoryStore()
        MetaTable.setSchema(MetaTable.schemaVersion + 1, in: store.begin())
        try store.commit()
        let before = store.snapshot()
        let failure = StoreFailure.newerVersion(
            detail: "its format is schema 4, this version knows schema 3 and those before; "
                + "install the version that was here last, or restore a backup from before its first start")
        #expect(throws: failure) { try StoreMigration.check(store) }
        #expect(throws: failure) { try StoreMigration.run(store) }
        #expect(failure.description.hasPrefix("the store was written by a newer version: its format is schema 4"))
        #expect(store.snapshot() == before)
    }

    @Test("whatever slice is the last before a crash, the next start goes on, and the result is the same", arguments: 0...12)
    func crashes(slices: Int) throws {
        let whole = try Self.oldStore()
        _ = try StoreMigration.run(whole)
        let store = try Self.oldStore()
        _ = try StoreMigration.run(store, StoreMigration.Slice(rows: 7), limit: slices)
        // What it died of came within the next one.
        let next = store.begin()
        next.put(.log, [UInt8](repeating: 255, count: 8), [1])
        store.crash()
        let outcome = try StoreMigration.run(store, StoreMigration.Slice(rows: 5))
        #expect(outcome == nil || outcome?.schema == 1)
        #expect(store.snapshot() == whole.snapshot())
        #expect(try StoreMigration.run(store) == nil)
    }

    @Test("each slice is bounded in rows and in bytes")
    func slices() throws {
        for slice in [StoreMigration.Slice(rows: 7), StoreMigration.Slice(bytes: 700)] {
            let store = try Self.oldStore()
            let commits = store.commits
            _ = try StoreMigration.run(store, slice)
            #expect(store.commits - commits > 8)
        }
    }

    /// 30 messages, 20 requests and 20 sessions with presence, as schema 1 has them.
    private static func oldStore() throws -> MemoryStore {
        let store = MemoryStore()
        let old = store.begin()
        MetaTable.set(.schema, 1, in: old)
        let nothing = [UInt8](repeating: 0, count: 6 + 3)
        for number: UInt8 in 1...30 {
            let key: [UInt8] = [0, 0, 0, 0, 0, 0, 0, number]
            let content: [UInt8] = [0, 0, 0, 60] + [UInt8](repeating: number, count: 60)
            old.append(.logOfSchema1, key, [UInt8](repeating: 0, count: 16) + [0, number] + nothing + content)
            if number > 20 { continue }
            old.put(.pendingSubscription, key + key, [1, number] + nothing + content)
            for part: UInt8 in 0...2 { old.put(.clientSession, key + key + [part], [1, number] + nothing + content) }
        }
        try store.commit()
        return store
    }
}
