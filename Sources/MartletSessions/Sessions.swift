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
        case authenticated(AccountName, generation: UInt64)
        case bound(SessionID)
    }

    var sessions = SessionSlab()
    /// Accounts that have sessions.
    var online = OnlineAccounts()
    /// Look-up only.
    var connections: [ConnectionID: Connection] = [:]
    /// What is in the mailboxes of accounts that were touched since the start. Look-up only.
    var mailboxes: [AddressNumber: Load<UInt64>] = [:]
    /// How often somebody elsewhere has said that he is available: the order in which they said so.
    var heardAvailable: UInt64 = 0
    /// What waits for the answers of accounts that were asked since the start. Look-up only.
    var subscriptionRequests: [AddressNumber: Portions<UInt64>] = [:]
    /// Whose share of such a thing a stanza is.
    var senders = SenderMarks()
    /// When accounts became unavailable, for those that are. Look-up only.
    var departures: [AddressNumber: Instant] = [:]
    /// Peer domains whose links were up or tried since the start.
    var peers = Peers()
    /// Sessions that get copies of the messages of others: where there are none, nobody looks for them.
    var carbonCount = 0
    /// When the server was started.
    var startedAt = Instant(milliseconds: 0)
    /// Roster items that no account owns.
    var shared = SharedRoster()
    /// Roster pushes under way because they changed.
    var sharedPushes: SharedPushes?

    /// Work under way that is too large for one turn, and what this turn may still do of it.
    var jobs = Jobs()
    var slice = Slice()

    /// Clients that are being sent away.
    var farewell: Farewell?
    var farewellsBegun: UInt64 = 0
    var isEndingFarewell = false
    /// All clients were sent away, and not everybody has heard it yet.
    var dismissalAwaitsJobs = false

    /// Sessions whose clients ask for more than they take, to lose their connections before the turn is over.
    var doomed: [SessionID] = []

    /// How many resources are bound, detached ones included.
    public var sessionCount: Int { sessions.count }
    /// How many accounts have a session.
    public var onlineAccountCount: Int { online.count }
    /// How many connections have logged in.
    public var connectionCount: Int { connections.count }

    /// No sessions; ``boot(_:)`` follows.
    public init() {}

    /// A fact about a connection to a client listener.
    public mutating func received(_ event: consuming ClientStreamEvent, on connection: ConnectionID, _ turn: Turn) {
        switch event {
        case .stanza, .stanzaRefused, .nonza, .arrived, .streamEnded: if waits(event, on: connection, turn) { return }
        case .closed, .congested: if leaves(event, on: connection, turn) { return }
        default: break
        }
        handle(consume event, on: connection, turn)
        endDoomed(turn)
    }

    /// The same, now that nothing that was said before is under way.
    mutating func handle(_ event: consuming ClientStreamEvent, on connection: ConnectionID, _ turn: Turn) {
        switch consume event {
        case .stanza(let stanza):
            received(stanza, on: connection, turn)
        case .stanzaRefused(let stanza, let error):
            turn.bill.payer = party(on: connection)
            refused(stanza, error, on: connection, turn)
        case .nonza(let element):
            turn.bill.payer = party(on: connection)
            received(element, on: connection, turn)
        case .spent:
            turn.bill.payer = party(on: connection)
        case .arrived(let number):
            turn.bill.payer = party(on: connection)
            turn.bill.isPaid = true
            arrived(number, on: connection, turn)
        case .streamEnded:
            turn.bill.payer = party(on: connection)
            streamEnded(on: connection, turn)
        case .closed:
            turn.bill.payer = party(on: connection)
            connectionLost(connection, turn)
        case .congested:
            // What is waiting in the loop is lost with the connection; the session has its own copies.
            turn.perform(.close(StreamError(.resourceConstraint)), on: connection)
            connectionLost(connection, turn)
        case .registrationRequested(let stanza, let domain, let address, _):
            turn.notify(.registrationRequested(stanza, domain: domain, address, connection))
        case .credentialsWanted, .authenticated, .tokenShown, .authenticationFailed: break  // accounts decide
        }
    }

    /// Who pays for what is said on a connection: the account that has logged in there.
    public func party(on connection: ConnectionID) -> Party? {
        switch connections[connection] {
        case .authenticated(let account, _): .account(account.number)
        case .bound(let id): .account(sessions[id].accountNumber)
        case nil: nil
        }
    }

    /// Whether a client has logged in on this connection.
    public func hasLoggedIn(_ connection: ConnectionID) -> Bool { connections[connection] != nil }

    /// The number of an account that exists; quick for one that has a session.
    public func accountNumber(of bare: JID, _ turn: Turn) -> AddressNumber? {
        if let place = online.place(of: bare) { return online[place].number }
        return AccountTable.number(of: bare, in: turn.store)
    }

    /// The full JID of a session, if it is still there.
    public func jid(of id: SessionID) -> JID? { sessions.contains(id) ? sessions[id].jid : nil }

    /// A session as the origin of what it sends.
    func origin(of id: SessionID) -> Origin {
        .session(SessionOrigin(id, account: sessions[id].accountNumber, isManaged: sessions[id].management != nil))
    }

    /// The session of a full JID.
    func session(of jid: JID, at place: OnlinePlace) -> SessionID? {
        online[place].sessions.first { sessions[$0].jid.resourcepart == jid.resourcepart }
    }
}
