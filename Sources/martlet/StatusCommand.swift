import ArgumentParser
import MartletAdmin
import MartletConfiguration

/// `martlet status`: figures of the node.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows how many accounts, sessions and links there are and what waits.")
    @OptionGroup var file: ConfigurationOption
    @Flag(help: "Print JSON for programs instead of lines for people.") var json = false

    @Flag(help: "Show instead how much work everybody has caused, and who was read more slowly for it.") var limits = false

    func run() throws {
        let configuration = try file.load()
        if limits { return try showLimits(configuration) }
        let isRunning = try AdminClient(path: configuration.controlSocket).ask(.status) != nil
        guard case .status(let status) = try Asking(configuration: configuration).ask(.status) else { return }
        if json { return try JSONOutput.say(status) }
        Terminal.say(
            """
            \(listed(status.domains)): \(isRunning ? "running" : "stopped")
            accounts         \(status.accounts)
            sessions         \(status.sessions)
            links            \(status.links)
            waiting entries  \(status.waitingEntries)
            held in memory   \(words(bytes: status.heldBytes)) of \(words(bytes: status.memoryCeiling))
            """)
        for holder in status.holders {
            Terminal.say("                 \(words(bytes: holder.bytes)) \(TextTable.printable(holder.owner))")
        }
        if status.components > 0 {
            Terminal.say("components       \(status.components), \(status.connectedComponents) of them connected")
        }
        CertificateCheck.mention(configuration)
    }

    private func showLimits(_ configuration: SiteConfiguration) throws {
        guard case .limits(let limits) = try Asking(configuration: configuration).ask(.limits) else { return }
        if json { return try JSONOutput.say(limits) }
        var classes = TextTable(["class", "busy", "resting", "rests", "rested"], numeric: [1, 2, 3, 4])
        for row in limits.classes {
            classes.add([row.name, "\(row.parties)", "\(row.resting)", "\(row.rests)", words(milliseconds: row.rested)])
        }
        Terminal.say(classes.text(empty: ""))
        var worst = TextTable(
            ["most work", "class", "ms", "within", "rows", "deliveries", "KiB sent", "rests for"], numeric: [2, 3, 4, 5, 6, 7])
        for row in limits.worst {
            worst.add([
                row.name, row.standing, "\(row.work)", words(milliseconds: row.time), "\(row.rows)", "\(row.deliveries)",
                "\(row.bytes >> 10)", row.rest > 0 ? "\(row.rest) ms" : "",
            ])
        }
        Terminal.say("\n" + worst.text(empty: "Nobody causes anything worth mentioning."))
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
