import ArgumentParser
import MartletAdmin
import MartletConfiguration

/// `martlet upload …`: the files that people send one another.
struct UploadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upload", abstract: "Shows and removes the files that people have uploaded.",
        discussion: """
            What there is, and whose:        martlet upload list
            Everything of somebody:          martlet upload purge anna@office.example
            One file, by the token shown:    martlet upload purge 0123456789abcdef0123456789abcdef
            """,
        subcommands: [List.self, Purge.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Shows the files, oldest first.",
            discussion: """
                An office stands for what was copied from it; "wanted" is on its way, "refused" stays where it is.
                  martlet upload list
                  martlet upload list anna@office.example --json
                """)
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "Only the files of this account, or the copies from this office.") var owner: String?
        @Flag(help: "Print JSON for programs instead of a table for people.") var json = false

        func run() throws {
            let asking = Asking(configuration: try file.load())
            var rows: [AdminAnswer.Upload] = []
            var cursor: UInt64?
            repeat {
                guard case .uploads(let part, let next) = try asking.ask(.listUploads(owner: owner, after: cursor)) else {
                    throw Desk.unexpected
                }
                rows += part
                cursor = next
            } while cursor != nil
            if json { return try JSONOutput.say(rows) }
            var table = TextTable(["OWNER", "KIB", "CAME", "STATE", "TOKEN", "NAME"], numeric: [1])
            for row in rows {
                table.add([row.owner, "\(row.size >> 10)", String(row.created.prefix(16)), row.state, row.token, row.name])
            }
            Terminal.say(table.text(empty: "Nobody has uploaded anything."))
        }
    }

    struct Purge: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "purge", abstract: "Removes files: nobody sees them any more, and nothing brings them back.",
            discussion: """
                  martlet upload purge anna@office.example
                  martlet upload purge brno.example
                  martlet upload purge 0123456789abcdef0123456789abcdef
                """)
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "An account, an office whose files were copied, or the token of one file.") var what: String
        @Flag(help: "Do it without asking.") var yes = false

        func run() throws {
            let asking = Asking(configuration: try file.load())
            let isToken = what.utf8.count == 32 && what.utf8.allSatisfy { 48...57 ~= $0 || 97...102 ~= $0 }
            if isToken { return try asking.perform(.purgeUpload(token: what)) }
            try Terminal.confirm("All files of \(what) would be removed, for everybody. Remove them?", yes: yes)
            try asking.perform(.purgeUploads(owner: what))
        }
    }
}
