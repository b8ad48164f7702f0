import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Where a stanza came from, for rules that depend on it. Never assumed: whoever hands a stanza to the bus says it.
public enum Origin: Sendable, Equatable {
    /// A client's session on this site. What the site sends in its name (its presence to each contact) keeps it.
    case session(SessionOrigin)
    /// A connection that has logged in and bound no resource yet: all it may do is bind, or see to its account.
    case login(ConnectionID, AccountName)
    /// The site on behalf of an account, whoever of its sessions is there: subscriptions, answers to probes.
    case account
    /// A stream that another server opened to us.
    case peer(ConnectionID, DomainPair)
    /// The stream of a component of this site, with its domain.
    case component(ConnectionID, JID)
    /// A bundle that another site made and an operator brought.
    case bundle(DomainPair)
    /// A service's answer or news.
    case service
    /// A room: what it says in the name of its occupants, or of itself. Who cannot take it may be told no more.
    case room
    /// The site itself: errors in answer to what could not be delivered.
    case site

    /// Whether a client of this site sent the stanza.
    public var isSession: Bool { if case .session = self { true } else { false } }
    /// Who has caused what comes from there.
    public var party: Party {
        switch self {
        case .session(let origin): .account(origin.account)
        case .login(_, let account): .account(account.number)
        case .peer(_, let pair), .bundle(let pair): .peer(pair.peer)
        case .component(_, let domain): .peer(domain)
        case .account, .service, .room, .site: .site
        }
    }
    /// Whether it came from another server or a component, on a stream of its own.
    public var isPeer: Bool {
        switch self {
        case .peer, .component: true
        case .session, .login, .account, .bundle, .service, .room, .site: false
        }
    }
}

/// A session as the one that a stanza came from.
public struct SessionOrigin: Sendable, Equatable {
    /// The session.
    public var session: SessionID
    /// Its account.
    public var account: AddressNumber
    /// It has stream management (XEP-0198): its client is told what was taken over, and sends again what was not.
    public var isManaged: Bool

    /// The session `session` of `account`.
    public init(_ session: SessionID, account: AddressNumber, isManaged: Bool) {
        self.session = session
        self.account = account
        self.isManaged = isManaged
    }
}

/// An account that exists.
public struct AccountName: Sendable, Equatable {
    /// The bare JID.
    public var jid: JID
    /// The account's number in the store.
    public var number: AddressNumber

    /// The account `jid`, which has `number` in the store.
    public init(_ jid: JID, _ number: AddressNumber) {
        self.jid = jid
        self.number = number
    }
}

/// A stanza on its way through the site: what travels from whoever takes it in to whoever owns its address.
///
/// Made once, by ``Turn/admit(_:from:)`` for what came from outside and by ``Turn/route(_:from:)`` for what the site says itself; nobody
/// parses or serialises it on the way.
public struct Envelope: Sendable, Equatable {
    /// The stanza. Without `to` it is for the sender's own account (RFC 6120 §10.3).
    public var stanza: Stanza
    /// Where it came from.
    public let origin: Origin
    /// Where it entered the site; nil for what the site says itself.
    public let entrance: Checkpoint?
    /// Whose archives it is to stand in: whoever writes it to the log says so there. Decided when the interceptors have spoken.
    public var archives: ArchiveOwners?

    /// Its row in the log, where it was written there before: a room's message, which all its occupants share. The row says nobody in `to`.
    public var logSequence: UInt64?

    /// The last of its kind is told anew with presence: over a line that is down it does not wait.
    public var isNews = false

    /// `stanza` as it came from `origin`; with `entrance` it came from outside.
    public init(_ stanza: Stanza, from origin: Origin, entrance: Checkpoint? = nil) {
        self.stanza = stanza
        self.origin = origin
        self.entrance = entrance
    }
}
