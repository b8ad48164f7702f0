import ArgumentParser
import MartletAdmin

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
        CertificateCheck.mention(configuration)
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
