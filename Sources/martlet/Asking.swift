import MartletAdmin
import MartletConfiguration

/// Puts commands to the site of a configuration: to the running node over its control socket, or, where none runs, to
/// its store, which stays open from the first question to the last.
final class Asking {
    let configuration: SiteConfiguration
    private var local: LocalSite?

    init(configuration: SiteConfiguration) {
        self.configuration = configuration
    }

    deinit { local?.close() }

    /// Whether a node answered; known after the first question.
    private(set) var isRunning = false

    /// The answer; a refusal is thrown.
    func ask(_ request: AdminRequest) throws -> AdminAnswer {
        let answer: AdminAnswer
        if local == nil, let running = try AdminClient(path: configuration.controlSocket).ask(request) {
            isRunning = true
            answer = running
        } else if let command = try request.command(), !request.needsNetwork {
            let site = try local ?? LocalSite(configuration)
            local = site
            answer = AdminAnswer(site.ask(command))
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

extension AdminRequest {
    /// Means nothing while the node is stopped.
    fileprivate var needsNetwork: Bool {
        switch self {
        case .retryLinks, .drain, .reload, .limits: true
        default: false
        }
    }
}
