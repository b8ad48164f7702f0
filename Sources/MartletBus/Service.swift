import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What a service says about itself: everything that is published, and what it is asked for. Service discovery and the routing of
/// requests are sums of these; number, name and version of its specification stand in the first line of its file, from which
/// `Docs/reference/xeps.md` and `Docs/martlet.doap` are made.
public struct ServiceDeclaration: Sendable {
    /// What can be asked about in service discovery (XEP-0030).
    public enum Subject: Sendable, Equatable {
        /// An account.
        case account
        /// A host of that kind.
        case host(Host.Kind)

        /// The hosts of every kind.
        public static let everyHost: [Subject] = Host.Kind.allCases.map { .host($0) }
    }

    /// A feature that is published (XEP-0030 §3).
    public struct Feature: Sendable {
        /// The `var` of the feature.
        public var name: String
        /// Whose feature it is.
        public var subjects: [Subject]
        /// Whether it is there under a policy.
        public var isOffered: @Sendable (SitePolicy) -> Bool

        /// The feature `name` of `subjects`.
        public init(
            _ name: String, of subjects: [Subject], when isOffered: @escaping @Sendable (SitePolicy) -> Bool = { _ in true }
        ) {
            self.name = name
            self.subjects = subjects
            self.isOffered = isOffered
        }
    }

    /// What a subject is (XEP-0030 §3.1), beside what it is anyway.
    public struct Identity: Sendable {
        /// Of whom.
        public var subject: Subject
        /// The category.
        public var category: String
        /// The type within it.
        public var type: String
        /// Whether it is that under a policy.
        public var isOffered: @Sendable (SitePolicy) -> Bool

        /// That identity.
        public init(
            _ category: String, _ type: String, of subject: Subject,
            when isOffered: @escaping @Sendable (SitePolicy) -> Bool = { _ in true }
        ) {
            self.category = category
            self.type = type
            self.subject = subject
            self.isOffered = isOffered
        }
    }

    /// A form in the answer to a disco#info request (XEP-0128).
    public struct Form: Sendable {
        /// Whose form it is.
        public var subjects: [Subject]
        /// The form under a policy; nil where there is nothing to say.
        public var make: @Sendable (SitePolicy) -> Element?

        /// The form that `make` makes.
        public init(of subjects: [Subject], _ make: @escaping @Sendable (SitePolicy) -> Element?) {
            self.subjects = subjects
            self.make = make
        }
    }

    /// What it is called, for people who look for it: the name of its type.
    public var name: String
    /// What is published of it.
    public var features: [Feature]
    /// What a subject is beside what it is anyway.
    public var identities: [Identity]
    /// What else the answer to a disco#info request says.
    public var forms: [Form]
    /// The requests that it answers.
    public var requests: [RequestPattern]
    /// Where it looks on; the interceptors have spoken by then.
    public var watches: [Checkpoint]

    /// The service `name`.
    public init(
        _ name: String, features: [Feature] = [], identities: [Identity] = [], forms: [Form] = [],
        requests: [RequestPattern] = [],
        watches: [Checkpoint] = []
    ) {
        self.name = name
        self.features = features
        self.identities = identities
        self.forms = forms
        self.requests = requests
        self.watches = watches
    }
}

/// To whom a request goes, as seen from whoever asks.
public struct RequestScope: OptionSet, Sendable, Hashable {
    /// One bit for each.
    public let rawValue: UInt8
    /// The set of these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The own account, by one of its sessions.
    public static let ownAccount = RequestScope(rawValue: 1)
    /// The account of a contact, who lets the asker see its presence.
    public static let contact = RequestScope(rawValue: 2)
    /// Somebody else's account, or none: that it exists is nobody's business (XEP-0030 §8).
    public static let stranger = RequestScope(rawValue: 4)
    /// One of our domains.
    public static let host = RequestScope(rawValue: 8)
    /// The own account, by a connection that has logged in and bound no resource.
    public static let login = RequestScope(rawValue: 16)
    /// A room.
    public static let room = RequestScope(rawValue: 32)
}

/// Which requests a service answers.
public struct RequestPattern: Sendable {
    /// The payload's element.
    public var element: String
    /// The payload's namespace.
    public var namespace: String
    /// `get`, `set` or either.
    public var types: [IQType]
    /// To whom they go.
    public var scopes: RequestScope
    /// At which kinds of hosts, for requests to a domain.
    public var hosts: [Host.Kind]

    /// Requests with the payload `element` in `namespace`.
    public init(
        _ element: String, _ namespace: String, _ types: [IQType], to scopes: RequestScope, at hosts: [Host.Kind] = [.people]
    ) {
        self.element = element
        self.namespace = namespace
        self.types = types
        self.scopes = scopes
        self.hosts = hosts
    }

    /// Whether a request is one of these; its element and namespace were compared before.
    func matches(_ request: Request) -> Bool {
        guard types.contains(request.type), !scopes.isDisjoint(with: request.scope) else { return false }
        guard request.scope == .host, let host = request.host else { return true }
        return hosts.contains(host.kind)
    }
}

/// An IQ request on its way to the service that answers it: a get or a set with exactly one payload (RFC 6120 §8.2.3).
public struct Request: Sendable {
    /// The request as it was sent.
    public let envelope: Envelope
    /// `get` or `set`.
    public let type: IQType
    /// Its one payload.
    public let payload: Element
    /// To whom it goes, one of the set.
    public let scope: RequestScope
    /// The account that it is about; nil for a request to a domain, or to an account that does not exist.
    public let account: AccountName?
    /// The host that it is about, or at which the room is; nil for a request to an account.
    public let host: Host?

    /// The request in `envelope`; nil where it is no request with one payload.
    public init?(_ envelope: Envelope, scope: RequestScope, account: AccountName?, host: Host?) {
        guard let type = envelope.stanza.iqType, type.isRequest else { return nil }
        let payloads = envelope.stanza.payloads
        guard payloads.count == 1 else { return nil }
        self.envelope = envelope
        self.type = type
        payload = payloads[0]
        self.scope = scope
        self.account = account
        self.host = host
    }

    /// The stanza.
    public var stanza: Stanza { envelope.stanza }

    /// The session that asks; nil where somebody else does.
    public var session: SessionOrigin? {
        if case .session(let origin) = envelope.origin { origin } else { nil }
    }
}

/// What a service makes of a request.
public enum Answer: Sendable {
    /// Done; with a payload where there is something to tell.
    case result(Element? = nil)
    /// Not done. The second element is the service's own condition beside that of RFC 6120 (§8.3.2).
    case error(StanzaError, Element? = nil)
    /// Not done, about what is shown beside the error (RFC 6120 §8.3.1).
    case refusal(of: Element, StanzaError)
    /// Another part has to be asked before.
    case ask(Question)
    /// It is answered by other means.
    case later
}

/// The declarations of all services of a site.
public struct ServiceCatalogue: Sendable {
    /// In the order of the list.
    public let declarations: [ServiceDeclaration]
    /// By namespace and element: services and their patterns, in the order of the list. Look-up only.
    private let byPayload: [Payload: [(service: Int, pattern: RequestPattern)]]

    private struct Payload: Hashable {
        var namespace: String
        var element: String
    }

    /// The catalogue of these services.
    public init(_ declarations: [ServiceDeclaration]) {
        self.declarations = declarations
        var byPayload: [Payload: [(service: Int, pattern: RequestPattern)]] = [:]
        for (index, declaration) in declarations.enumerated() {
            for pattern in declaration.requests {
                byPayload[Payload(namespace: pattern.namespace, element: pattern.element), default: []].append((index, pattern))
            }
        }
        self.byPayload = byPayload
    }

    /// The service that answers a request, by its place in the list; nil where none does.
    public func service(for request: Request) -> Int? {
        let payload = Payload(namespace: request.payload.namespace, element: request.payload.name)
        return byPayload[payload]?.first { $0.pattern.matches(request) }?.service
    }

    /// The services that look on at a place, in the order of the list.
    public func observers(at checkpoint: Checkpoint) -> [Int] {
        declarations.indices.filter { declarations[$0].watches.contains(checkpoint) }
    }

    /// The features of a subject, sorted.
    public func features(of subject: ServiceDeclaration.Subject, policy: SitePolicy) -> [String] {
        declarations.flatMap(\.features).filter { $0.subjects.contains(subject) && $0.isOffered(policy) }.map(\.name).sorted()
    }

    /// What a subject is beside what it is anyway.
    public func identities(of subject: ServiceDeclaration.Subject, policy: SitePolicy) -> [ServiceDeclaration.Identity] {
        declarations.flatMap(\.identities).filter { $0.subject == subject && $0.isOffered(policy) }
    }

    /// What else is said about a subject.
    public func forms(of subject: ServiceDeclaration.Subject, policy: SitePolicy) -> [Element] {
        declarations.flatMap(\.forms).filter { $0.subjects.contains(subject) }.compactMap { $0.make(policy) }
    }
}
