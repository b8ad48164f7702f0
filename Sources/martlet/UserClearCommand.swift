import ArgumentParser
import MartletAdmin
import MartletBus

extension UserCommand {
    /// `martlet user clear …`: what waits for an account is taken away.
    struct Clear: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "clear", abstract: "Removes what waits for an account; whoever sent it is told.",
            discussion: """
                Messages that nobody has read go back to their senders as not delivered; those on their way to a client stay.
                Subscription requests are declined.
                  martlet user clear anna@office.example --messages
                  martlet user clear anna@office.example --messages --subscriptions --yes
                """)
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The address: name@domain, or the name alone at the first domain.") var account: String
        @Flag(help: "Messages in the mailbox.") var messages = false
        @Flag(help: "Subscription requests that were not answered.") var subscriptions = false
        @Flag(help: "Do it without asking.") var yes = false

        func validate() throws {
            guard messages || subscriptions else {
                throw ValidationError("say what is to be removed: --messages, --subscriptions, or both")
            }
        }

        func run() throws {
            let configuration = try file.load()
            let account = try Accounts.address(account, default: configuration.domain)
            let asking = Asking(configuration: configuration)
            for what in Clearance.allCases where what == .messages ? messages : subscriptions {
                let name = what == .messages ? "messages" : "subscription requests"
                let (count, bytes) = try all(what, of: account, isRehearsal: true, asking)
                guard count > 0 else {
                    Terminal.say("No \(name) wait for \(account).")
                    continue
                }
                try Terminal.confirm("\(count) \(name), \(words(bytes: bytes)), wait for \(account). Remove them?", yes: yes)
                let (done, size) = try all(what, of: account, isRehearsal: false, asking)
                Terminal.say("Removed \(done) \(name), \(words(bytes: size)); their senders were told.")
            }
        }

        /// Asks part by part, so that the node does not stand still for all of it.
        private func all(
            _ what: Clearance, of account: String, isRehearsal: Bool, _ asking: Asking
        ) throws -> (count: Int, bytes: Int) {
            var sum = (count: 0, bytes: 0)
            var next: UInt64? = 0
            while let after = next {
                let request = AdminRequest.clear(account: account, what: what.rawValue, after: after, isRehearsal: isRehearsal)
                guard case .cleared(let part) = try asking.ask(request) else { throw Desk.unexpected }
                sum.count += part.count
                sum.bytes += part.bytes
                next = part.next
            }
            return sum
        }
    }
}
