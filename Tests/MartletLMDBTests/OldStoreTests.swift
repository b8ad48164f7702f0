import MartletLMDB
import MartletStore
import Testing

private func rows(_ transaction: any KeyValueTransaction) -> [[KeyValueEntry]] {
    Table.all.map { table in
        var found: [KeyValueEntry] = []
        transaction.forEach(table, prefix: []) { key, value in
            found.append(KeyValueEntry(key: key, value: value))
            return true
        }
        return found
    }
}

@Suite("A store made by the build before, on a disk")
struct OldStoreTests {
    @Test("it is migrated once, stays so when it is opened again, and has the rows that its twin in memory has")
    func migration() throws {
        let dump = try StoreDump("schema-1.dump")
        let memory = MemoryStore()
        try dump.load(into: memory)
        let directory = try TemporaryDirectory()
        do {
            // The build before knew the tables up to 20.
            let old = try LMDBStore(directory: directory.path("store"), tables: (0...20).map { Table(rawValue: $0) })
            try dump.load(into: old)
        }
        let expected = try StoreMigration.run(memory)
        #expect((expected?.rows ?? 0) > 20)
        do {
            let store = try LMDBStore(directory: directory.path("store"), tables: Table.all)
            try StoreMigration.check(store)
            #expect(try StoreMigration.run(store) == expected)
            #expect(rows(store.begin()) == rows(memory.begin()))
            memory.abort()
        }
        let again = try LMDBStore(directory: directory.path("store"), tables: Table.all)
        #expect(try StoreMigration.run(again) == nil)
        #expect(rows(again.begin()) == rows(memory.begin()))
    }

    @Test("a store of a later schema is refused in words and not touched")
    func refusal() throws {
        let directory = try TemporaryDirectory()
        let store = try LMDBStore(directory: directory.path("store"), tables: Table.all)
        MetaTable.setSchema(MetaTable.schemaVersion + 1, in: store.begin())
        try store.commit()
        #expect(throws: StoreFailure.self) { try StoreMigration.check(store) }
        #expect(throws: StoreFailure.self) { try StoreMigration.run(store) }
        #expect(MetaTable.schema(in: store.begin()) == MetaTable.schemaVersion + 1)
    }
}
