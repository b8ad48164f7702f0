import MartletPrimitives
import XMPPAddress

/// What somebody is to a room, and what is noted with it.
public struct RoomAffiliationRow: Sendable, Equatable {
    /// The bare JID, or a domain.
    public var jid: String
    /// What it is.
    public var affiliation: RoomAffiliation
    /// The nickname that is kept for him; nil for none (§7.10).
    public var nick: String?
    /// Why.
    public var reason: String?

    /// That affiliation.
    public init(jid: String, affiliation: RoomAffiliation, nick: String? = nil, reason: String? = nil) {
        self.jid = jid
        self.affiliation = affiliation
        self.nick = nick
        self.reason = reason
    }

    init(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        affiliation = RoomAffiliation(rawValue: reader.take()) ?? .none
        jid = reader.takeString()
        nick = reader.takeOptionalString()
        reason = reader.takeOptionalString()
    }

    var row: [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.put(affiliation.rawValue)
        writer.put(jid)
        writer.put(nick)
        writer.put(reason)
        return writer.bytes
    }
}

/// room, digest of a bare JID → ``RoomAffiliationRow``; room, digest of a nickname → the bare JID for which it is kept. Who is nothing to a
/// room has no row, and no address has a number for this.
public enum RoomAffiliationTable {
    /// What a bare JID is to a room; nil where nobody has said.
    public static func row(
        _ room: AddressNumber, _ bare: JID, in store: some KeyValueTransaction
    ) -> RoomAffiliationRow? {
        store.get(.roomAffiliation, key(room, bare.description)).map { RoomAffiliationRow($0) }
    }

    /// Writes it; where he is nothing and nothing is kept for him, removes it. Says by how much the number of rows has changed.
    @discardableResult
    public static func put(_ room: AddressNumber, _ row: RoomAffiliationRow, in store: some KeyValueTransaction) -> Int {
        let key = key(room, row.jid)
        let before = store.get(.roomAffiliation, key).map { RoomAffiliationRow($0) }
        if let nick = before?.nick, nick != row.nick { store.delete(.roomNick, self.key(room, nick)) }
        if row.affiliation == .none, row.nick == nil {
            if before == nil { return 0 }
            store.delete(.roomAffiliation, key)
            return -1
        }
        if let nick = row.nick { store.put(.roomNick, self.key(room, nick), Array(row.jid.utf8)) }
        store.put(.roomAffiliation, key, row.row)
        return before == nil ? 1 : 0
    }

    /// The bare JID for which a nickname is kept.
    public static func owner(ofNick nick: String, _ room: AddressNumber, in store: some KeyValueTransaction) -> String? {
        store.get(.roomNick, key(room, nick)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Up to `limit` rows of a room behind a place, and the place of the last.
    public static func rows(
        _ room: AddressNumber, after place: [UInt8], limit: Int, in store: some KeyValueTransaction
    ) -> (rows: [RoomAffiliationRow], last: [UInt8]) {
        var rows: [RoomAffiliationRow] = []
        let prefix = NumberKey.one(room.value)
        var (last, next) = (place, place.isEmpty ? Array(prefix.span) : place + [0])
        while rows.count < limit, let entry = store.firstEntry(.roomAffiliation, atOrAfter: next),
            entry.key.span.starts(with: prefix.span)
        {
            rows.append(RoomAffiliationRow(entry.value))
            last = entry.key
            next = entry.key + [0]
        }
        return (rows, last)
    }

    /// Bytes of the part of a row's place that is its own.
    public static let placeBytes = 16

    /// The place of a row of a room, by the part that is its own.
    public static func place(_ room: AddressNumber, _ own: [UInt8]) -> [UInt8] {
        let prefix = NumberKey.one(room.value)
        return Array(prefix.span) + own
    }

    /// The part of a row's place that is its own.
    public static func placeBytes(of place: [UInt8]) -> [UInt8] { Array(place.dropFirst(8)) }

    /// Removes the first row of a room; false where none is left.
    public static func removeFirst(_ room: AddressNumber, in store: some KeyValueTransaction) -> Bool {
        let prefix = NumberKey.one(room.value)
        guard let entry = store.firstEntry(.roomAffiliation, atOrAfter: Array(prefix.span)),
            entry.key.span.starts(with: prefix.span)
        else { return false }
        if let nick = RoomAffiliationRow(entry.value).nick { store.delete(.roomNick, key(room, nick)) }
        store.delete(.roomAffiliation, entry.key)
        return true
    }

    private static func key(_ room: AddressNumber, _ text: String) -> [UInt8] {
        let prefix = NumberKey.one(room.value)
        return Array(prefix.span) + PubSubNodeTable.digest(text)
    }
}
