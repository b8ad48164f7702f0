import ArgumentParser
import MartletAdmin

/// `martlet invite`: a link with which somebody makes an account.
struct InviteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite", abstract: "Makes a link with which one person makes an account, in a client of his choice.",
        discussion: """
            The link is good once. With a name, the account has that name, and nobody else gets it meanwhile:
              martlet invite anna@office.example
              martlet invite --days 30

            A client that opens xmpp: links asks for nothing but a password: Conversations, Dino, Gajim.
            """)
    @OptionGroup var file: ConfigurationOption
    @Option(help: "How many days it is good for, 1 to 366.") var days = 7
    @Argument(help: "The address: name@domain, the name alone at the first domain, or nothing: the guest chooses.")
    var account: String?
    @Option(help: "The domain, where the guest chooses the name. Default: the first one.") var domain: String?

    func validate() throws {
        guard (1...366).contains(days) else { throw ValidationError("--days: expected 1 to 366, found \(days)") }
        guard account == nil || domain == nil else {
            throw ValidationError("an address has a domain already: leave --domain out")
        }
    }

    func run() throws {
        let configuration = try file.load()
        let address = try account.map { try Accounts.address($0, at: configuration.domains) }
        let request = AdminRequest.invite(address: address ?? domain ?? configuration.domain, days: days)
        try Asking(configuration: configuration).perform(request)
    }
}
