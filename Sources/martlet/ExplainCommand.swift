import ArgumentParser
import MartletAdmin

/// `martlet explain`: the way that a stanza would take.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Says which rules would judge a stanza from one address to another, and who would get it.",
        discussion: """
            The rules are those that the configuration names (interceptors in [site]);
            beside each stands what it has stopped since the start. Nothing is sent.

              martlet explain anna@office.example bob@other.example
            """)
    @OptionGroup var file: ConfigurationOption
    @Argument(help: "The sender's address.") var from: String
    @Argument(help: "The addressee's.") var to: String

    func run() throws {
        guard case .explanation(let lines) = try Asking(configuration: file.load()).ask(.explain(from: from, to: to)) else {
            return
        }
        for line in lines { Terminal.say(line) }
    }
}
