import XMPPAddress

/// Everything that fires later, by the part of the site that set it. Timers are data: a stale one meets a newer generation and does
/// nothing.
public enum SiteTimer: Sendable, Equatable {
    /// Of sessions, rosters and presence.
    case session(SessionTimer)
    /// Of links and their queues.
    case link(LinkTimer)
    /// Of the offices as contacts.
    case offices(OfficesTimer)
    /// Of nodes and their news.
    case pubsub(PubSubTimer)
    /// Of rooms.
    case rooms(RoomsTimer)
    /// Of the archives.
    case archive(ArchiveTimer)
    /// Of uploaded files.
    case uploads(UploadTimer)
    /// Of what administrators have ordered.
    case administration(AdministrationTimer)
    /// The next slice of stanzas to many addresses.
    case multicast
    /// The next slice of what is forgotten of people elsewhere.
    case lastKnown
    /// Senders are to be told of messages that came back.
    case bounces
    /// Site time is to be noted in the store.
    case clockMark
}

/// What sessions wait for.
public enum SessionTimer: Sendable, Equatable {
    /// A detached session's time to resume is over.
    case expired(SessionID, generation: UInt64)
    /// A session is to be asked for an acknowledgement.
    case ask(SessionID)
    /// A session has not given the acknowledgement that it was asked for.
    case answer(SessionID)
    /// The presence of a peer's people: its grace is over, a slice is due, or answers should have come.
    case peerPresence(PeerPresenceTimer, peer: PeerPlace, generation: UInt64)
    /// Whoever was asked for a last acknowledgement has had time to answer.
    case farewell(generation: UInt64)
    /// The next slice of what is too large for one turn.
    case jobs
    /// The next slice of roster pushes after items that no account owns have changed.
    case sharedItems(generation: UInt64)
}

/// What links wait for.
public enum LinkTimer: Sendable, Equatable {
    /// A link is to be dialled again.
    case retry(LinkID, generation: UInt64)
    /// A link's stream was silent for too long.
    case silence(LinkID, generation: UInt64)
    /// The first waiting entry of a link may have reached its deadline.
    case expiry(LinkID)
    /// An entry that expires before its link's lifetime is over has reached its deadline.
    case earlyExpiry
    /// Messages on a link have waited for so long that their senders are told.
    case delayWarning(LinkID)
    /// The next slice of work on the lanes of a link: something large was acknowledged or decided.
    case work(LinkID)
    /// Entries that were acknowledged and kept on a link are old enough to go.
    case trim(LinkID)
    /// Senders of messages that are held are told.
    case heldNotice(LinkID)
    /// A stranger's grace is over.
    case strangerTimeout(LinkID)
    /// A dialback verification took too long.
    case dialbackTimeout(DialID)
    /// Dialback keys wait for their turn to be verified.
    case verificationsDue
    /// A link that is up and idle is asked for a sign of life.
    case keepAlive(LinkID, generation: UInt64)
    /// A link that nobody may need any more was not used for a time.
    case forget(LinkID, generation: UInt64)
    /// The next slice of counting whose messages wait on a link.
    case census(LinkID, generation: UInt64)
}

/// What the offices as contacts wait for.
public enum OfficesTimer: Sendable, Equatable {
    /// Sessions are to be shown the offices.
    case due
    /// A session may be shown the offices again.
    case dueAgain(SessionID)
}

/// What nodes wait for.
public enum PubSubTimer: Sendable, Equatable {
    /// The next slice of news, or of what is removed.
    case work
    /// An item may have to go.
    case expiry
}

/// What rooms wait for.
public enum RoomsTimer: Sendable, Equatable {
    /// The next slice of what is on its way in rooms.
    case work
    /// The next slice of looking after people of other domains whose line has come back.
    case checks
    /// The next slice of rooms that were there before the start.
    case restore
}

/// What administration waits for.
public enum AdministrationTimer: Sendable, Equatable {
    /// The next account that an administrator has named.
    case orders
    /// The next slice of accounts that are told something.
    case announcements
}

/// What uploads wait for.
public enum UploadTimer: Sendable, Equatable {
    /// A slot that nobody used may be too old.
    case slots
    /// The next slice of what is removed.
    case work
    /// It is time to look for what has become too old.
    case sweep
    /// The next attempt to fetch copies from an office.
    case copies(JID)
}

/// What the archives wait for.
public enum ArchiveTimer: Sendable, Equatable {
    /// The next slice of an answer.
    case answer
    /// The next slice of the index, or of what is removed.
    case work
    /// It is time to look for what has become too old.
    case sweep
}

/// Where sessions keep what they know of the people of one peer domain.
public struct PeerPlace: Hashable, Sendable {
    /// The place in their list.
    public var slot: UInt32

    /// The place `slot`.
    public init(slot: UInt32) { self.slot = slot }
}

/// Why the presence of a peer's people is looked at.
public enum PeerPresenceTimer: Sendable, Equatable {
    /// The link was down for as long as nobody needs to know.
    case grace
    /// The next slice of a refresh or a sweep.
    case slice
    /// Whoever has not answered the probes of a refresh is not there.
    case answers
    /// A peer that sessions from before the start need should have been reached.
    case reached
    /// Subscriptions that nobody there has answered are to be asked for again.
    case requests
}
