import MartletAdmin
import MartletConfiguration

/// Puts a command to the site of a configuration: to the running node over its control socket, or, where none runs, to
/// its store.
struct Asking {
    let configuration: SiteConfiguration

    /// The answer; a refusal is thrown.
    func ask(_ request: AdminRequest) throws -> AdminAnswer {
        let answer: AdminAnswer
        if let running = try AdminClient(path: configuration.controlSocket).ask(request) {
            answer = running
        } else if let command = try request.command() {
            let site = try LocalSite(configuration)
            answer = AdminAnswer(site.ask(command))
            site.close()
        } else {
            throw CommandFailure("the node is not running: start it with martlet serve")
        }
        if case .refused(let words) = answer { throw CommandFailure(words) }
        return answer
    }

    /// Asks for something to be done and says the answer's words.
    func perform(_ request: AdminRequest) throws {
        guard case .done(let words) = try ask(request) else { throw CommandFailure("the node answered something else") }
        Terminal.say(words)
    }
}
