import Glibc
import MartletLMDB
import MartletStore
import Testing

private let table = Table(rawValue: 7)
private let other = Table(rawValue: 8)
private let tables = [table, other]

private func rows(_ transaction: any KeyValueTransaction, _ table: Table, prefix: [UInt8] = []) -> [KeyValueEntry] {
    var found: [KeyValueEntry] = []
    transaction.forEach(table, prefix: prefix) { key, value in
        found.append(KeyValueEntry(key: key, value: value))
        return true
    }
    return found
}

private func mode(_ path: String) -> UInt32 {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
}

@Suite("LMDBStore")
struct LMDBStoreTests {
    @Test("what was committed is there after closing and opening, what was aborted or left open is not")
    func reopening() throws {
        let directory = try TemporaryDirectory()
        var store: LMDBStore? = try LMDBStore(directory: directory.path("store"), tables: tables)
        store?.begin().put(table, [1], [10])
        try store?.commit()
        store?.begin().put(table, [2], [20])
        store?.abort()
        store?.begin().put(table, [3], [30])
        store = nil
        let again = try LMDBStore(directory: directory.path("store"), tables: tables + [Table(rawValue: 200)])
        #expect(rows(again.begin(), table) == [KeyValueEntry(key: [1], value: [10])])
    }

    @Test("directory and files are for their owner only")
    func modes() throws {
        let directory = try TemporaryDirectory()
        let store = try LMDBStore(directory: directory.path("store"), tables: tables)
        try store.copy(to: directory.path("copy"))
        #expect(mode(directory.path("store")) == 0o700)
        for name in ["store/data.mdb", "store/lock.mdb", "store/lock", "copy/data.mdb"] {
            #expect(mode(directory.path(name)) == 0o600, "\(name)")
        }
    }

    @Test("a second opener is told who has the store, and gets it when that one is gone")
    func exclusive() throws {
        let directory = try TemporaryDirectory()
        var store: LMDBStore? = try LMDBStore(directory: directory.path("store"), tables: tables)
        #expect(throws: StoreFailure.inUse(pid: getpid())) {
            try LMDBStore(directory: directory.path("store"), tables: tables)
        }
        #expect(StoreFailure.inUse(pid: 42).description == "the store is in use by process 42")
        #expect(store != nil)
        store = nil
        _ = try LMDBStore(directory: directory.path("store"), tables: tables)
    }

    @Test("a directory that cannot be made, a file that is no store and one of another format are told apart")
    func openErrors() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: StoreFailure.self) { try LMDBStore(directory: directory.path("none/store"), tables: tables) }
        do {
            _ = try LMDBStore(directory: directory.path("store"), tables: tables)
        }
        let descriptor = open(directory.path("store/data.mdb"), O_RDWR)
        defer { close(descriptor) }
        // The version stands behind the page header (16 bytes) and the magic number (4) of both meta pages.
        for page in 0..<2 { #expect(pwrite(descriptor, [99 as UInt8], 1, page * 4096 + 20) == 1) }
        #expect(throws: StoreFailure.newerVersion(detail: "its files have another LMDB format")) {
            try LMDBStore(directory: directory.path("store"), tables: tables)
        }
        #expect(pwrite(descriptor, [UInt8](repeating: 0x55, count: 8192), 8192, 0) == 8192)
        do {
            _ = try LMDBStore(directory: directory.path("store"), tables: tables)
            Issue.record("opened")
        } catch {
            guard case .damaged(path: directory.path("store"), _) = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test(
        "pages that a transaction took at the end of the file and freed again are not missed; those that are used are, at every start"
    )
    func shortFile() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("store")
        var store: LMDBStore? = try LMDBStore(directory: path, tables: tables)
        let long = [UInt8](repeating: 7, count: 100_000)
        // A list of free pages, which are not enough for the next value.
        for round in 0..<6 {
            let transaction = store?.begin()
            transaction?.put(table, [0], [UInt8(round)])
            for number in 0..<8 as Range<UInt8> {
                if round == 0 { transaction?.put(table, [1, number], long) }
                if round == 1, number % 2 == 0 { transaction?.delete(table, [1, number]) }
            }
            try store?.commit()
        }
        // The transaction has the files, too: it goes before they are opened again.
        do {
            let transaction = store?.begin()
            transaction?.put(table, [0], [99])
            transaction?.put(table, [2], [UInt8](repeating: 8, count: 3_000_000))
            transaction?.delete(table, [2])
            try store?.commit()
        }
        let pages = try #require(store?.environment.pages())
        store = nil
        let file = path + "/data.mdb"
        func length() -> Int {
            var status = stat()
            return stat(file, &status) == 0 ? Int(status.st_size) : 0
        }
        try #require(length() < Int(pages.all) * 4096, "the file is as long as its pages: this shows nothing")
        #expect(throws: Never.self) { try LMDBEnvironment(reading: path, tables: tables) { fatalError("\($0)") } }
        store = try LMDBStore(directory: path, tables: tables)
        #expect(store?.begin().get(table, [1, 7]) == long)
        store?.abort()
        store = nil
        // Now it loses the last page that is in use, among those that are free.
        for end in [100 * 4096, 8192] {
            truncate(file, off_t(end))
            for _ in 0..<2 {
                do {
                    _ = try LMDBStore(directory: path, tables: tables)
                    Issue.record("opened with \(end) bytes")
                } catch {
                    guard case .damaged(path: file, detail: let words) = error else { throw error }
                    #expect(words.contains("are in use"))
                }
                #expect(length() == end)
            }
        }
    }

    @Test("a map that the system refuses is halved until it fits")
    func halving() throws {
        let directory = try TemporaryDirectory()
        let store = try LMDBStore(directory: directory.path("store"), mapSize: 1 << 62, tables: tables)
        #expect(store.environment.mapSize < 1 << 48)
        #expect(store.environment.mapSize >= LMDBEnvironment.defaultMapSize)
    }

    @Test("a copy made while a transaction is open has the last committed state and can be opened")
    func copy() throws {
        let directory = try TemporaryDirectory()
        let store = try LMDBStore(directory: directory.path("store"), tables: tables)
        let transaction = store.begin()
        for number in 0..<1_000 { transaction.append(table, bigEndian(number), [UInt8](repeating: 1, count: 300)) }
        try store.commit()
        store.begin().put(other, [1], [])
        // Not compacting it would wait for the open transaction, which is on this thread.
        try store.environment.copy(to: directory.path("copy"), isCompacting: true)
        try store.commit()
        let copy = try LMDBStore(directory: directory.path("copy"), tables: tables)
        #expect(rows(copy.begin(), table).count == 1_000)
        copy.abort()
        #expect(rows(copy.begin(), other).isEmpty)
        #expect(throws: StoreFailure.self) { try store.copy(to: directory.path("copy")) }
        #expect(copy.sizeOnDisk >= 300_000)
        #expect(copy.freeBytesOnDisk > 0)
    }

    @Test("a reader sees the last commit while a transaction is open")
    func reading() throws {
        let directory = try TemporaryDirectory()
        let store = try LMDBStore(directory: directory.path("store"), tables: tables)
        store.begin().put(table, [1], [1])
        try store.commit()
        let transaction = store.begin()
        transaction.put(table, [1], [2])
        #expect(store.environment.read { $0.get(table, [1]) } == [1])
        #expect(transaction.get(table, [1]) == [2])
        try store.commit()
        #expect(store.environment.read { $0.get(table, [1]) } == [2])
    }

    @Test("deleted rows leave room in the file")
    func room() throws {
        let directory = try TemporaryDirectory()
        let store = try LMDBStore(directory: directory.path("store"), mapSize: 64 << 20, tables: tables)
        let before = store.environment.look().bytes
        var transaction = store.begin()
        for number in 0..<2_000 { transaction.append(table, bigEndian(number), [UInt8](repeating: 1, count: 3_000)) }
        try store.commit()
        let full = store.environment.look().bytes
        #expect(full < before - 6_000_000)
        transaction = store.begin()
        for number in 0..<2_000 { transaction.delete(table, bigEndian(number)) }
        try store.commit()
        // Pages are used again by the transaction after the next.
        store.begin().put(table, [1], [1])
        try store.commit()
        #expect(store.environment.look().bytes > full + 6_000_000)
    }

    @Test("a transaction that touches nothing takes no lock of LMDB, and ends as any other")
    func untouched() throws {
        let directory = try TemporaryDirectory()
        let store = try LMDBStore(directory: directory.path("store"), tables: tables)
        let first = store.begin()
        #expect(first.writes == 0)
        // Waits for the end of a writing transaction, if LMDB knows of one: here that would be for ever.
        try store.environment.copy(to: directory.path("copy"))
        try store.commit()
        _ = store.begin()
        store.abort()
        store.begin().put(table, [1], [10])
        try store.commit()
        #expect(store.begin().get(table, [1]) == [10])
    }

    @Test("misuse ends the process: a long key, appending out of order, writing within forEach or as a reader, a full map")
    func misuse() async throws {
        // The process that ends cannot clean up: its directory belongs to this one.
        let directory = try TemporaryDirectory()
        await #expect(processExitsWith: .failure) { [path = directory.path("1") as String] in
            try Misuse(path).transaction.put(Misuse.table, [UInt8](repeating: 1, count: 512), [])
        }
        await #expect(processExitsWith: .failure) { [path = directory.path("2") as String] in
            let misuse = try Misuse(path)
            misuse.transaction.append(Misuse.table, [2], [])
            misuse.transaction.append(Misuse.table, [2], [])
        }
        await #expect(processExitsWith: .failure) { [path = directory.path("3") as String] in
            let misuse = try Misuse(path)
            misuse.transaction.put(Misuse.table, [2], [])
            misuse.transaction.forEach(Misuse.table, prefix: []) { key, _ in misuse.transaction.delete(Misuse.table, key) }
        }
        await #expect(processExitsWith: .failure) { [path = directory.path("6") as String] in
            let misuse = try Misuse(path)
            misuse.transaction.put(Misuse.table, [2], [])
            misuse.transaction.readLastKey(Misuse.table) { misuse.transaction.delete(Misuse.table, $0) }
        }
        await #expect(processExitsWith: .failure) { [path = directory.path("7") as String] in
            let misuse = try Misuse(path)
            try misuse.store.commit()
            _ = misuse.transaction.get(Misuse.table, [2])
        }
        await #expect(processExitsWith: .failure) { [path = directory.path("4") as String] in
            try Misuse(path).store.environment.read { $0.put(Misuse.table, [1], []) }
        }
        await #expect(processExitsWith: .failure) { [path = directory.path("5") as String] in
            let transaction = try Misuse(path).transaction
            for number: UInt8 in 0...255 {
                transaction.put(Misuse.table, [number], [UInt8](repeating: 0, count: 100_000))
            }
        }
    }
}

private func bigEndian(_ number: Int) -> [UInt8] {
    (0..<8).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
}

/// A small store with an open transaction, for a process that is about to end.
private struct Misuse {
    static let table = Table(rawValue: 1)
    let store: LMDBStore
    let transaction: any KeyValueTransaction

    init(_ path: String) throws {
        store = try LMDBStore(directory: path, mapSize: 4 << 20, tables: [Self.table])
        transaction = store.begin()
    }
}
