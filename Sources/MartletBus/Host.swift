import XMPPAddress

/// One of the domains that a site serves, and what lives there.
public struct Host: Sendable, Hashable {
    /// What lives at a domain.
    public enum Kind: String, Sendable, CaseIterable {
        /// Accounts and their sessions.
        case people
        /// Rooms (XEP-0045).
        case rooms
        /// Nodes that anybody may be subscribed to (XEP-0060).
        case pubsub
        /// Files on their way (XEP-0363).
        case upload
        /// Bytestreams between clients (XEP-0065).
        case proxy
        /// Whatever a component makes of it, a process of its own (XEP-0114).
        case component

        /// The category and type of such a host in service discovery (XEP-0030 §3.1).
        public var identity: (category: String, type: String) {
            switch self {
            case .people: ("server", "im")
            case .rooms: ("conference", "text")
            case .pubsub: ("pubsub", "service")
            case .upload: ("store", "file")
            case .proxy: ("proxy", "bytestreams")
            case .component: ("component", "generic")
            }
        }
    }

    /// The domain.
    public var domain: JID
    /// What lives there.
    public var kind: Kind

    /// The host of that kind at `domain`.
    public init(_ domain: JID, _ kind: Kind = .people) {
        self.domain = domain
        self.kind = kind
    }
}

/// Who decides what becomes of a stanza to an address: the most specific that there is (RFC 6120 §10.3 to §10.5).
public enum Owner: Sendable, Equatable {
    /// A session of an account here, by its full JID.
    case session
    /// An account here, by its bare JID.
    case account
    /// One of our domains, or whatever lives below one that has no accounts.
    case host(Host)
    /// A component of this site, for everybody at its domain.
    case component
    /// Another server: the default.
    case peer

    /// Whether what is sent there leaves the process, over a link.
    public var isElsewhere: Bool { self == .peer || self == .component }
}

extension SitePolicy {
    /// The host at a domain; nil where it is none of ours.
    public func host(_ domainpart: String) -> Host? { hosts.first { $0.domain.domainpart == domainpart } }

    /// Whether `domain` is one of ours, and nobody else may speak for it.
    public func serves(_ domainpart: String) -> Bool { hosts.contains { $0.domain.domainpart == domainpart } }

    /// Whether what there is at `domain` is in this process: it is one of ours, and not a component's.
    public func houses(_ domainpart: String) -> Bool {
        hosts.contains { $0.domain.domainpart == domainpart && $0.kind != .component }
    }

    /// Whether a component has `domain`.
    public func isComponent(_ domainpart: String) -> Bool { host(domainpart)?.kind == .component }

    /// The domains whose people live here.
    public var peoplesDomains: [JID] { hosts.filter { $0.kind == .people }.map(\.domain) }

    /// Whether people may have accounts at `domain`.
    public func hasPeople(at domainpart: String) -> Bool { host(domainpart)?.kind == .people }

    /// Who decides about stanzas to `address`.
    public func owner(of address: JID) -> Owner {
        for index in hosts.indices where hosts[index].domain.domainpart == address.domainpart {
            if hosts[index].kind == .component { return .component }
            guard hosts[index].kind == .people, address.localpart != nil else { return .host(hosts[index]) }
            return address.isFull ? .session : .account
        }
        return .peer
    }
}
