import MartletPrimitives
import MartletStore
import XMPPAddress

/// What the operator decides about a site's behaviour, and every limit of its core with the reason for its number: in the shape of the
/// configuration file. Re-read without a restart.
public struct SitePolicy: Sendable, Equatable {
    /// The domains this site serves and what lives there; the first is its name.
    public var hosts: [Host]
    /// The rules that judge stanzas on their way, in this order.
    public var interceptors = InterceptorKind.allCases
    /// Where those who run the server are reached (XEP-0157).
    public var contacts: [ContactRole] = []
    /// What clients are told of services beside XMPP (XEP-0215).
    public var externalServices: [ExternalService] = []
    /// Where bytestreams between clients go (XEP-0065).
    public var bytestreams = BytestreamPolicy()
    /// The XEP-0092 answer.
    public var softwareVersion = "0.1"
    /// Local time minus UTC in seconds, for times of day that people read.
    public var utcOffset: Int64 = 0
    /// What becomes of every single entry is noted for the log, at both ends.
    public var tracesEntries = false
    /// Clients and their sessions.
    public var client = ClientPolicy()
    /// Other servers.
    public var federation = FederationPolicy()
    /// What is kept of people's messages.
    public var archive = ArchivePolicy()
    /// What is published.
    public var pubsub = PubSubPolicy()
    /// Rooms.
    public var rooms = RoomsPolicy()
    /// Files that people upload.
    public var uploads = UploadPolicy()
    /// Who administers it with a client.
    public var admin = AdminPolicy()
    /// Where people read whether the server is out of order, while it is (XEP-0455). URIs.
    public var outageStatus: [String] = []
    /// How much of everything.
    public var limits = LimitsPolicy()
    /// How much work everybody may cause.
    public var karma = KarmaPolicy()

    /// The defaults for a site that serves these hosts.
    public init(hosts: [Host]) {
        require(!hosts.isEmpty, "a site serves at least one domain")
        self.hosts = hosts
    }

    /// The defaults for a site that serves the people of `domains`.
    public init(domains: [JID]) { self.init(hosts: domains.map { Host($0) }) }

    /// Whether a domain is one of our other offices.
    public func isOffice(_ domainpart: String) -> Bool { federation.knownPeers.contains { $0.domainpart == domainpart } }

    /// The site's name: its first domain.
    public var name: JID { hosts[0].domain }
}

/// What clients may do, and how their sessions are looked after.
public struct ClientPolicy: Sendable, Equatable {
    /// XEP-0077 before authentication.
    public var allowsRegistration = false
    /// XEP-0077 §3.3: people choose another password for their own account.
    public var allowsPasswordChange = true
    /// Whoever brings an invitation may make an account (XEP-0445).
    public var allowsInvitations = true
    /// Accounts made by XEP-0077 in a minute, on the whole site.
    public var registrationsPerMinute = 20
    /// How long a detached session can be resumed, milliseconds. Five minutes cover a change of network.
    public var resumptionTimeout: Int64 = 300_000
    /// How long a token is good for logging in (XEP-0484), milliseconds; 0: nobody gets one. Three weeks: a holiday.
    public var tokenLifetime: Int64 = 21 * 86_400_000
    /// Bound resources per account: a person has a handful of devices, a runaway script does not get thousands.
    public var resourcesPerAccount = 32
    /// Stanzas that a client may have without having acknowledged them; what comes beyond is sent when it has acknowledged some. A
    /// thousand at once is what no line waits for.
    public var unacknowledgedStanzas = 1000
    /// The same in bytes: a second of a fast mobile line, and no more than may wait in a socket.
    public var unacknowledgedBytes = 1 << 20
    /// A client is asked for a proof (`<r/>`, or a ping without stream management) with the first message after such a pause, and then
    /// no more often than this, milliseconds: what is said meanwhile shares the question. Whoever breaks off before it is answered may
    /// see these messages again: with the way there and back and to the disk no more than what came within a second.
    public var fenceDelay: Int64 = 800
    /// A session that answers no ping is believed after this long without a socket error, milliseconds.
    public var fenceTimeout: Int64 = 30_000

    /// The defaults.
    public init() {}
}

/// How the site deals with other servers.
public struct FederationPolicy: Sendable, Equatable {
    /// Whether s2s is on at all.
    public var isEnabled = true
    /// Our other offices: they wait for days where strangers wait for minutes.
    public var knownPeers: [JID] = []
    /// Names of offices, for rosters; the others are called by their domain. Look-up only.
    public var officeNames: [JID: String] = [:]
    /// The roster group in which everybody sees the other offices; empty where nobody does.
    public var officesGroup = "Offices"
    /// Peers that must show a certificate that verifies.
    public var certificateRequired: [JID] = []
    /// Peers that are refused.
    public var blockedPeers: [JID] = []
    /// Whether other servers may be proven by XEP-0220 alone.
    public var allowsDialback = true
    /// The lifetime of an entry, milliseconds: five days, as mail does.
    public var entryLifetime: Int64 = 5 * 86_400_000
    /// Peers whose entries have another lifetime, milliseconds. Look-up only.
    public var entryLifetimes: [JID: Int64] = [:]
    /// Senders are told about messages that have waited for so long, milliseconds: before they go home. 0: never.
    public var delayWarning: Int64 = 4 * 3_600_000
    /// The first pause before another attempt, milliseconds.
    public var retryMinimum: Int64 = 1000
    /// The longest pause for a peer that worked before or is known, milliseconds.
    public var retryMaximum: Int64 = 60_000
    /// Silence on a link that owes us an answer before it is dead, milliseconds.
    public var silenceTimeout: Int64 = 20_000
    /// How long a link may be down before the people behind it become unavailable, milliseconds. Half a minute covers the
    /// restart of a server or a router.
    public var presenceGrace: Int64 = 30_000
    /// What was acknowledged by another Martlet is kept in case its store goes back in time: a day, since backups are made at night,
    /// and per peer so much that a disk does not notice it.
    public var keep = KeepLimit(time: 86_400_000, bytes: 64 << 20)
    /// A lane that stopped because a store went back in time goes on by itself, with an alarm, and sends what waits; people
    /// may get something twice. Off: an operator decides.
    public var continuesAfterRollback = false
    /// Which conversations with other domains go before others, and which give way.
    public var laneRules = LaneRules()
    /// Bytes that may wait for one of our offices; one sender gets half of it at most. Days of normal work: a million messages.
    public var officeQueueBytes = 1 << 30
    /// Bytes that may wait for any other server.
    public var queueBytes = 64 << 20
    /// Entries sent and not yet acknowledged per lane: what does not fit waits on disk, is read again and is called late.
    public var windowEntries = 1024
    /// Bytes sent and not yet acknowledged per link, where its line is fast.
    public var windowBytes = 1 << 20
    /// An attempt to verify a dialback key ends after this long, milliseconds.
    public var dialbackTimeout: Int64 = 30_000
    /// Domains with which nothing was ever exchanged.
    public var strangers = StrangersPolicy()

    /// The defaults.
    public init() {}

    /// The lifetime of entries to a peer, milliseconds.
    public func entryLifetime(of peer: JID) -> Int64 { entryLifetimes[peer] ?? entryLifetime }
}

/// What accounts may do with domains with which nothing was ever exchanged.
public struct StrangersPolicy: Sendable, Equatable {
    /// How long a stranger that never answered keeps stanzas waiting, milliseconds.
    public var timeout: Int64 = 600_000
    /// New stranger domains per account and hour: a person writes to a few, a worm to thousands.
    public var newDomainsPerHour = 20

    /// The defaults.
    public init() {}
}

/// How much of everything one account, one address or the disk may take.
public struct LimitsPolicy: Sendable, Equatable {
    /// Messages waiting in an account's mailbox; beyond it `service-unavailable` (RFC 6121 §8.5.2.2.1). One sender gets half of it at most.
    public var mailboxMessages = 10_000
    /// Bytes waiting in an account's mailbox: a month of what one person is sent, with 250 pictures among it.
    public var mailboxBytes = 64 << 20
    /// Roster items per account: the largest office directory with room to spare.
    public var rosterItems = 5000
    /// Bytes of an account's roster as clients see it: the largest answer there is, which waits in memory until it was read. A
    /// thousand contacts in three groups each, with long names, are a tenth of it.
    public var rosterBytes = 2 << 20
    /// Bytes of a roster item as clients see it: an address, a name and a dozen groups.
    public static let rosterItemBytes = 8 << 10
    /// Bytes of what a presence stanza says: it goes to everybody who sees an account, and to each of their resources. What clients
    /// say with it, capabilities and the hash of a picture, is less than a tenth.
    public static let presenceBytes = 8 << 10
    /// Subscription requests waiting for an account; one server gets half of it at most.
    public var pendingSubscriptions = 1000
    /// The bytes of all of them: as many with a name and a few words each.
    public var pendingSubscriptionBytes = 1 << 20
    /// Addresses that an account may block (XEP-0191): somebody who is molested blocks dozens, or the domain.
    public var blockedAddresses = 1000
    /// The bytes of all of them, which stay in memory: as many of the usual length twice over.
    public var blockedBytes = 64 << 10
    /// Devices of an account whose messages are announced (XEP-0357): those of a person, with some that he has lost.
    public var pushRegistrations = 16
    /// Addresses of one stanza to many (XEP-0033 §11: more than 20 and less than 100): a department.
    public var multicastAddresses = 50
    /// Bytes that may wait in memory for others: stanzas for readers who do not read and for servers that are being called. From there
    /// on whoever holds most is refused first. Less than half of what a machine of 512 MiB has, since the store and the sockets need the
    /// rest, and a hundred times what 200 people hold on a usual day.
    public var memoryCeiling = 192 << 20
    /// Failed logins per account within the window; then `temporary-auth-failure`. A person mistypes a few times.
    public var failedLoginsPerAccount = 10
    /// Failed logins per network address within the window: an office behind one address.
    public var failedLoginsPerAddress = 50
    /// The window, milliseconds.
    public var failedLoginWindow: Int64 = 300_000
    /// Dialback verifications under way at the same time, per inbound stream and per address.
    public var pendingDialbacksPerStream = 16
    /// Dialback verifications under way at the same time, per network address.
    public var pendingDialbacksPerAddress = 64
    /// Free bytes under the store below which new durable stanzas are refused with `resource-constraint`.
    public var diskReserve: Int64 = 512 << 20
    /// Free bytes below which nothing more is kept, not even for a moment: the reserve is for what people who are both here say to
    /// each other, and for what frees the disk. Four batches of the largest size that the runtime makes.
    public var diskFloor: Int64 = 64 << 20
    /// Free bytes below which nothing is committed, since even what frees the disk needs some pages first: an eighth of the floor, by
    /// default 2,000 pages, many times what a batch of removals takes; at least what one small transaction may take.
    public var diskBottom: Int64 { max(diskFloor / 8, Self.leastBottom) }
    private static let leastBottom: Int64 = 512 << 10

    /// The defaults.
    public init() {}
}
