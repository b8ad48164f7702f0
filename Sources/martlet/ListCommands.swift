import ArgumentParser
import MartletAdmin

/// `martlet link …`: the relations to other domains.
struct LinkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "link", abstract: "Shows the links to other servers.", subcommands: [List.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Lists the links: their state, what waits, and the last failure.",
            discussion: "  martlet link list\n  martlet link list --json")
        @OptionGroup var file: ConfigurationOption
        @Flag(help: "Print JSON for programs instead of a table for people.") var json = false

        func run() throws {
            guard case .links(let rows) = try Asking(configuration: file.load()).ask(.listLinks) else { return }
            if json { return try JSONOutput.say(rows) }
            var table = TextTable(
                ["PEER", "STATE", "ACKNOWLEDGED BY", "WAITING", "OLDEST", "NEXT TRY", "LAST ERROR"], numeric: [3])
            for row in rows {
                table.add([
                    row.peer, row.state, row.acknowledgement, "\(row.waiting)",
                    row.oldestAge > 0 ? words(milliseconds: row.oldestAge) : "",
                    row.nextAttempt > 0 ? words(milliseconds: row.nextAttempt) : "", row.lastError,
                ])
            }
            Terminal.say(table.text(empty: "There are no links: nobody has written to another domain yet."))
        }
    }
}

/// `martlet queue …`: what waits for other domains.
struct QueueCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Shows what waits for other servers.", subcommands: [List.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Lists the waiting entries, by the names they have in the logs.",
            discussion: "  martlet queue list\n  martlet queue list --json")
        @OptionGroup var file: ConfigurationOption
        @Flag(help: "Print JSON for programs instead of a table for people.") var json = false

        func run() throws {
            guard case .queue(let rows) = try Asking(configuration: file.load()).ask(.listQueue) else { return }
            if json { return try JSONOutput.say(rows) }
            var table = TextTable(["ENTRY", "FROM", "TO", "BYTES", "AGE", "STATE"], numeric: [3])
            for row in rows {
                table.add([row.entry, row.from, row.to, "\(row.bytes)", words(milliseconds: row.age), row.state])
            }
            Terminal.say(table.text(empty: "Nothing waits."))
        }
    }
}

/// `martlet status`: figures of the node.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows how many accounts, sessions and links there are and what waits.")
    @OptionGroup var file: ConfigurationOption
    @Flag(help: "Print JSON for programs instead of lines for people.") var json = false

    func run() throws {
        let configuration = try file.load()
        let isRunning = try AdminClient(path: configuration.controlSocket).ask(.status) != nil
        guard case .status(let status) = try Asking(configuration: configuration).ask(.status) else { return }
        if json { return try JSONOutput.say(status) }
        Terminal.say(
            """
            \(configuration.domain): \(isRunning ? "running" : "stopped")
            accounts         \(status.accounts)
            sessions         \(status.sessions)
            links            \(status.links)
            waiting entries  \(status.waitingEntries)
            """)
    }
}

/// `martlet reload`: configuration and certificates are read anew.
struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload", abstract: "Makes the running node read its configuration and certificates anew.",
        discussion: "A file that is not usable changes nothing; the answer says what is wrong with it.")
    @OptionGroup var file: ConfigurationOption

    func run() throws {
        // The file may be what is wrong; the socket's place is looked up in it all the same, because it must be usable.
        try Asking(configuration: file.load()).perform(.reload)
    }
}
