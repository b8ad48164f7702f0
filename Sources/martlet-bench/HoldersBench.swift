import ArgumentParser
import Glibc
import MartletLMDB
import MartletStore

/// `martlet-bench holders`: what it costs to keep a row of the log until the last of several owners has gone, in each of the
/// ways that were thought of (`Docs/decisions/0006-the-log-has-several-owners.md`).
struct HoldersBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holders",
        abstract: "Rows of the log with one owner and with two, in several ways of counting them.",
        discussion: """
            Batches with fsync on a store on disk. A row with one owner goes ten batches after it came; of two owners one goes
            then, and the other stays until all rows are there.

              martlet-bench holders --directory /var/tmp/martlet-bench
            """)

    @Option(help: ArgumentHelp("Where the stores are made; must not exist, and is removed.", valueName: "path"))
    var directory: String

    @Option(help: "Rows of 300 bytes; of rows of 4 KiB an eighth.")
    var rows = 80_000

    @Option(help: "Rows in a batch.")
    var batch = 200

    @Option(help: "Rounds; the least of them counts.")
    var rounds = 7

    @Flag(help: "Print the figures as JSON.")
    var json = false

    func validate() throws {
        guard rows >= 8, batch > 0, rounds > 0 else { throw ValidationError("numbers are taken from 1") }
        guard access(directory, F_OK) != 0 else { throw ValidationError("\(directory) exists") }
    }

    func run() throws {
        defer { BenchDirectory.remove(directory) }
        var report = Report(isQuiet: json)
        for (size, count) in [(300, rows), (4096, rows / 8)] {
            let owned = HolderRun(rows: count, batch: batch, size: size)
            var best: [HolderWay: [HolderRun.Spent]] = [:]
            // Each round goes through all ways, so that what else the machine does falls on all of them.
            for _ in 0..<rounds {
                for way in HolderWay.allCases {
                    let spent = try HolderRun.Life.all(for: way).map { try owned.run(way, $0, directory) }
                    best[way] = zip(best[way] ?? spent, spent).map { $0.lesser($1) }
                }
            }
            let base = best[.none]?.first?.total ?? 1
            for way in HolderWay.allCases {
                report.begin("\(way.rawValue), \(size) bytes")
                for (life, spent) in zip(HolderRun.Life.all(for: way), best[way] ?? []) {
                    if life != .alone {
                        report.add("\(life.rawValue), until one has gone", spent.first, "µs")
                        report.add("of one owner", spent.first / base, "×")
                    }
                    report.add("\(life.rawValue), until the row has gone", spent.total, "µs")
                    report.add("of one owner", spent.total / base, "×")
                    report.add("written for each", spent.written, "B")
                }
            }
        }
        if json { print(try report.json()) }
    }
}

/// The life of many rows in one way.
struct HolderRun {
    /// What happens to a row.
    enum Life: String {
        /// It has one holder.
        case alone = "one holder"
        /// It comes with two.
        case two = "two holders"
        /// The second comes in a call after the first, in the same batch.
        case late = "a second holder"
        /// Every other row has one, the others have two.
        case mixed = "one or two holders"

        static func all(for way: HolderWay) -> [Life] { way == .none ? [.alone] : [.alone, .two, .late, .mixed] }

        /// With how many it comes.
        func holders(_ number: Int) -> Int { self == .two || (self == .mixed && number % 2 == 0) ? 2 : 1 }
        /// With how many it was.
        func holdersInAll(_ number: Int) -> Int { self == .late ? 2 : holders(number) }
    }

    /// Processor time of one row, microseconds.
    struct Spent {
        /// Until all but the last holder have gone.
        var first = 0.0
        /// Until the row has gone.
        var total = 0.0
        /// Bytes that the process gave to the disk for a row.
        var written = 0.0

        func lesser(_ other: Spent) -> Spent {
            Spent(first: min(first, other.first), total: min(total, other.total), written: min(written, other.written))
        }
    }

    let rows: Int
    let batch: Int
    /// Bytes of a value.
    let size: Int

    /// Batches from the coming of a row to the going of its first holder.
    private static let age = 10

    /// Makes a store in `directory`, runs, and removes it.
    func run(_ way: HolderWay, _ life: Life, _ directory: String) throws -> Spent {
        defer { BenchDirectory.remove(directory) }
        let store = try LMDBStore(directory: directory, mapSize: 8 << 30, tables: [.log, .meta])
        var row = [UInt8](repeating: 0x61, count: size + 1)
        let written = Self.bytesWritten()
        var spent = Spent()
        var cost = Cost()
        let batches = rows / batch
        for index in 0..<batches + Self.age {
            let start = Reading()
            let transaction = store.begin()
            if index < batches {
                for number in index * batch..<(index + 1) * batch {
                    way.append(Self.key(number), &row, holders: life.holders(number), in: transaction)
                    if life == .late { way.hold(Self.key(number), in: transaction) }
                }
            }
            if index >= Self.age {
                for number in (index - Self.age) * batch..<(index - Self.age + 1) * batch {
                    way.release(Self.key(number), in: transaction)
                }
            }
            try store.commit()
            cost.add(Cost(since: start))
        }
        spent.first = cost.microseconds(per: batches * batch)
        if life != .alone {
            for index in 0..<batches {
                let start = Reading()
                let transaction = store.begin()
                for number in index * batch..<(index + 1) * batch where life.holdersInAll(number) > 1 {
                    way.release(Self.key(number), isRetention: true, in: transaction)
                }
                try store.commit()
                cost.add(Cost(since: start))
            }
        }
        spent.total = cost.microseconds(per: batches * batch)
        spent.written = Double(Self.bytesWritten() - written) / Double(batches * batch)
        precondition(store.begin().lastEntry(.log) == nil, "\(way.rawValue) leaves rows behind")
        store.abort()
        return spent
    }

    private static func key(_ number: Int) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: (number + 1) >> (56 - 8 * $0)) }
    }

    private static func bytesWritten() -> Int {
        guard let file = fopen("/proc/self/io", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, 256, file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            if text.hasPrefix("wchar:") { return Int(text.dropFirst(7).filter(\.isNumber)) ?? 0 }
        }
        return 0
    }
}
