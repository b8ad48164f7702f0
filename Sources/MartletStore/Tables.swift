/// The tables of a site's store. The numbers are part of the format on disk: one once given out is never used again for something
/// else, and those of tables that went stay here.
///
/// All keys are fixed-width big-endian numbers, since LMDB keys end at 511 bytes and an address may have 3,071:
/// addresses stand in ``AddressTable`` once, everywhere else as its 8-byte numbers.
///
/// Each owner has a block of numbers for tables to come, so that two who work at the same time never take the same one:
///
/// | Numbers | Owner |
/// | --- | --- |
/// | 0–20 | given out before there were blocks |
/// | 21–31 | core: addresses, the log, what every part uses |
/// | 32–63 | accounts and sessions: credentials, rosters, presence, mailboxes, stream management |
/// | 64–79 | links: lanes, entries, peers |
/// | 80–95 | archive |
/// | 96–111 | publish-subscribe |
/// | 112–143 | rooms |
/// | 144–159 | uploads |
/// | 160–175 | administration: accounts that are disabled, announcements, stanzas to many; journal, groups |
/// | 176–183 | devices of an account: blocking, last activity, push |
/// | 184–191 | login: clients and their tokens, invitations |
/// | 192–199 | what was shown to accounts of people elsewhere |
/// | 200–255 | nobody yet |
///
/// A table that holds stanzas is known to ``StoreMigration``.
extension Table {
    // MARK: core, 0–3 and 21–31

    /// name → value: schema, store id, site time, counters. See ``MetaTable``.
    public static let meta = Table(rawValue: 0)
    /// SHA-256 of an address → its number. See ``AddressTable``.
    public static let addressByDigest = Table(rawValue: 1)
    /// number → address. See ``AddressTable``.
    public static let addressByNumber = Table(rawValue: 2)
    /// The log of schema 1, empty since the migration. See ``StoreMigration``.
    public static let logOfSchema1 = Table(rawValue: 3)
    /// logSeq → stanza. See ``StanzaLog``.
    public static let log = Table(rawValue: 21)
    /// logSeq → the number of its holders beyond the first. See ``StanzaLog``.
    public static let logHolders = Table(rawValue: 22)

    /// digest of a sender and a domain → how many messages came back of which he was not told. See ``UntoldTable``.
    public static let untold = Table(rawValue: 23)

    // MARK: accounts and sessions, 4–11, 17 and 32–63

    /// account → credentials.
    public static let account = Table(rawValue: 4)
    /// account, contact → roster item.
    public static let roster = Table(rawValue: 5)
    /// account → roster version.
    public static let rosterVersion = Table(rawValue: 6)
    /// account, contact → subscription request waiting for the account.
    public static let pendingSubscription = Table(rawValue: 7)
    /// account, seq → logSeq: acknowledged by no session yet.
    public static let mailbox = Table(rawValue: 8)
    /// account, session number → XEP-0198 state of a resumable session.
    public static let clientSession = Table(rawValue: 9)
    /// account, session number, stanza number → logSeq and mailbox seq.
    public static let clientSlot = Table(rawValue: 10)
    /// account, JID → directed presence.
    public static let directed = Table(rawValue: 11)
    /// number → a message of a client taken over lately. See ``RecentMessageTable``.
    public static let recentMessage = Table(rawValue: 17)

    // MARK: links, 12–16, 18–20 and 64–79

    /// laneID → an outgoing lane. See ``LaneTable``.
    public static let lane = Table(rawValue: 12)
    /// local, peer, class → laneID.
    public static let laneByDomains = Table(rawValue: 13)
    /// laneID, number → entry. See ``EntryTable``.
    public static let entry = Table(rawValue: 14)
    /// peer, local, class → what we have of an incoming lane. See ``HaveTable``.
    public static let have = Table(rawValue: 15)
    /// peer domain → what is remembered of it. See ``PeerTable``.
    public static let peer = Table(rawValue: 16)
    /// deadline, laneID, number: entries that expire early. See ``DeadlineTable``.
    public static let deadline = Table(rawValue: 18)
    /// place → an entry held for a human. See ``HeldTable``.
    public static let held = Table(rawValue: 19)
    /// local, peer → the rules that put what waits into lanes. See ``LaneRulesTable``.
    public static let laneRules = Table(rawValue: 20)
    /// peer, local, class, row → tags of what came on an incoming lane. See ``HaveTable``.
    public static let haveTags = Table(rawValue: 64)

    // MARK: archive, 80–95

    /// account, logSeq → a message of its archive. See ``ArchiveTable``.
    public static let archive = Table(rawValue: 80)
    /// account, hash of the other's bare JID, logSeq → the same once more. See ``ArchiveTable``.
    public static let archiveByPeer = Table(rawValue: 81)
    /// account → how much its archive has. See ``ArchiveAccountTable``.
    public static let archiveAccount = Table(rawValue: 82)
    /// account → what it wants to be kept. See ``ArchivePreferencesTable``.
    public static let archivePreferences = Table(rawValue: 83)

    // MARK: publish-subscribe, 96–111

    /// node → what it is. See ``PubSubNodeTable``.
    public static let pubsubNode = Table(rawValue: 96)
    /// owner, digest of the name → node.
    public static let pubsubNodeByName = Table(rawValue: 97)
    /// node, place → item. See ``PubSubItemTable``.
    public static let pubsubItem = Table(rawValue: 98)
    /// node, digest of the id → place.
    public static let pubsubItemByID = Table(rawValue: 99)
    /// node, digest of a bare JID → affiliation. See ``PubSubMemberTable``.
    public static let pubsubAffiliation = Table(rawValue: 100)
    /// node, digest of a bare JID, digest of the subscriber → subscription.
    public static let pubsubSubscription = Table(rawValue: 101)
    /// owner, digest of a bare JID, node → nothing: where an address is something.
    public static let pubsubMember = Table(rawValue: 102)
    /// owner → how many nodes and bytes it has.
    public static let pubsubOwner = Table(rawValue: 103)
    /// node → nothing: rows of it are to be removed.
    public static let pubsubSweep = Table(rawValue: 104)
    /// deadline, node, place → nothing: items that go by themselves.
    public static let pubsubExpiry = Table(rawValue: 105)
    /// hash of capabilities → what is wanted. See ``CapabilityTable``.
    public static let capability = Table(rawValue: 106)

    /// account → its profile as vcard-temp. See ``VCardTable``.
    public static let vCard = Table(rawValue: 107)
    /// account → the hash of its picture. See ``AvatarTable``.
    public static let avatar = Table(rawValue: 108)
    /// account, digest of a namespace → what a client keeps there. See ``PrivateStorageTable``.
    public static let privateStorage = Table(rawValue: 109)

    // MARK: rooms, 112–143

    /// room → what it is. See ``RoomTable``.
    public static let room = Table(rawValue: 112)
    /// room, digest of a bare JID → what he is to it. See ``RoomAffiliationTable``.
    public static let roomAffiliation = Table(rawValue: 113)
    /// room, number → somebody who is there. See ``RoomOccupantTable``.
    public static let roomOccupant = Table(rawValue: 114)
    /// room, number → a message on its way to those who are there. See ``RoomOccupantTable``.
    public static let roomDelivery = Table(rawValue: 115)
    /// host, room → nothing: rooms that are listed. See ``RoomTable``.
    public static let roomListed = Table(rawValue: 116)
    /// digest of a bare JID → how many rooms he has made. See ``RoomTable``.
    public static let roomCreator = Table(rawValue: 117)
    /// host → how many rooms it has. See ``RoomTable``.
    public static let roomHost = Table(rawValue: 118)
    /// room, digest of a nickname → for whom it is kept. See ``RoomAffiliationTable``.
    public static let roomNick = Table(rawValue: 119)
    /// room → nothing: rows of it are to be removed.
    public static let roomSweep = Table(rawValue: 120)

    // MARK: uploads, 144–159

    /// number → a file that was uploaded. See ``UploadTable``.
    public static let upload = Table(rawValue: 144)
    /// token → number.
    public static let uploadByToken = Table(rawValue: 145)
    /// owner, number → nothing.
    public static let uploadOfOwner = Table(rawValue: 146)
    /// owner → how many files and bytes it has.
    public static let uploadUse = Table(rawValue: 147)

    // MARK: administration, 160–175

    /// account → since when it may not log in. See ``DisabledTable``.
    public static let disabledAccount = Table(rawValue: 160)
    /// number → words on their way to everybody. See ``AnnouncementTable``.
    public static let announcement = Table(rawValue: 161)
    /// account → the message of the day that it was shown. See ``DayMessageTable``.
    public static let dayMessageShown = Table(rawValue: 162)
    /// number → a stanza to many addresses. See ``MulticastTable``.
    public static let multicast = Table(rawValue: 163)
    /// number → how many of them have got it. See ``MulticastTable``.
    public static let multicastPlace = Table(rawValue: 164)

    // MARK: devices, 176–183

    /// account, address → what the account has blocked. See ``BlockTable``.
    public static let blocked = Table(rawValue: 176)
    /// account → when it was there last. See ``LastActivityTable``.
    public static let lastActivity = Table(rawValue: 177)
    /// account, number → where it wants its messages to be announced. See ``PushTable``.
    public static let push = Table(rawValue: 178)

    // MARK: login, 184–191

    /// account, client → what is remembered of it, and its tokens. See ``ClientTable``.
    public static let client = Table(rawValue: 184)
    /// digest of a token → an invitation to make an account. See ``InvitationTable``.
    public static let invitation = Table(rawValue: 185)

    // MARK: what is known of people elsewhere, 192–199

    /// account, contact, place → something that the account was shown of him. See ``LastKnownTable``.
    public static let known = Table(rawValue: 192)
    /// place → account, contact: the oldest of all. See ``LastKnownTable``.
    public static let knownByAge = Table(rawValue: 193)
    /// account, place → contact: the oldest of an account. See ``LastKnownTable``.
    public static let knownOfAccount = Table(rawValue: 194)
    /// digest → a text that stands in some of these rows. See ``LastKnownTable``.
    public static let knownText = Table(rawValue: 195)
    /// digest → how many rows have it. See ``LastKnownTable``.
    public static let knownHolders = Table(rawValue: 196)
    /// account → bytes of what is known to it; of no account: of all. See ``LastKnownTable``.
    public static let knownSize = Table(rawValue: 197)

    /// Every table, for the store to open.
    public static let all: [Table] =
        (0...23).map { Table(rawValue: $0) } + [
            haveTags, archive, archiveByPeer, archiveAccount, archivePreferences, blocked, lastActivity, push, client,
            invitation,
            disabledAccount, announcement, dayMessageShown, multicast, multicastPlace,
        ] + [96...109, 112...120, 144...147, 192...197].joined().map { Table(rawValue: $0) }
}
