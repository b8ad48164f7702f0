/// The tables of a site's store. The numbers are part of the format on disk.
///
/// All keys are fixed-width big-endian numbers, since LMDB keys end at 511 bytes and an address may have 3,071:
/// addresses stand in ``AddressTable`` once, everywhere else as its 8-byte numbers.
extension Table {
    /// name → value: schema, store id, site time, counters. See ``MetaTable``.
    public static let meta = Table(rawValue: 0)
    /// SHA-256 of an address → its number. See ``AddressTable``.
    public static let addressByDigest = Table(rawValue: 1)
    /// number → address. See ``AddressTable``.
    public static let addressByNumber = Table(rawValue: 2)
    /// logSeq → stanza. See ``StanzaLog``.
    public static let log = Table(rawValue: 3)
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
    /// number → a message of a client taken over lately. See ``RecentMessageTable``.
    public static let recentMessage = Table(rawValue: 17)
    /// deadline, laneID, number: entries that expire early. See ``DeadlineTable``.
    public static let deadline = Table(rawValue: 18)
    /// place → an entry held for a human. See ``HeldTable``.
    public static let held = Table(rawValue: 19)
    /// local, peer → the rules that put what waits into lanes. See ``LaneRulesTable``.
    public static let laneRules = Table(rawValue: 20)

    /// Every table, for the store to open.
    public static let all: [Table] = (0...20).map { Table(rawValue: $0) }
}
