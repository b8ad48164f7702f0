import ArgumentParser
import MartletAdmin
import MartletConfiguration
import XMPPAddress

/// `martlet archive …`: the messages that are kept for people.
struct ArchiveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "archive", abstract: "Shows, bounds and exports the archives of accounts.",
        discussion: """
            How much is kept for whom:              martlet archive status
            Keep somebody's messages for a month:   martlet archive retention anna@office.example 30d
            Give somebody what was kept:            martlet archive export anna@office.example anna.xml
            """,
        subcommands: [Status.self, Retention.self, Export.self])

    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Shows how many messages are kept for each account, and for how long.",
            discussion: """
                A message between two people of this site is on the disk once and counts for both.
                  martlet archive status
                  martlet archive status anna@office.example --json
                """)
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "Only this account.") var account: String?
        @Flag(help: "Print JSON for programs instead of a table for people.") var json = false

        func run() throws {
            let configuration = try file.load()
            let asking = Asking(configuration: configuration)
            let account = try account.map { try Accounts.address($0, default: configuration.domain) }
            var rows: [AdminAnswer.Archive] = []
            var cursor: UInt64?
            repeat {
                guard case .archives(let part, let next) = try asking.ask(.listArchives(account: account, after: cursor)) else {
                    throw Desk.unexpected
                }
                rows += part
                cursor = next
            } while cursor != nil
            if json { return try JSONOutput.say(rows) }
            var table = TextTable(["ACCOUNT", "MESSAGES", "KIB", "SINCE", "KEPT"], numeric: [1, 2])
            for row in rows {
                let kept = row.retention == 0 ? "for ever" : DurationText.write(.milliseconds(row.retention))
                table.add([
                    row.account, "\(row.messages)", "\(row.bytes >> 10)", row.first.map { String($0.prefix(10)) } ?? "-",
                    row.isOwnRetention ? "\(kept) (own)" : kept,
                ])
            }
            Terminal.say(table.text(empty: "There are no accounts yet: martlet user add NAME"))
        }
    }

    struct Retention: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "retention", abstract: "Says how long the messages of one account are kept.",
            discussion: """
                What is older goes within minutes and cannot be brought back. What others have of the same conversation stays.
                  martlet archive retention anna@office.example 30d
                  martlet archive retention anna@office.example forever
                  martlet archive retention anna@office.example default
                """)
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The address: name@domain, or the name alone at the first domain.") var account: String
        @Argument(help: "A time such as 12h or 30d, \"forever\", or \"default\": as everybody's.") var time: String

        func run() throws {
            let configuration = try file.load()
            let account = try Accounts.address(account, default: configuration.domain)
            let milliseconds: Int64? =
                switch time {
                case "default": nil
                case "forever": 0
                default: try Self.milliseconds(time)
                }
            try Asking(configuration: configuration).perform(.setRetention(account: account, milliseconds: milliseconds))
        }

        private static func milliseconds(_ text: String) throws -> Int64 {
            guard let time = DurationText.read(text), time > .zero else {
                throw CommandFailure(
                    "\(text) is not a time: give a number with its unit, such as 12h or 30d, forever, or default")
            }
            return time.milliseconds
        }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Writes the archive of one account into a file (XEP-0227).",
            discussion: "  martlet archive export anna@office.example anna.xml")
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The address: name@domain, or the name alone at the first domain.") var account: String
        @Argument(help: "The file to write; one that is there is replaced.") var path: String

        func run() throws {
            let configuration = try file.load()
            let account = try Accounts.address(account, default: configuration.domain)
            let asking = Asking(configuration: configuration)
            let output = try FileWriting(path)
            do {
                let count = try write(account, asking, to: output)
                try output.finish()
                Terminal.say("\(count) \(count == 1 ? "message" : "messages") written to \(path)")
            } catch {
                output.abandon()
                throw error
            }
        }

        /// Part by part: an archive may be larger than the memory.
        private func write(_ account: String, _ asking: Asking, to output: FileWriting) throws -> Int {
            guard let jid = try? JID(account), let name = jid.localpart else {
                throw CommandFailure("\(account) is not an account")
            }
            try output.write(
                """
                <?xml version='1.0' encoding='UTF-8'?>
                <server-data xmlns='urn:xmpp:pie:0'>
                <host jid='\(jid.domainpart)'>
                <user name='\(name)'>
                <archive xmlns='urn:xmpp:pie:0#mam'>

                """)
            var count = 0
            var cursor: UInt64?
            repeat {
                guard case .archivePart(let results, let next) = try asking.ask(.exportArchive(account: account, after: cursor))
                else { throw Desk.unexpected }
                for result in results { try output.write(result + "\n") }
                count += results.count
                cursor = next
            } while cursor != nil
            try output.write("</archive>\n</user>\n</host>\n</server-data>\n")
            return count
        }
    }
}
