import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// The session processors of a site (RFC 6120 §7, RFC 6121): logins, bound resources, presence, rosters, mailboxes and
/// stream management of all accounts.
///
/// The site owns one and lives as long as it. What must survive a restart is in the store; what is here is what a running
/// server knows besides: who is connected, and what is on its way to them.
public struct Sessions {
    /// A connection of a client.
    enum Connection {
        /// It has logged in to the account and bound no resource yet. An account that has changed meanwhile, or has gone and
        /// belongs to somebody else now, is not the one of that generation.
        case authenticated(account: JID, number: AddressNumber, generation: UInt64)
        case bound(SessionID)
    }

    var sessions = SessionSlab()
    var accounts = OnlineAccounts()
    /// Look-up only.
    var connections: [ConnectionID: Connection] = [:]
    var loginFailures = LoginFailures()
    var registrations = RegistrationRate()
    var recentMessages = RecentMessages()
    /// Messages in the mailboxes of accounts that were touched since the start. Look-up only.
    var mailboxCounts: [AddressNumber: Int] = [:]
    /// When accounts became unavailable, for those that are. Look-up only.
    var departures: [AddressNumber: Instant] = [:]
    /// Peer domains whose links were up or tried since the start.
    var peers: [PeerPresence] = []
    /// Look-up only.
    var peerByPair: [DomainPair: Int] = [:]
    /// Links that are wanted because somebody there was seen.
    var wantedLinks: [DomainPair] = []
    /// The offices as rosters show them.
    var offices: [Office] = []
    /// Roster pushes under way because that list changed.
    var officePushes: OfficePushes?
    /// Sessions that are to be told of offices, in order; and those that can be told as soon as the numbers are known.
    var officeQueue: Deque<SessionID> = []
    var officeQuestions: [SessionID] = []
    /// The timer that takes from the queue is set.
    var hasOfficesTimer = false

    /// Accounts whose owners cancelled them, to be removed before the turn is over.
    var pendingRemovals: [(JID, AddressNumber)] = []
    /// Passwords whose keys are being derived. Look-up only.
    var awaitedKeys: [WorkID: AwaitedKeys] = [:]
    /// How many were asked for since the start.
    var keysRequests: UInt64 = 0
    /// The keys that came for the request in hand.
    var derivedKeys: PasswordKeys?
    /// Sessions over their limit, to be ended before the turn is over.
    var doomed: [SessionID] = []

    /// How many accounts there are.
    public private(set) var accountCount = 0
    /// How many resources are bound, detached ones included.
    public var sessionCount: Int { sessions.count }
    /// How many accounts have a session.
    public var onlineAccountCount: Int { accounts.count }
    /// How many connections have logged in.
    public var connectionCount: Int { connections.count }

    /// No sessions; ``boot(_:)`` follows.
    public init(policy: SitePolicy) {}

    /// After everything else in a batch: what is written once for all of it, in the same transaction.
    public mutating func writeBatch(_ turn: Turn) {
        recentMessages.write(in: turn.store)
    }

    /// A fact about a connection to a client listener.
    public mutating func received(_ event: consuming ClientStreamEvent, on connection: ConnectionID, _ turn: Turn) {
        switch consume event {
        case .credentialsWanted(let localpart, let domain, let mechanism, let address):
            credentialsWanted(localpart, domain, mechanism, address, on: connection, turn)
        case .authenticated(let client):
            clientAuthenticated(client, on: connection, turn)
        case .authenticationFailed(let localpart, let domain, let address):
            authenticationFailed(localpart, domain, address, turn)
        case .registrationRequested(let stanza, let domain):
            registrationRequested(stanza, domain, on: connection, turn)
        case .stanza(let stanza):
            received(stanza, on: connection, turn)
        case .stanzaRefused(let stanza, let error):
            refused(stanza, error, on: connection, turn)
        case .nonza(let element):
            received(element, on: connection, turn)
        case .arrived(let number):
            arrived(number, on: connection, turn)
        case .streamEnded:
            streamEnded(on: connection, turn)
        case .closed:
            connectionLost(connection, turn)
        case .congested:
            // What is waiting in the loop is lost with the connection; the session has its own copies.
            turn.perform(.close(StreamError(.resourceConstraint)), on: connection)
            connectionLost(connection, turn)
        }
        removeCancelled(turn)
        endDoomed(turn)
    }

    /// Changes how many accounts there are.
    mutating func countAccounts(_ difference: Int) { accountCount += difference }

    /// The number of an account that exists.
    func accountNumber(of bare: JID, _ turn: Turn) -> AddressNumber? {
        if let place = accounts.place(of: bare) { return accounts[place].number }
        guard let number = AddressTable.number(of: bare, in: turn.store), AccountTable.exists(number, in: turn.store) else {
            return nil
        }
        return number
    }

    /// The session of a full JID.
    func session(of jid: JID, at place: Int) -> SessionID? {
        accounts[place].sessions.first { sessions[$0].jid.resourcepart == jid.resourcepart }
    }
}
