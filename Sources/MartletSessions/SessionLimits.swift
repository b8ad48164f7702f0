/// The bounds of sessions that no operator needs to change, each with the reason for its number.
enum SessionLimits {
    /// Stanzas after which a client is asked for an acknowledgement at once instead of after `fenceDelay`: a burst is
    /// acknowledged while it is sent, and single messages share a request.
    static let requestEvery: UInt64 = 16
    /// How long a server that stops waits for clients to say what they have, milliseconds: many times the way there and back, far less
    /// than what systemd allows.
    static let farewellTime: Int64 = 2000
    /// Bytes of messages that stand in a session's outbox alone; beyond it they are written down. A reader who answers nothing and a
    /// writer who does not stop cost disk, not memory.
    static let keptBytes = 256 << 10
    /// Bytes of stanzas without another copy that wait for a session whose client is away: as much as may wait in a socket. Messages do
    /// not count, they are on disk. A message or request of somebody else goes back to its sender from half of it on, so that there is
    /// room for what the session itself has asked for; presence and roster pushes beyond it are told anew after the resumption.
    static let detachedBytes = 1 << 20
    /// The same while the client is there: the answers to a login with the largest roster, before it has acknowledged anything.
    static let connectedBytes = 8 << 20
    /// Bytes of that kind for all sessions of an account together, above which none of them gets more.
    static let accountBytes = 16 << 20
    /// A session for which there is too much is told how things are no more often than this, milliseconds.
    static let missedPause: Int64 = 60_000
    /// Accounts that give something up in one turn where the process holds too much.
    static let relievedAtOnce = 4
    /// How exactly the site's account of memory is kept, bytes: what is less is not worth a look-up with each stanza.
    static let bookingStep = 16 << 10
    /// A client with stream management that does not answer `<r/>` for so long is gone, milliseconds: TCP alone would
    /// notice a dead line after a quarter of an hour.
    static let acknowledgementTimeout: Int64 = 120_000
    /// Messages sent from a mailbox before the client has to acknowledge some: far below `unacknowledgedStanzas`, so
    /// that somebody who was away for a month does not lose the session over it.
    static let catchUpMessages = 200
    /// Stanzas that a session may leave unacknowledged when it is sent the next part of a long answer: with the largest page there are
    /// far fewer than `unacknowledgedStanzas`.
    static let answerRoom = 100
    /// The same in bytes of what is held for it: with a whole page it stays far below `connectedBytes`.
    static let answerRoomBytes = 256 << 10
    /// Stanzas that are held for a client at which nobody looks, and then sent together: an hour of two hundred contacts who come and go.
    static let heldStanzas = 256
    /// What of it has no other copy takes so much memory at most: as much as that many presence stanzas with the usual caps and pictures.
    static let heldBytes = 128 << 10
    /// Bytes sent from a mailbox in one turn: a turn is short.
    static let catchUpBytes = 512 << 10
    /// How far back roster changes may not have reached a client when the server died, milliseconds.
    static let recentRosterChanges: Int64 = 600_000
    /// Farewells kept for a peer behind a dead line: those of 20 people in 50 rooms each. The oldest give way.
    static let farewells = 1000
    /// The bytes of all of them: as many addresses of the usual length.
    static let farewellBytes = 512 << 10
    /// Addresses with directed presence per session: a person is in dozens of rooms, not in thousands.
    static let directedPresence = 1000
    /// The bytes of all of them: as many addresses of 250 bytes.
    static let directedBytes = 256 << 10
    /// Bytes of a roster item's name and of each group (RFC 6121 §2.1.2.5, §2.1.2.6 leave it to the server): a JID part.
    static let rosterNameBytes = 1023
    /// Groups of a roster item.
    static let rosterGroups = 64
    /// How long a session that was given up can still be asked for its count (`<failed h='…'/>`), milliseconds: a day.
    static let endedSessionLifetime: Int64 = 86_400_000
    /// Given-up sessions remembered per account: a handful of devices.
    static let endedSessionsPerAccount = 16
    /// Accounts and addresses whose failed logins are counted at a time: 64 bytes each.
    static let loginFailureEntries = 20_000
    /// Resources at other domains whose availability an account remembers: two for each contact of the largest roster. Others
    /// are passed on and do not become unavailable when their link dies.
    static let seenPresence = 10_000
    /// The bytes of all of them: as many addresses of the usual length.
    static let seenPresenceBytes = 2 << 20
    /// The bytes of all people of one server that is none of our offices, remembered for all accounts together: forty thousand of them.
    static let seenBytesPerPeer = 8 << 20
    /// Presence stanzas sent in one turn because a link went or came back.
    static let presenceSlice = 256
    /// Contacts or accounts looked at in such a turn: a few milliseconds.
    static let presenceVisits = 1024
    /// Bytes of an item that all rosters have, as it is kept: three names of the usual length.
    static let sharedItemBytes = 64
    /// Resources of a contact that are taken out together when nobody of it is there any more.
    static let goneAtOnce = 32
    /// Milliseconds between two slices of jobs: a slice takes two or three, so that jobs leave more than half of the processor to
    /// others, whoever has them done.
    static let jobPause: Int64 = 5
    /// Events that waited for a job and are handled in one batch, of all sessions: as many as one that logs in says in one breath.
    static let saidAtOnce = 8
    /// Jobs that an account may have waiting before it may bind nothing more: two for each resource.
    static let jobsPerAccount = 64
    /// An answer of so many bytes is a large one: it has to be read before there is another. Rosters of hundreds are smaller.
    static let largeAnswer = 64 << 10
    /// Sessions of an account that may have a large answer unread: the devices of a person that start together.
    static let largeAnswers = 4
    /// Milliseconds between two such turns: 2,560 stanzas a second leave room for messages on most lines.
    static let presencePause: Int64 = 100
    /// How long a peer may take to be reached after our start before sessions older than that hear that its people are unavailable,
    /// milliseconds: a healthy line takes less, and whoever resumes is not shown a false state for long.
    static let reachTime: Int64 = 5000
    /// Subscriptions that nobody has answered are asked for again after so long, milliseconds: a request may wait for days for
    /// somebody who reads it, and only one that was lost has to be repeated. Each pause is twice the one before.
    static let requestPause: Int64 = 3_600_000
    /// The longest of these pauses: a person who does not want to answer is not asked more than once a day.
    static let longestRequestPause: Int64 = 86_400_000
    /// How long contacts have to answer the probes of a refresh, milliseconds: the answers wait behind messages on a slow line.
    static let probeAnswerTime: Int64 = 120_000
    /// What a peer said so long before our own stream was up belongs to the same recovery, milliseconds.
    static let recoveryOverlap: Int64 = 30_000
}
