import Glibc
import MartletLMDB
import MartletStore
import Synchronization
import Testing

private let table = Table(rawValue: 1)

@Suite("A killed process", .serialized)
struct KillTests {
    @Test("kill -9 within a commit leaves every acknowledged commit, each commit whole, and no lock")
    func killed() async throws {
        for _ in 0..<3 {
            let directory = try TemporaryDirectory()
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = directory.path as String] in try Victim.run(path) }
            let acknowledged = Victim.acknowledged(directory.path)
            #expect(acknowledged >= Victim.leastCommits)
            let store = try LMDBStore(directory: directory.path("store"), tables: [table])
            let transaction = store.begin()
            let values = (0..<Victim.rows).map { transaction.get(table, [UInt8($0)]) ?? [] }
            #expect(Set(values).count == 1, "a commit is there in part")
            let number = values[0].prefix(4).reduce(0) { $0 << 8 | Int($1) }
            #expect(number == acknowledged || number == acknowledged + 1)
        }
    }
}

/// Commits until another thread kills the process.
private enum Victim {
    static let rows = 100
    static let leastCommits = 20

    static func run(_ path: String) throws {
        let store = try LMDBStore(directory: path + "/store", tables: [table])
        let record = open(path + "/acknowledged", O_WRONLY | O_CREAT, 0o600)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { _ in
                while Victim.commits.load(ordering: .relaxed) < Victim.leastCommits { sched_yield() }
                kill(getpid(), SIGKILL)
                return nil
            }, nil)
        var number: UInt32 = 0
        while true {
            number += 1
            let bytes = withUnsafeBytes(of: number.bigEndian) { Array($0) }
            let transaction = store.begin()
            for row in 0..<rows { transaction.put(table, [UInt8(row)], bytes + [UInt8](repeating: 0, count: 1_000)) }
            try store.commit()
            pwrite(record, bytes, 4, 0)
            commits.add(1, ordering: .relaxed)
        }
    }

    static func acknowledged(_ path: String) -> Int {
        let record = open(path + "/acknowledged", O_RDONLY)
        defer { close(record) }
        var bytes: [UInt8] = [0, 0, 0, 0]
        return pread(record, &bytes, 4, 0) == 4 ? bytes.reduce(0) { $0 << 8 | Int($1) } : 0
    }

    static let commits = Atomic<Int>(0)
}
