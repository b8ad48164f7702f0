import ArgumentParser
import Glibc
import MartletConfiguration
import MartletLMDB
import MartletStore

/// `martlet store`: what can be done with the database itself.
struct StoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "Looks after the database of a site.",
        subcommands: [StoreCheckCommand.self, StoreReadCommand.self])
}

/// `martlet store check`: reads the whole store.
struct StoreCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Reads the whole store of a site, whether it runs or not, and says what is wrong with it.",
        discussion: """
            Every row is read as the server reads it, and compared with the others that belong to it. While the server runs the store
            grows a little, since what is looked at is not overwritten.
              martlet store check --config /etc/martlet/martlet.toml
            Exit status: 0 nothing is wrong, 1 something is untidy and nobody loses anything by it, 74 something is damaged.
            """)
    @OptionGroup var file: ConfigurationOption
    @Flag(help: "For programs: one JSON object.") var json = false

    func run() throws {
        let configuration = try file.load()
        var check = StoreReading(configurationPath: file.path, directory: configuration.dataDirectory)
        try check.run()
        let worst = check.findings.map(\.severity).max()
        if json {
            try JSONOutput.say(StoreReport(check))
        } else {
            for finding in check.findings { Terminal.say("\(finding.severity): table \(finding.table): \(finding.words)") }
            Terminal.say(check.summary(worst))
        }
        switch worst {
        case nil: break
        case .untidy: throw ExitCode(ExitStatus.failed.rawValue)
        case .damaged: throw ExitCode(ExitStatus.storeUnusable.rawValue)
        }
    }
}

/// What `--json` says.
private struct StoreReport: Encodable {
    struct Finding: Encodable {
        var severity: String
        var table: Int
        var words: String
    }

    var findings: [Finding]
    var rows: Int
    var pages: [String: UInt64]

    init(_ check: StoreReading) {
        findings = check.findings.map { Finding(severity: $0.severity.rawValue, table: Int($0.table), words: $0.words) }
        rows = check.rows
        pages = ["all": check.pages.all, "free": check.pages.free, "lost": check.pages.lost, "used": check.pages.used]
    }
}

/// The part of a check that reads rows, in a process of its own: what cannot be read ends it.
struct StoreReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read", abstract: "Reads a part of a store.", shouldDisplay: false)
    @OptionGroup var file: ConfigurationOption
    @Option(help: "The table to begin with.") var table: UInt8 = 0
    @Option(help: "The row to begin behind, in hexadecimal.") var behind = ""
    @Flag(help: "Compares rows instead of reading them.") var compares = false

    func run() throws {
        let directory = try file.load().dataDirectory
        let environment: LMDBEnvironment
        do throws(StoreFailure) {
            environment = try LMDBEnvironment(reading: directory, tables: Table.all) { failure in
                Terminal.mention("\(failure)")
                _exit(ExitStatus.storeUnusable.rawValue)
            }
        } catch {
            return StoreReading.say("refused", "\(error)", "\(error.exitStatus.rawValue)")
        }
        let place = try StorePlace(descriptor: StorePlace.inherited)
        environment.read { store in
            var check = StoreCheck()
            if compares {
                check.compareRows(in: store) { words in StoreReading.say("at", words) }
            } else {
                read(environment.tables(among: Table.all).filter { $0.rawValue >= table }, &check, store, place)
            }
            for finding in check.findings {
                StoreReading.say("found", finding.severity.rawValue, "\(finding.table.rawValue)", finding.words)
            }
        }
        if !compares { tellPages(environment.pages()) }
        StoreReading.say("end")
    }

    /// How often progress is told, in rows.
    private static let rowsBetween = 100_000

    private func read(_ tables: [Table], _ check: inout StoreCheck, _ store: some KeyValueTransaction, _ place: StorePlace) {
        var rows = 0
        for table in tables {
            let key = table.rawValue == self.table ? StorePlace.bytes(behind) : []
            check.readRows(of: table, behind: key, in: store) { key in
                place.note(table, key)
                rows += 1
                if rows % Self.rowsBetween == 0 { StoreReading.say("rows", "\(rows)") }
            }
        }
        StoreReading.say("rows", "\(rows)")
    }

    private func tellPages(_ pages: LMDBEnvironment.Pages) {
        StoreReading.say("pages", "\(pages.all)", "\(pages.used)", "\(pages.free)")
        for fault in pages.faults.prefix(20) { StoreReading.say("found", StoreCheck.Severity.damaged.rawValue, "0", fault) }
    }
}
