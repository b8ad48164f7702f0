import MartletPrimitives
import XMPPAddress

/// A room (XEP-0045), as stored under the number of its bare JID.
public struct RoomRow: Sendable, Equatable {
    /// When it was made.
    public var created: WallTime
    /// Who made it: a bare JID.
    public var creator: String
    /// How it behaves.
    public var configuration: RoomConfiguration
    /// Nobody but its owner enters before it was configured (§10.1.3).
    public var isLocked = false
    /// What is talked about; nil where nobody has ever said it.
    public var subject: Subject?
    /// Addresses with an affiliation.
    public var affiliations = 0

    /// What is talked about.
    public struct Subject: Sendable, Equatable {
        /// The text.
        public var text: String
        /// The nickname of who said it.
        public var nick: String
        /// When.
        public var time: WallTime

        /// That subject.
        public init(text: String, nick: String, time: WallTime) {
            self.text = text
            self.nick = nick
            self.time = time
        }
    }

    /// A new room.
    public init(created: WallTime, creator: String, configuration: RoomConfiguration) {
        self.created = created
        self.creator = creator
        self.configuration = configuration
    }

    init(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        created = WallTime(milliseconds: reader.take())
        creator = reader.takeString()
        isLocked = reader.take(UInt8.self) != 0
        affiliations = Int(reader.take(UInt32.self))
        if reader.take(UInt8.self) != 0 {
            subject = Subject(
                text: reader.takeString(), nick: reader.takeString(), time: WallTime(milliseconds: reader.take()))
        }
        configuration = RoomConfiguration(&reader)
    }

    var row: [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.put(created.milliseconds)
        writer.put(creator)
        writer.put(UInt8(isLocked ? 1 : 0))
        writer.put(UInt32(clamping: affiliations))
        writer.put(UInt8(subject == nil ? 0 : 1))
        if let subject {
            writer.put(subject.text)
            writer.put(subject.nick)
            writer.put(subject.time.milliseconds)
        }
        configuration.write(to: &writer)
        return writer.bytes
    }
}

/// Rooms: number of the room's bare JID → ``RoomRow``; number of the host, number of the room → nothing, where the room is listed;
/// digest of a bare JID → how many rooms he has made; host → how many rooms it has.
public enum RoomTable {
    /// A room.
    public static func row(_ room: AddressNumber, in store: some KeyValueTransaction) -> RoomRow? {
        let key = NumberKey.one(room.value)
        var row: [UInt8] = []
        return store.read(.room, key.span) { row = Array($0) } ? RoomRow(row) : nil
    }

    /// The room of a bare JID.
    public static func room(
        at jid: JID, in store: some KeyValueTransaction
    ) -> (number: AddressNumber, row: RoomRow)? {
        guard let number = AddressTable.number(of: jid, in: store), let row = row(number, in: store) else { return nil }
        return (number, row)
    }

    /// Writes a room that is there.
    public static func put(_ room: AddressNumber, _ row: RoomRow, in store: some KeyValueTransaction) {
        let key = NumberKey.one(room.value)
        store.put(.room, key.span, row.row.span)
    }

    /// Makes a room, and counts it.
    public static func insert(_ row: RoomRow, at jid: JID, in store: some KeyValueTransaction) -> AddressNumber {
        let number = AddressTable.makeNumber(of: jid, in: store)
        let host = AddressTable.makeNumber(of: jid.domain, in: store)
        put(number, row, in: store)
        count(row.creator, by: 1, in: store)
        setCount(ofHost: host, self.count(ofHost: host, in: store) + 1, in: store)
        return number
    }

    /// Removes a room's row, and counts that.
    public static func remove(_ room: AddressNumber, at jid: JID, in store: some KeyValueTransaction) {
        guard let row = row(room, in: store) else { return }
        let key = NumberKey.one(room.value)
        store.delete(.room, key.span)
        setListed(room, at: jid, false, in: store)
        count(row.creator, by: -1, in: store)
        let host = AddressTable.makeNumber(of: jid.domain, in: store)
        setCount(ofHost: host, max(0, count(ofHost: host, in: store) - 1), in: store)
    }

    /// The first room from `room` on.
    public static func first(from room: AddressNumber, in store: some KeyValueTransaction) -> (AddressNumber, RoomRow)? {
        let key = NumberKey.one(room.value)
        return store.firstEntry(.room, atOrAfter: Array(key.span)).map {
            (AddressNumber(ByteReader.first($0.key)), RoomRow($0.value))
        }
    }

    // MARK: what is being removed

    /// Rows of a room are to be removed.
    public static func noteSweep(_ room: AddressNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.one(room.value)
        store.put(.roomSweep, key.span, [UInt8]().span)
    }

    /// They were.
    public static func forgetSweep(_ room: AddressNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.one(room.value)
        store.delete(.roomSweep, key.span)
    }

    /// Whether rows of a room that was are to be removed.
    public static func isSwept(_ room: AddressNumber, in store: some KeyValueTransaction) -> Bool {
        let key = NumberKey.one(room.value)
        return store.read(.roomSweep, key.span) { _ in }
    }

    /// The first room of which rows are to be removed.
    public static func firstSweep(in store: some KeyValueTransaction) -> AddressNumber? {
        store.firstEntry(.roomSweep, atOrAfter: []).map { AddressNumber(ByteReader.first($0.key)) }
    }

    // MARK: what is listed

    /// Whether a room is listed at its host.
    public static func setListed(
        _ room: AddressNumber, at jid: JID, _ isListed: Bool, in store: some KeyValueTransaction
    ) {
        let host = AddressTable.makeNumber(of: jid.domain, in: store)
        let key = NumberKey.two(host.value, room.value)
        let was = store.read(.roomListed, key.span) { _ in }
        if isListed, !was { store.put(.roomListed, key.span, [UInt8]().span) }
        if !isListed, was { store.delete(.roomListed, key.span) }
    }

    /// Up to `limit` listed rooms of a host behind one.
    public static func listed(
        atHost host: JID, after room: AddressNumber, limit: Int, in store: some KeyValueTransaction
    ) -> [AddressNumber] {
        guard let host = AddressTable.number(of: host, in: store) else { return [] }
        var rooms: [AddressNumber] = []
        var next = NumberKey.two(host.value, room.value + 1)
        let prefix = NumberKey.one(host.value)
        while rooms.count < limit, let entry = store.firstEntry(.roomListed, atOrAfter: Array(next.span)),
            entry.key.span.starts(with: prefix.span)
        {
            var reader = ByteReader(entry.key, from: 8)
            let number = reader.take(UInt64.self)
            rooms.append(AddressNumber(number))
            next = NumberKey.two(host.value, number + 1)
        }
        return rooms
    }

    // MARK: counting

    /// How many rooms a bare JID has made that are still there.
    public static func count(of creator: String, in store: some KeyValueTransaction) -> Int {
        store.get(.roomCreator, Array(PubSubNodeTable.digest(creator))).map { Int(ByteReader.first($0)) } ?? 0
    }

    private static func count(_ creator: String, by change: Int, in store: some KeyValueTransaction) {
        let key = Array(PubSubNodeTable.digest(creator))
        let count = self.count(of: creator, in: store) + change
        guard count > 0 else {
            store.delete(.roomCreator, key)
            return
        }
        let value = NumberKey.one(UInt64(count))
        store.put(.roomCreator, key.span, value.span)
    }

    /// How many rooms a host has.
    public static func count(ofHost host: JID, in store: some KeyValueTransaction) -> Int {
        AddressTable.number(of: host, in: store).map { count(ofHost: $0, in: store) } ?? 0
    }

    private static func count(ofHost host: AddressNumber, in store: some KeyValueTransaction) -> Int {
        let key = NumberKey.one(host.value)
        var count: UInt64 = 0
        _ = store.read(.roomHost, key.span) { count = UInt64(bigEndianBytes: $0) }
        return Int(count)
    }

    private static func setCount(ofHost host: AddressNumber, _ count: Int, in store: some KeyValueTransaction) {
        let (key, value) = (NumberKey.one(host.value), NumberKey.one(UInt64(count)))
        store.put(.roomHost, key.span, value.span)
    }
}
