import ArgumentParser
import MartletAdmin
import MartletBus

/// `martlet queue …`: what waits for other domains, and what can be done with it.
struct QueueCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Shows what waits for other servers; holds, releases and cancels it.",
        discussion: """
            What waits where, by age:              martlet queue list
            One peer's entries, oldest first:      martlet queue list --peer brno.example.com
            Keep something aside for now:          martlet queue hold 1/17
            Send it after all, behind the others:  martlet queue release held/1
            Cancel it; the sender is told:         martlet queue purge 1/17
            Carry it over on a stick:              martlet queue export --peer brno.example.com FILE

            Docs/operations/queue.md tells how to read the table and what to do when a lane is stopped.
            """,
        subcommands: [List.self, Show.self, Hold.self, Release.self, Purge.self, Retry.self, Export.self, Import.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Shows how much waits for each peer, by age; or the entries themselves.",
            discussion: """
                Without options a table: a line for each peer, a column for each age (up to 5 minutes, 15 minutes, …). With
                --entries or a filter the entries, oldest first. An entry is `waiting`, `sent` (written to a stream and not
                acknowledged: it may have arrived) or `held`.
                  martlet queue list
                  martlet queue list --peer brno.example.com
                  martlet queue list --entries --json
                """)
        @OptionGroup var file: ConfigurationOption
        @Flag(help: "List the entries instead of counting them.") var entries = false
        @Option(help: ArgumentHelp("Only entries for this domain.", valueName: "domain")) var peer: String?
        @Option(help: ArgumentHelp("Only entries from this domain, account or device.", valueName: "jid"))
        var from: String?
        @Option(help: ArgumentHelp("Only entries to this domain, account or device.", valueName: "jid")) var to: String?
        @Flag(help: "Print JSON for programs instead of a table for people.") var json = false

        func run() throws {
            let desk = Desk(asking: Asking(configuration: try file.load()))
            guard entries || peer != nil || from != nil || to != nil else { return try showAges(desk) }
            var filter = AdminFilter()
            filter.peer = peer
            filter.from = from
            filter.to = to
            let rows = try desk.entries(filter)
            if json { return try JSONOutput.say(rows) }
            var table = TextTable(["ENTRY", "AGE", "BYTES", "FROM", "TO", "STATE"], numeric: [2])
            for row in rows {
                table.add([
                    row.entry, words(milliseconds: row.age), "\(row.bytes)", row.from, row.to,
                    row.reason.isEmpty ? row.state : "\(row.state) \(row.reason)",
                ])
            }
            Terminal.say(table.text(empty: "Nothing waits."))
        }

        /// A line of the table, for programs.
        private struct Line: Encodable {
            var peer: String
            var ages: [String: Int]
            var total: Int
            var held: Int
            var state: String
            var lastError: String
        }

        private func showAges(_ desk: Desk) throws {
            let links = try desk.links()
            let lines = try desk.ages().map { row in
                let link = links.first { $0.peer == row.peer }
                return Line(
                    peer: row.peer, ages: Dictionary(uniqueKeysWithValues: zip(QueueAges.names, row.counts)),
                    total: row.counts.reduce(0, +), held: row.held, state: link?.state ?? "", lastError: link?.lastError ?? "")
            }
            if json { return try JSONOutput.say(lines) }
            let names = QueueAges.names
            var table = TextTable(
                ["PEER", "TOTAL"] + names + ["HELD", "STATE", "LAST ERROR"], numeric: Set(1...names.count + 2))
            for line in lines {
                table.add(
                    [line.peer, "\(line.total)"] + names.map { "\(line.ages[$0] ?? 0)" }
                        + ["\(line.held)", line.state, line.lastError])
            }
            if lines.count > 1 {
                table.add(
                    ["all", "\(lines.reduce(0) { $0 + $1.total })"]
                        + names.map { name in "\(lines.reduce(0) { $0 + ($1.ages[name] ?? 0) })" }
                        + ["\(lines.reduce(0) { $0 + $1.held })", "", ""])
            }
            Terminal.say(table.text(empty: "Nothing waits."))
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Shows one entry and why it waits.", discussion: "  martlet queue show 1/17")
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The name of the entry: 1/17, held/5.") var entry: String
        @Flag(help: "Print JSON for programs instead of lines for people.") var json = false

        func run() throws {
            let desk = Desk(asking: Asking(configuration: try file.load()))
            var filter = AdminFilter()
            filter.entry = entry
            guard let found = try desk.entries(filter).first else {
                throw CommandFailure("there is no entry \(entry): delivered, expired or never there")
            }
            if json { return try JSONOutput.say(found) }
            let link = try desk.links().first { $0.peer == found.peer }
            let reason = found.reason.isEmpty ? "" : ", \(found.reason)"
            let explanation =
                switch found.state {
                case "sent": " (written to a stream, not acknowledged: it may have arrived)"
                default: ""
                }
            Terminal.say(
                """
                entry     \(found.entry)
                from      \(TextTable.printable(found.from))
                to        \(TextTable.printable(found.to))
                size      \(found.bytes) bytes
                age       \(words(milliseconds: found.age))
                state     \(found.state)\(explanation)\(TextTable.printable(reason))
                link      \(link.map(LinkCommand.sentence) ?? "none")
                """)
        }
    }

    struct Hold: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "hold", abstract: "Keeps entries aside; what stands behind them goes on.",
            discussion: """
                A held entry leaves its place to an empty number, so that nothing waits for it, and its lifetime stands still.
                An entry that was sent and is not acknowledged cannot be held: it may have arrived.
                  martlet queue hold 1/17 1/18
                  martlet queue hold --from worm@pilsen.example.com
                """)
        @OptionGroup var file: ConfigurationOption
        @OptionGroup var selection: EntrySelection

        func run() throws {
            try selection.perform(file, verb: "Hold", done: "held", held: false) { .holdEntries(entries: $0) }
        }
    }

    struct Release: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "release", abstract: "Sends held entries after all, behind what waits already.",
            discussion: """
                They keep the time at which they were written; people see it.
                  martlet queue release held/5
                  martlet queue release --peer brno.example.com
                """)
        @OptionGroup var file: ConfigurationOption
        @OptionGroup var selection: EntrySelection

        func run() throws {
            try selection.perform(file, verb: "Release", done: "released", held: true) { .releaseEntries(entries: $0) }
        }
    }

    struct Purge: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "purge", abstract: "Cancels entries, waiting or held; their senders are told.",
            discussion: """
                The sender gets the message back as not delivered; where it was sent already, as not confirmed.
                  martlet queue purge 1/17
                  martlet queue purge --from worm@pilsen.example.com --yes
                """)
        @OptionGroup var file: ConfigurationOption
        @OptionGroup var selection: EntrySelection

        func run() throws {
            let warning = " Their senders are told; it cannot be taken back."
            try selection.perform(file, verb: "Purge", done: "purged", held: nil, warning: warning) {
                .purgeEntries(entries: $0)
            }
        }
    }

    struct Retry: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "retry", abstract: "Dials now instead of at the next attempt.",
            discussion: "  martlet queue retry\n  martlet queue retry --peer brno.example.com")
        @OptionGroup var file: ConfigurationOption
        @Option(help: ArgumentHelp("Only this domain.", valueName: "domain")) var peer: String?

        func run() throws {
            try Asking(configuration: file.load()).perform(.retryLinks(peer: peer))
        }
    }
}
