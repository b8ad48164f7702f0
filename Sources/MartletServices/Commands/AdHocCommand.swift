import MartletBus
import XMPPAddress
import XMPPStanzas

/// One command (XEP-0050): whom it is for, what people read of it, and what it does with a request.
struct AdHocCommand: Sendable {
    /// Whom a command is for.
    enum Audience: Sendable {
        /// Our own people, at their own domain.
        case people
        /// The administrators whom the configuration names, at any of our domains. Nobody else learns that it exists.
        case admins
    }

    /// Its name for programs.
    let node: String
    /// What people read.
    let name: String
    let audience: Audience
    /// Whether it is there under a policy.
    let isOffered: @Sendable (SitePolicy) -> Bool
    /// Takes the first request, and each that follows.
    let take: @Sendable (CommandRequest, Turn) -> CommandReply

    /// Whether somebody may use it.
    func isFor(_ request: Request, _ policy: SitePolicy) -> Bool {
        guard request.session != nil, let asker = request.stanza.from, isOffered(policy) else { return false }
        switch audience {
        case .people: return request.stanza.to?.domainpart == asker.domainpart
        case .admins: return policy.admin.accounts.contains(asker.bare)
        }
    }
}

/// A request for a command, as far as all of them are alike.
struct CommandRequest {
    let request: Request
    /// Who asks, as a bare JID.
    let account: JID
    let node: String
    /// The name of the session, made up for the first request.
    let session: String
    let isFirst: Bool
    /// `execute`, `next` or `complete`.
    let action: CommandAction
    /// What was filled in.
    let form: DataForm?
}

/// What is made of it.
enum CommandReply {
    /// The next stage; the first of the actions is what pressing return does.
    case form(DataForm, actions: [CommandAction])
    /// The end, with words.
    case done(String?)
    /// Somebody else answers.
    case ask(Question)
    case refusal(CommandRefusal)
    case error(StanzaError)
}

/// XEP-0050 §3.3.
enum CommandAction: String, Sendable {
    case execute, next, prev, complete, cancel
}

/// XEP-0050 §4.4: why a request makes no sense.
enum CommandRefusal: String {
    case malformedAction = "malformed-action"
    case badAction = "bad-action"
    case badPayload = "bad-payload"
    case badSession = "bad-sessionid"
}

/// XEP-0050 §3.2.
enum CommandStatus: String {
    case executing, completed, canceled
}

/// Words with an answer.
enum CommandNote {
    case info(String), warn(String), error(String)

    /// The `type`.
    var type: String {
        switch self {
        case .info: "info"
        case .warn: "warn"
        case .error: "error"
        }
    }

    var words: String {
        switch self {
        case .info(let words), .warn(let words), .error(let words): words
        }
    }
}
