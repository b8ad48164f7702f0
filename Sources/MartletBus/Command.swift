import XMPPAddress

/// SCRAM keys of one password: what the site keeps of it.
public struct PasswordKeys: Sendable, Equatable {
    /// Keys for one digest (RFC 5802 §3).
    public struct Keys: Sendable, Equatable {
        /// The salt.
        public var salt: [UInt8]
        /// The iteration count of PBKDF2.
        public var iterations: Int
        /// StoredKey (RFC 5802 §3).
        public var storedKey: [UInt8]
        /// ServerKey (RFC 5802 §3).
        public var serverKey: [UInt8]

        /// Those keys.
        public init(salt: [UInt8], iterations: Int, storedKey: [UInt8], serverKey: [UInt8]) {
            self.salt = salt
            self.iterations = iterations
            self.storedKey = storedKey
            self.serverKey = serverKey
        }
    }

    /// For SCRAM-SHA-1.
    public var sha1: Keys
    /// For SCRAM-SHA-256 and PLAIN.
    public var sha256: Keys
    /// For SCRAM-SHA-512; nil where they come from a command of an earlier version.
    public var sha512: Keys?

    /// All sets of keys.
    public init(sha1: Keys, sha256: Keys, sha512: Keys? = nil) {
        self.sha1 = sha1
        self.sha256 = sha256
        self.sha512 = sha512
    }
}

/// What an administrator can ask a site; answered by one ``CommandAnswer``.
public enum Command: Sendable, Equatable {
    /// About one account.
    case accounts(AccountCommand)
    /// About links and what waits on them.
    case links(LinkCommand)
    /// About archives.
    case archive(ArchiveCommand)
    /// About uploaded files.
    case uploads(UploadCommand)
    /// Every account with its sessions.
    case listUsers
    /// Takes away a part of what waits for an account, behind `after`; a rehearsal only counts.
    case clear(JID, Clearance, after: UInt64, isRehearsal: Bool)
    /// How many people, sessions and links there are.
    case status
    /// How much work everybody has caused, and who was held back for it.
    case karma
    /// Tells every client to reconnect at another host (RFC 6120 §4.9.3.19).
    case drain(otherHost: String)
    /// Which rules would judge a stanza from one address to another, and who would decide about it.
    case explain(from: JID, to: JID)
}

/// What an administrator does with an account.
public enum AccountCommand: Sendable, Equatable {
    case add(JID, PasswordKeys)
    case changePassword(JID, PasswordKeys)
    case remove(JID)
    /// It stays, and may not log in.
    case disable(JID)
    case enable(JID)
    /// Makes an invitation to a domain or to one name there, good for so many milliseconds.
    case invite(JID, lifetime: Int64)
}

/// What an administrator asks of links and their queues.
public enum LinkCommand: Sendable, Equatable {
    case listLinks
    /// All about the link to one peer, from that domain of ours where several have one.
    case showLink(JID, from: JID?)
    /// Dial now: the peer, or every peer that waits for its next attempt.
    case retryLinks(JID?)
    /// Forgets that a peer has shown a certificate, so that dialback is enough again.
    case forgetCertificate(JID)
    /// A part of the queues, behind `after`.
    case listQueue(QueueFilter, after: EntryName?)
    /// The table of ages, for a part of the queues behind `after`.
    case listAges(after: EntryName?)
    /// Takes entries out of their lanes; they wait for a human.
    case holdEntries([EntryClaim])
    /// Puts held entries at the end of their lanes.
    case releaseEntries([EntryClaim])
    /// Cancels entries; their senders are told.
    case purgeEntries([EntryClaim])
    /// What stands still with a peer, and what a resync would do.
    case planResync(JID)
    /// Begins the stopped lanes with a peer anew.
    case resync(JID, uncertain: UncertainChoice?)
    /// A part of what waits for a peer, for a bundle; from that domain of ours where several have a link with it.
    case exportEntries(JID, from: JID?, after: EntryName?)
    /// Records of a bundle from `origin` to one of our domains, whose signature was checked.
    case importRecords([CarriedRecord], origin: JID, destination: JID)
}

extension LinkCommand {
    /// Whether it changes what the store has.
    public var isChange: Bool {
        switch self {
        case .listLinks, .showLink, .retryLinks, .listQueue, .listAges, .planResync: false
        case .forgetCertificate, .holdEntries, .releaseEntries, .purgeEntries, .resync, .exportEntries, .importRecords: true
        }
    }
}

/// The answer to a ``Command``.
public enum CommandAnswer: Sendable, Equatable {
    case done(String)
    case refused(String)
    case users([UserRow])
    case links([LinkRow])
    case link(LinkDetails)
    case queue(QueuePage)
    case ages(QueueAges)
    case desk(DeskOutcome)
    case resync([ResyncRow])
    case bundle(BundlePart)
    case imported(ImportOutcome)
    case cleared(ClearingOutcome)
    case status(StatusRow)
    /// A part of the list of archives.
    case archives(ArchiveList)
    /// A part of an archive.
    case archivePart(ArchivePart)
    /// About uploaded files.
    case upload(UploadAnswer)
    case karma(KarmaReport)
    /// A stanza's way, one step a line.
    case explanation([String])
}

/// One account.
public struct UserRow: Sendable, Equatable {
    /// The bare JID.
    public var account: String
    /// Resources that are bound, detached ones included.
    public var sessions: Int
    /// Messages in the mailbox.
    public var waiting: Int
    /// It may not log in.
    public var isDisabled = false

    /// A row.
    public init(account: String, sessions: Int, waiting: Int) {
        self.account = account
        self.sessions = sessions
        self.waiting = waiting
    }
}

/// One link.
public struct LinkRow: Sendable, Equatable {
    /// Our domain.
    public var local: String
    /// The peer domain.
    public var peer: String
    /// `idle`, `dialling`, `up`, `waiting`, `stopped`; `away` of a component that is not connected.
    public var state: String
    /// `relay`, `stream management`, `ping fence`, or empty while unknown; with `, on the peer's stream` where the peer opened
    /// the stream in use, and `, of a component` where it is a component's.
    public var acknowledgement: String
    /// Entries that wait for their acknowledgement.
    public var waiting: Int
    /// Entries that are kept aside for a human.
    public var held: Int
    /// Age of the oldest waiting entry in milliseconds, 0 where nothing waits.
    public var oldestAge: Int64
    /// Milliseconds until the next attempt, 0 where none is due.
    public var nextAttempt: Int64
    /// The last failure in words.
    public var lastError: String

    /// A row.
    public init(
        local: String, peer: String, state: String, acknowledgement: String, waiting: Int, held: Int, oldestAge: Int64,
        nextAttempt: Int64, lastError: String
    ) {
        self.local = local
        self.peer = peer
        self.state = state
        self.acknowledgement = acknowledgement
        self.waiting = waiting
        self.held = held
        self.oldestAge = oldestAge
        self.nextAttempt = nextAttempt
        self.lastError = lastError
    }
}

/// Figures of a running site.
public struct StatusRow: Sendable, Equatable {
    /// The domains whose people live here, the site's name first.
    public var domains: [String]
    /// Accounts that exist.
    public var accounts: Int
    /// Resources that are bound.
    public var sessions: Int
    /// Links that were used since the start.
    public var links: Int
    /// Entries that wait on all links.
    public var waitingEntries: Int
    /// Components that the configuration names.
    public var components = 0
    /// How many of them are connected.
    public var connectedComponents = 0
    /// Bytes that wait in memory for others, and how many may.
    public var heldBytes = 0
    /// From there on whoever holds most is refused first.
    public var memoryCeiling = 0
    /// Who holds most.
    public var holders: [HolderRow] = []

    /// Somebody for whom, or because of whom, something waits in memory.
    public struct HolderRow: Sendable, Equatable {
        /// In words.
        public var owner: String
        /// How much.
        public var bytes: Int

        /// That one.
        public init(owner: String, bytes: Int) {
            self.owner = owner
            self.bytes = bytes
        }
    }

    /// Those figures.
    public init(domains: [String], accounts: Int, sessions: Int, links: Int, waitingEntries: Int) {
        self.domains = domains
        self.accounts = accounts
        self.sessions = sessions
        self.links = links
        self.waitingEntries = waitingEntries
    }
}
