import MartletPrimitives
import XMPPStanzas

/// Reads a whole store and says what is wrong with it: each row by its own codec, and what rows say of each other.
///
/// A row that its codec cannot read ends the process, as anywhere else; whoever wants to go on behind it (`martlet store check`) notes
/// where the reading stands, and begins again there.
public struct StoreCheck {
    /// How bad it is.
    public enum Severity: String, Sendable, CaseIterable, Comparable {
        /// Something is counted or kept that need not be; nobody loses anything by it.
        case untidy
        /// Something that was stored is missing or cannot be read.
        case damaged

        /// Whether the left one is less bad.
        public static func < (left: Severity, right: Severity) -> Bool { left == .untidy && right == .damaged }
    }

    /// Something that is not as it should be.
    public struct Finding: Sendable, Equatable {
        /// How bad it is.
        public var severity: Severity
        /// Where: a table's number.
        public var table: Table
        /// What, in words.
        public var words: String

        /// That finding.
        public init(_ severity: Severity, _ table: Table, _ words: String) {
            self.severity = severity
            self.table = table
            self.words = words
        }
    }

    /// What was found.
    public internal(set) var findings: [Finding] = []

    /// Nothing yet.
    public init() {}

    /// Findings of one kind that are told one by one: a store that is damaged in one way may be so in a million rows.
    static let toldPerTable = 100

    mutating func find(_ severity: Severity, _ table: Table, _ words: String) {
        let others = findings.count { $0.table == table }
        if others < Self.toldPerTable { findings.append(Finding(severity, table, words)) }
        if others == Self.toldPerTable { findings.append(Finding(severity, table, "and more of the kind")) }
    }

    // MARK: rows

    /// Reads the rows of a table behind `key` with their codecs, in order. `progress` is called before each row is read, with its key.
    public mutating func readRows(
        of table: Table, behind key: [UInt8] = [], in store: some KeyValueTransaction, progress: ([UInt8]) -> Void
    ) {
        var next = key.isEmpty ? [] : key + [0]
        while let row = store.firstEntry(table, atOrAfter: next) {
            // A damaged page can lead back to one that was read: without order there would be no end.
            guard row.key.count <= KeyValueLimits.keyBytes, !row.key.lexicographicallyPrecedes(next) else {
                let key = Self.hex(Array(row.key.prefix(KeyValueLimits.keyBytes)))
                return find(.damaged, table, "row \(key) is not where it belongs; what is behind it was not looked at")
            }
            progress(row.key)
            read(row, of: table, in: store)
            next = row.key + [0]
        }
    }

    private mutating func read(_ row: KeyValueEntry, of table: Table, in store: some KeyValueTransaction) {
        guard let lengths = Self.keyLengths[table] else {
            return find(.untidy, table, "row \(Self.hex(row.key)): nothing is known of this table")
        }
        guard lengths.isEmpty || lengths.contains(row.key.count) else {
            return find(.damaged, table, "row \(Self.hex(row.key)): a key of \(row.key.count) bytes")
        }
        var numbers: [UInt64] = []
        var reader = ByteReader(row.key)
        if table == .meta || table == .addressByDigest || table == .untold { return readNamed(row, of: table, in: store) }
        for _ in 0..<row.key.count / 8 { numbers.append(reader.take()) }
        readNumbered(row, numbers, of: table, in: store)
    }

    private mutating func readNamed(_ row: KeyValueEntry, of table: Table, in store: some KeyValueTransaction) {
        var reader = ByteReader(row.value)
        switch table {
        case .meta:
            let name = String(decoding: row.key, as: UTF8.self)
            if MetaTable.Name(rawValue: name) == nil { find(.untidy, table, "an unknown value \(name)") }
        case .addressByDigest:
            let number = AddressNumber(reader.take())
            let words = reader.takeString()
            guard AddressTable.isKnown(number, in: store) else {
                return find(.damaged, table, "\(words) has the number \(number.value), which is not in the store")
            }
            let address = AddressTable.address(number, in: store)
            if address.description != words { find(.damaged, table, "\(words) has the number of \(address)") }
        default:
            if !UntoldTable.isReadable(row.value) { find(.damaged, table, "row \(Self.hex(row.key)) cannot be read") }
        }
    }

    private mutating func readNumbered(
        _ row: KeyValueEntry, _ numbers: [UInt64], of table: Table, in store: some KeyValueTransaction
    ) {
        var reader = ByteReader(row.key)
        func address(_ index: Int) -> AddressNumber { AddressNumber(numbers[index]) }
        switch table {
        case .addressByNumber:
            let jid = AddressTable.address(address(0), in: store)
            if AddressTable.number(of: jid, in: store) != address(0) {
                find(.damaged, table, "address \(numbers[0]), \(jid), is not found by its name")
            }
        case .log: _ = StanzaLog.stanza(numbers[0], in: store)
        case .logHolders:
            if StanzaLog.size(numbers[0], in: store) == 0 {
                find(.untidy, table, "holders of stanza \(numbers[0]), which is gone")
            }
        case .account: _ = AccountTable.row(address(0), in: store)
        case .roster where row.key.count == 16: _ = RosterTable.row(address(0), address(1), in: store)
        case .rosterVersion:
            _ = (RosterTable.version(of: address(0), in: store), RosterTable.recentChanges(of: address(0), in: store))
        case .pendingSubscription:
            _ = PendingSubscriptionTable.first(to: address(0), after: AddressNumber(numbers[1] &- 1), in: store)
        case .mailbox: _ = MailboxTable.row(address(0), numbers[1], in: store)
        case .clientSession:
            switch row.key[16] {
            case 0: _ = ClientSessionTable.row(address(0), numbers[1], in: store)
            case 1: _ = ClientSessionTable.handled(address(0), numbers[1], in: store)
            default: _ = ClientSessionTable.presence(address(0), numbers[1], in: store)
            }
        case .lane: _ = LaneTable.row(LaneID(reader.take()), in: store)
        case .entry:
            let lane = LaneID(reader.take())
            _ = EntryTable.entry(LaneEntries(lane, base: 0), reader.take(), in: store)
        case .have:
            if let laneClass = LaneClass(rawValue: row.key[16]) {
                _ = HaveTable.row(peer: address(0), local: address(1), laneClass: laneClass, in: store)
            } else {
                find(.damaged, table, "row \(Self.hex(row.key)): a lane of unknown class")
            }
        case .peer: _ = PeerTable.row(address(0), in: store)
        case .held: _ = HeldTable.row(numbers[0], in: store)
        case .laneRules: _ = LaneRulesTable.rules(local: address(0), peer: address(1), in: store)
        case .recentMessage: RecentMessageTable.checkRow(row.value)
        case .archive, .archiveByPeer, .archiveAccount, .archivePreferences: readArchive(numbers, of: table, in: store)
        case .pubsubNode: _ = PubSubNodeTable.row(NodeNumber(numbers[0]), in: store)
        case .pubsubItem: _ = PubSubItemTable.row(NodeNumber(numbers[0]), numbers[1], in: store)
        case .pubsubOwner: _ = PubSubNodeTable.owner(address(0), in: store)
        case .room: _ = RoomTable.row(address(0), in: store)
        case .roomOccupant: _ = RoomOccupantTable.row(address(0), numbers[1], in: store)
        case .announcement:
            if !AnnouncementTable.isReadable(row.value) { find(.damaged, table, "row \(Self.hex(row.key)) cannot be read") }
        case .multicast: _ = MulticastTable.row(numbers[0], in: store)
        case .multicastPlace:
            if MulticastTable.row(numbers[0], in: store) == nil {
                find(.untidy, table, "a place in stanza \(numbers[0]), which is gone")
            }
        case .upload:
            if let token = UploadTable.row(numbers[0], in: store)?.token,
                UploadTable.number(of: token, in: store) != numbers[0]
            {
                find(.damaged, table, "file \(numbers[0]) is not found by its token")
            }
        case .known: _ = LastKnownTable.row(row.value)
        case .capability: _ = CapabilityTable.wanted(row.key, in: store)
        default: break
        }
    }

    /// How long keys may be; of those that are missing nothing is known, and of those with an empty list any.
    private static let keyLengths: [Table: Set<Int>] = [
        .meta: [], .addressByDigest: [32], .addressByNumber: [8], .logOfSchema1: [8], .log: [8], .logHolders: [8],
        .untold: [16],
        .account: [8], .roster: [16, 32], .rosterVersion: [8], .pendingSubscription: [16], .mailbox: [16], .clientSession: [17],
        .clientSlot: [24], .directed: [24], .recentMessage: [8], .lane: [4], .laneByDomains: [17], .entry: [12], .have: [17],
        .peer: [8], .deadline: [20], .held: [8], .laneRules: [16], .haveTags: [18],
        .blocked: [16], .lastActivity: [8], .push: [16], .client: [24], .invitation: [16],
        .archive: [16], .archiveByPeer: [24], .archiveAccount: [8], .archivePreferences: [8],
        .pubsubNode: [8], .pubsubNodeByName: [24], .pubsubItem: [16], .pubsubItemByID: [24], .pubsubAffiliation: [24],
        .pubsubSubscription: [40], .pubsubMember: [32], .pubsubOwner: [8], .pubsubSweep: [8], .pubsubExpiry: [24],
        .capability: [CapabilityTable.keyBytes], .vCard: [8], .avatar: [8], .privateStorage: [24],
        .room: [8], .roomAffiliation: [24], .roomOccupant: [16], .roomDelivery: [16], .roomListed: [16], .roomCreator: [16],
        .roomHost: [8], .roomNick: [24], .roomSweep: [8],
        .upload: [8], .uploadByToken: [16], .uploadOfOwner: [16], .uploadUse: [8],
        .disabledAccount: [8], .announcement: [8], .dayMessageShown: [8], .multicast: [8], .multicastPlace: [8],
        .known: [24], .knownByAge: [8], .knownOfAccount: [16], .knownText: [32], .knownHolders: [32], .knownSize: [8],
    ]

    static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
