import ArgumentParser
import Glibc
import MartletLMDB
import MartletStore

/// `martlet-bench migrate`: how long the first start on a large store of the schema before takes.
struct MigrationBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "The migration of a store of schema 1 with many rows in its log.",
        discussion: """
            The directory must not exist; it is removed at the end.

              martlet-bench migrate --directory /var/tmp/martlet-bench
            """)

    @Option(help: "Rows of the log.")
    var rows = 1_000_000

    @Option(help: "Bytes of a row.")
    var size = 300

    @Option(help: ArgumentHelp("Where the store is made.", valueName: "path"))
    var directory: String

    @Flag(help: "Print the figures as JSON.")
    var json = false

    func validate() throws {
        guard rows > 0, size > 64 else { throw ValidationError("rows are taken from 1, sizes from 65") }
        guard access(directory, F_OK) != 0 else { throw ValidationError("\(directory) exists") }
    }

    func run() throws {
        defer { BenchDirectory.remove(directory) }
        let store = try LMDBStore(directory: directory, tables: Table.all)
        var row = [UInt8](repeating: 0x61, count: size)
        row.replaceSubrange(0..<18, with: repeatElement(0, count: 18))
        var transaction = store.begin()
        MetaTable.set(.schema, 1, in: transaction)
        for number in 1...rows {
            let key = (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
            transaction.append(.logOfSchema1, key, row)
            guard number % 10_000 == 0 else { continue }
            try store.commit()
            transaction = store.begin()
        }
        try store.commit()
        var report = Report(isQuiet: json)
        let before = (file: store.sizeOnDisk, memory: Meter.memory)
        let start = Reading()
        let outcome = try StoreMigration.run(store)
        let cost = Cost(since: start)
        report.begin("\(outcome?.rows ?? 0) rows of \(size) bytes")
        report.add("time", cost.seconds, "s")
        report.add("processor time for a row", cost.microseconds(per: rows), "µs")
        report.add("growth of the file", Double(store.sizeOnDisk) / Double(before.file) * 100 - 100, "%")
        report.add("memory before", Double(before.memory) / 1e6, "MB")
        report.add("memory afterwards", Double(Meter.memory) / 1e6, "MB")
        if json { print(try report.json()) }
    }
}
