import ArgumentParser
import MartletAdmin
import XMPPAddress

/// `martlet user …`: accounts.
struct UserCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Adds, changes, removes and lists accounts.",
        subcommands: [Add.self, Password.self, Remove.self, Disable.self, Enable.self, Clear.self, List.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Makes an account.",
            discussion: """
                The password is asked for on a terminal, else it is the first line of standard input:
                  martlet user add anna@office.example
                  pwgen -s 20 1 | martlet user add anna@office.example
                """)
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The address: name@domain, or the name alone at the first domain.") var account: String

        func run() throws {
            let configuration = try file.load()
            let account = try Accounts.address(account, at: configuration.domains)
            let keys = try Passwords.keys(for: Terminal.newPassword(for: account))
            try Asking(configuration: configuration).perform(.addUser(account: account, keys: AdminKeys(keys)))
        }
    }

    struct Password: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "passwd", abstract: "Changes an account's password.",
            discussion: """
                The password is asked for on a terminal, else it is the first line of standard input:
                  martlet user passwd anna@office.example
                """)
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The address: name@domain, or the name alone at the first domain.") var account: String

        func run() throws {
            let configuration = try file.load()
            let account = try Accounts.address(account, at: configuration.domains)
            let keys = try Passwords.keys(for: Terminal.newPassword(for: account))
            try Asking(configuration: configuration).perform(.changePassword(account: account, keys: AdminKeys(keys)))
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Removes an account with its roster and waiting messages.",
            discussion: "  martlet user remove anna@office.example")
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The address: name@domain, or the name alone at the first domain.") var account: String

        func run() throws {
            let configuration = try file.load()
            // Accounts of a domain that is not served any more can be removed too.
            let account = try Accounts.address(account, default: configuration.domain)
            try Asking(configuration: configuration).perform(.removeUser(account: account))
        }
    }

    struct Disable: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "disable", abstract: "Ends an account's sessions and lets nobody log in to it; what it has stays.",
            discussion: "  martlet user disable anna@office.example")
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The address: name@domain, or the name alone at the first domain.") var account: String

        func run() throws {
            let configuration = try file.load()
            let account = try Accounts.address(account, default: configuration.domain)
            try Asking(configuration: configuration).perform(.disableUser(account: account))
        }
    }

    struct Enable: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "enable", abstract: "Lets an account that was disabled log in again.",
            discussion: "  martlet user enable anna@office.example")
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The address: name@domain, or the name alone at the first domain.") var account: String

        func run() throws {
            let configuration = try file.load()
            let account = try Accounts.address(account, default: configuration.domain)
            try Asking(configuration: configuration).perform(.enableUser(account: account))
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists the accounts.")
        @OptionGroup var file: ConfigurationOption
        @Flag(help: "Print JSON for programs instead of a table for people.") var json = false

        func run() throws {
            guard case .users(let rows) = try Asking(configuration: file.load()).ask(.listUsers) else { return }
            if json { return try JSONOutput.say(rows) }
            let areDisabled = rows.contains(where: \.isDisabled)
            var table = TextTable(["ACCOUNT", "SESSIONS", "WAITING"] + (areDisabled ? ["STATE"] : []), numeric: [1, 2])
            for row in rows {
                let state = areDisabled ? [row.isDisabled ? "disabled" : ""] : []
                table.add([row.account, "\(row.sessions)", "\(row.waiting)"] + state)
            }
            Terminal.say(table.text(empty: "There are no accounts yet: martlet user add NAME"))
        }
    }
}

/// Addresses as people type them.
enum Accounts {
    /// `name`, which is at the first of the domains, or `name@domain` with one of them; prepared.
    static func address(_ text: String, at domains: [String]) throws -> String {
        let account = try jid(text, default: domains[0])
        guard domains.contains(account.domainpart) else {
            throw CommandFailure("this site serves \(listed(domains)), not \(account.domainpart)")
        }
        return account.description
    }

    /// `name` or `name@domain`, prepared; the domain may be any.
    static func address(_ text: String, default domain: String) throws -> String {
        try jid(text, default: domain).description
    }

    private static func jid(_ text: String, default domain: String) throws -> JID {
        do {
            let jid = try text.contains("@") ? JID(text) : JID(localpart: text, domainpart: domain)
            guard jid.localpart != nil, jid.isBare else { throw CommandFailure("\(text) is not of the form name@domain") }
            return jid
        } catch is JIDError {
            throw CommandFailure("\(text) is not an address: give name@domain, or the name alone")
        }
    }
}
