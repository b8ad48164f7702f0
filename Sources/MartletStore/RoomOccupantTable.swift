import MartletPrimitives
import XMPPAddress

/// Somebody in a room, as stored: by his real full JID, with the nickname under which the others know him.
public struct RoomOccupantRow: Sendable, Equatable {
    /// Whether he can be reached. The numbers stand in the store.
    public enum State: UInt8, Sendable {
        /// He is there.
        case present
        /// The line to his server is down: to the others he is gone, and what is said waits for him.
        case suspended
    }

    /// The real full JID.
    public var jid: JID
    /// The nickname.
    public var nick: String
    /// What he may.
    public var role: RoomRole
    /// What he is to the room.
    public var affiliation: RoomAffiliation
    /// Whether he can be reached.
    public var state: State
    /// What his presence says to the others.
    public var content: [UInt8]

    /// That occupant.
    public init(
        jid: JID, nick: String, role: RoomRole, affiliation: RoomAffiliation, state: State = .present, content: [UInt8] = []
    ) {
        self.jid = jid
        self.nick = nick
        self.role = role
        self.affiliation = affiliation
        self.state = state
        self.content = content
    }

    init(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        state = State(rawValue: reader.take()) ?? .present
        role = RoomRole(rawValue: reader.take()) ?? .none
        affiliation = RoomAffiliation(rawValue: reader.take()) ?? .none
        nick = reader.takeString()
        jid = JID(
            preparedLocalpart: reader.takeOptionalString(), preparedDomainpart: reader.takeString(),
            preparedResourcepart: reader.takeOptionalString())
        content = reader.takeBytes()
    }

    var row: [UInt8] {
        var writer = ByteWriter(capacity: 128 + content.count)
        writer.put(state.rawValue)
        writer.put(role.rawValue)
        writer.put(affiliation.rawValue)
        writer.put(nick)
        writer.put(jid.localpart)
        writer.put(jid.domainpart)
        writer.put(jid.resourcepart)
        writer.put(content)
        return writer.bytes
    }
}

/// A message on its way to a room too large for one turn: where it has come. What is written with it is what was sent.
public struct RoomDeliveryRow: Sendable, Equatable {
    /// The message's place in the log, of which this is a holder.
    public var logSequence: UInt64
    /// Occupants up to this one have it.
    public var after: UInt64
    /// The last occupant whom it concerns.
    public var through: UInt64

    /// That message, on its way from behind `after` to `through`.
    public init(logSequence: UInt64, after: UInt64, through: UInt64) {
        self.logSequence = logSequence
        self.after = after
        self.through = through
    }
}

/// room, number in the order of joining → ``RoomOccupantRow``; room, number → ``RoomDeliveryRow``.
public enum RoomOccupantTable {
    /// Writes an occupant.
    public static func put(
        _ room: AddressNumber, _ occupant: UInt64, _ row: RoomOccupantRow, in store: some KeyValueTransaction
    ) {
        let key = NumberKey.two(room.value, occupant)
        store.put(.roomOccupant, key.span, row.row.span)
    }

    /// One occupant.
    public static func row(
        _ room: AddressNumber, _ occupant: UInt64, in store: some KeyValueTransaction
    ) -> RoomOccupantRow? {
        let key = NumberKey.two(room.value, occupant)
        return store.get(.roomOccupant, Array(key.span)).map { RoomOccupantRow($0) }
    }

    /// He is gone.
    public static func remove(_ room: AddressNumber, _ occupant: UInt64, in store: some KeyValueTransaction) {
        let key = NumberKey.two(room.value, occupant)
        store.delete(.roomOccupant, key.span)
    }

    /// The occupants of a room, in the order in which they came.
    public static func occupants(
        _ room: AddressNumber, in store: some KeyValueTransaction
    ) -> [(number: UInt64, row: RoomOccupantRow)] {
        var occupants: [(UInt64, RoomOccupantRow)] = []
        let prefix = NumberKey.one(room.value)
        store.forEach(.roomOccupant, prefix: Array(prefix.span)) { key, value in
            var reader = ByteReader(key, from: 8)
            occupants.append((reader.take(), RoomOccupantRow(value)))
            return true
        }
        return occupants
    }

    /// The first room from `room` on in which somebody is.
    public static func firstRoom(from room: AddressNumber, in store: some KeyValueTransaction) -> AddressNumber? {
        let key = NumberKey.two(room.value, 0)
        return store.firstEntry(.roomOccupant, atOrAfter: Array(key.span)).map { AddressNumber(ByteReader.first($0.key)) }
    }

    // MARK: messages on their way

    /// The first room from `room` on in which a message is on its way.
    public static func firstDelivery(from room: AddressNumber, in store: some KeyValueTransaction) -> AddressNumber? {
        let key = NumberKey.two(room.value, 0)
        return store.firstEntry(.roomDelivery, atOrAfter: Array(key.span)).map { AddressNumber(ByteReader.first($0.key)) }
    }

    /// Writes where a message has come.
    public static func put(
        _ room: AddressNumber, delivery: UInt64, _ row: RoomDeliveryRow, in store: some KeyValueTransaction
    ) {
        let key = NumberKey.two(room.value, delivery)
        let value = NumberKey.three(row.logSequence, row.after, row.through)
        store.put(.roomDelivery, key.span, value.span)
    }

    /// Where a message has come.
    public static func delivery(
        _ room: AddressNumber, _ delivery: UInt64, in store: some KeyValueTransaction
    ) -> RoomDeliveryRow? {
        let key = NumberKey.two(room.value, delivery)
        guard let value = store.get(.roomDelivery, Array(key.span)) else { return nil }
        var reader = ByteReader(value)
        return RoomDeliveryRow(logSequence: reader.take(), after: reader.take(), through: reader.take())
    }

    /// A message has come to everybody.
    public static func remove(_ room: AddressNumber, delivery: UInt64, in store: some KeyValueTransaction) {
        let key = NumberKey.two(room.value, delivery)
        store.delete(.roomDelivery, key.span)
    }

    /// The messages of a room that are on their way, the first first.
    public static func deliveries(
        _ room: AddressNumber, in store: some KeyValueTransaction
    ) -> [(number: UInt64, row: RoomDeliveryRow)] {
        var deliveries: [(UInt64, RoomDeliveryRow)] = []
        let prefix = NumberKey.one(room.value)
        store.forEach(.roomDelivery, prefix: Array(prefix.span)) { key, value in
            var (number, reader) = (ByteReader(key, from: 8), ByteReader(value))
            let row = RoomDeliveryRow(logSequence: reader.take(), after: reader.take(), through: reader.take())
            deliveries.append((number.take(), row))
            return true
        }
        return deliveries
    }
}
