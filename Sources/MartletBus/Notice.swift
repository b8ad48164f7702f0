import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// A fact that one part of the site tells the others: parts never call one another. Worked off by the site in the order in which they
/// were told, when no stanza is left to be routed.
public enum Notice: Sendable, Equatable {
    // From federation

    /// What became of a link.
    case linkChanged(LinkChange)

    // From sessions

    /// The line to a peer is another to its people than before; until this is told it was not reached.
    case lineChanged(DomainPair, LineState)
    /// A session is available and has asked for the roster, or has just got it anew: it can be shown what no account owns. With
    /// `isRestored` it was there before the server was started, and asks for nothing.
    case sessionBecameReady(SessionID, JID, AccountName, isRestored: Bool)
    /// A session is unavailable or gone.
    case sessionLeft(SessionID)
    /// A resource here says what it can, in this presence.
    case capabilitiesHeard(Stanza, AccountName, Hearing)
    /// A resource here is unavailable or gone.
    case resourceLeft(JID)
    /// An account has another picture, by its hash, or none.
    case pictureChanged(AccountName, hash: String?)
    /// An account has given up a contact of its own.
    case contactRemoved(AccountName, contact: JID)

    /// Whether a session has room for a long answer: told once for each ``Question/roomForAnswer(_:)``, when it has, or is gone.
    case roomForAnswer(SessionID, isThere: Bool)

    /// The server stops: all clients have been sent away.
    case sessionsDismissed

    // From accounts

    /// A client proved itself to be that account, as it is in this generation; with what it wants besides, and is to be told.
    case clientAdmitted(ConnectionID, AccountName, generation: UInt64, Admission?)
    /// The owner of an account has taken away the access of one of its clients.
    case clientRevoked(AccountName, ClientKey)
    /// An account has another password; `by` is the connection without session that has chosen it, which goes on.
    case passwordChanged(AccountName, generation: UInt64, by: ConnectionID?)
    /// An account is gone, with everything that it had.
    case accountRemoved(AccountName)
    /// A room is gone, with everything that it had.
    case roomRemoved(AccountName)
    /// An account may not log in any more.
    case accountDisabled(AccountName)
    /// The keys that an administrator's order waits for, or nil where they cannot be had now.
    case orderedKeys(UInt64, PasswordKeys?)
    /// A request that had to wait for keys can be handled now, as if it had just come.
    case requestReady(Stanza, ConnectionID)

    // From sessions

    /// A request on a connection that is bound had to wait for what was said before it; accounts decide now.
    case registrationRequested(Stanza, domain: JID, RemoteAddress, ConnectionID)

    /// A session has lost its connection, and has not acknowledged so many messages.
    case sessionDetached(JID, unread: Int)

    // From blocking

    /// A session asked what its account has blocked: it is told of changes from now on.
    case blocksAsked(SessionID)
    /// An account has blocked addresses, or does so no longer.
    case blocksChanged(AccountName, BlockChange)

    // From sources of roster items

    /// A source says anew what stands in rosters beside the accounts' own contacts.
    case sharedItemsChanged(RosterSource, [SharedRosterItem])
}

/// A change of what an account has blocked.
public struct BlockChange: Sendable, Equatable {
    /// They are blocked now; else they are not any more.
    public var isBlocked: Bool
    /// These addresses, as far as that is new.
    public var addresses: [JID]
    /// What sessions are told that have asked.
    public var push: Element
    /// The session that has done it, and does nothing else until everybody knows.
    public var session: SessionID

    /// That change.
    public init(isBlocked: Bool, addresses: [JID], push: Element, session: SessionID) {
        self.isBlocked = isBlocked
        self.addresses = addresses
        self.push = push
        self.session = session
    }
}

/// Why what a resource says of what it can is told.
public enum Hearing: Sendable, Equatable {
    /// It has become available, or is shown anew what it may have missed.
    case arrived
    /// It was available before.
    case changed
    /// It was there before the server was started.
    case restored
}

/// The line to a peer, as people are told of it.
public enum LineState: Sendable, Equatable {
    /// Whoever is there can be reached.
    case up
    /// Nobody there can be reached, since then.
    case cut(since: WallTime)
    /// It was not up since the start of the server: how things are there is not known, so nobody is called available.
    case unreached
}

/// What one part of the site wants to have from another, or done by it.
public enum Question: Sendable, Equatable {
    /// Somebody there was seen, or is waited for: a link that is not up is tried.
    case reachPeer(DomainPair)
    /// How many messages of an account wait for these peers; answered to the session that is shown the offices.
    case waitingMessages(SessionID, of: JID, on: [DomainPair])
    /// Somebody writes to an office, whose contact answers how things are there and how many of his messages wait.
    case officeAnswer(to: Stanza, SessionID, on: DomainPair)
    /// Messages of the requester that wait for other offices: these are cancelled, or all are listed.
    case ownEntries(QueueQuestion)
    /// An administrator wants something.
    case administer(AdminQuestion)
    /// The keys of a password that an administrator has chosen; see ``Notice/orderedKeys(_:_:)``.
    case orderKeys(UInt64, password: [UInt8], admin: AddressNumber)
    /// Somebody has a long answer for a session, which may have more on its way than it should; see ``Notice/roomForAnswer(_:isThere:)``.
    case roomForAnswer(SessionID)
    /// What was said last in a room, for somebody who has entered it.
    case roomHistory(RoomHistoryQuestion)
    /// Which of these sessions there are; the others are in no room any more.
    case roomSessions(room: AddressNumber, [JID])
    /// These stanzas go to a session, in this order, if it is still there. Nothing of it is kept on disk.
    case longAnswer(SessionID, [Stanza])
}

/// What somebody who enters a room wants to be told of what was said before (XEP-0045 §7.2.14).
public struct RoomHistoryQuestion: Sendable, Equatable {
    /// The room.
    public var room: AddressNumber
    /// Who has entered, by his number in the room.
    public var occupant: UInt64
    /// Messages at most.
    public var stanzas: Int
    /// Characters of them at most, as XML.
    public var characters: Int?
    /// Nothing from before.
    public var since: WallTime?

    /// That question.
    public init(room: AddressNumber, occupant: UInt64, stanzas: Int) {
        self.room = room
        self.occupant = occupant
        self.stanzas = stanzas
    }
}

/// A request of the queue command that only federation can answer.
public struct QueueQuestion: Sendable, Equatable {
    /// The request.
    public var request: Stanza
    /// Whose messages.
    public var account: JID
    /// The `sessionid` of the answer.
    public var session: String
    /// Entries to cancel; none for a list.
    public var cancelled: [String]

    /// That question.
    public init(request: Stanza, account: JID, session: String, cancelled: [String]) {
        self.request = request
        self.account = account
        self.session = session
        self.cancelled = cancelled
    }
}

/// Who puts items into everybody's roster beside the contacts that an account has itself.
public enum RosterSource: UInt8, Sendable, CaseIterable {
    /// The company's other offices.
    case offices = 1
}

/// A roster item that no account owns (RFC 6121 §2.1.2): it can be seen and not be changed. Its subscription is `to`: the account sees
/// it and not the other way round.
public struct SharedRosterItem: Sendable, Hashable {
    /// The contact's bare JID.
    public var jid: JID
    /// What people call it.
    public var name: String
    /// The roster group.
    public var group: String

    /// That item.
    public init(jid: JID, name: String, group: String) {
        self.jid = jid
        self.name = name
        self.group = group
    }
}
