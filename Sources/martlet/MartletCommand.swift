import ArgumentParser
import Glibc

/// The command `martlet`: a server and what its operator needs around it.
@main
struct MartletCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "An XMPP server for companies with several offices.",
        discussion: """
            Try it out here and now:
              martlet run --directory var --domain office.example

            Run it as a service (as the Debian package does, with systemd; else with init):
              martlet setup
              martlet init --directory /etc/martlet --domain office.example
              martlet check --config /etc/martlet/martlet.toml
              martlet serve --config /etc/martlet/martlet.toml

            Give people accounts (the password is asked for, or read from standard input):
              martlet user add anna@office.example

            The commands find the running server by its configuration: --config, else $MARTLET_CONFIG, else
            ./var/martlet.toml, else /etc/martlet/martlet.toml.
            """,
        version: ProductVersion.line,
        subcommands: [
            RunCommand.self, SetupCommand.self, InitCommand.self, ServeCommand.self, UserCommand.self, InviteCommand.self,
            LinkCommand.self,
            QueueCommand.self, ArchiveCommand.self, UploadCommand.self, StatusCommand.self, ExplainCommand.self,
            ReloadCommand.self,
            CheckCommand.self, StoreCommand.self, SimulateCommand.self,
        ])

    /// Runs what the command line says.
    static func main() {
        do {
            try Terminal.checkArguments()
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as CommandFailure {
            Terminal.mention("Error: \(failure)")
            Glibc.exit(failure.status.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}
