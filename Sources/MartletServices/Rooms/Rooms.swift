// XEP-0045: Multi-User Chat, version 1.35.5, all but the tombstones of destroyed rooms (§10.9) and fully anonymous ones
import Collections
import MartletBus
import MartletCrypto
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Rooms in which people talk with each other (XEP-0045), here and from other servers.
///
/// Owned by the site and lives as long as it. What a room is, who is something to it and who is there stands in the store, changed in the
/// turn of what changes it; here is the same of the rooms in which somebody is, and what is on its way in them. A message is in the log
/// before its sender has an acknowledgement; on its way to more people than one turn may tell it is a job whose place stands in the store.
public struct Rooms {
    /// The rooms in memory, in no order that matters.
    var rooms: [Room] = []
    /// Their places. Look-up only.
    private var places: [AddressNumber: Int] = [:]
    /// Rooms in which something is on its way, in turns.
    var line: Deque<AddressNumber> = []
    /// A timer is set for the next slice.
    var isScheduled = false
    /// People of other domains.
    var peers = RoomPeers()
    /// Rooms from here on were not yet looked for since the start; nil when all were.
    var restored: AddressNumber?
    /// Makes the ids of occupants (XEP-0421).
    private var secret: [UInt8] = []
    /// Makes the ids of messages, as the archives do.
    var hash = KeyedHash(secret: [], use: "archive")

    /// For hosts of rooms, and for rooms.
    public static let declaration = ServiceDeclaration(
        "Rooms",
        features: [.init(Namespaces.rooms, of: [.host(.rooms)]), .init(Namespaces.vCardTemp, of: [.host(.rooms)])],
        requests: [
            .init("query", Namespaces.roomOwner, [.get, .set], to: [.room]),
            .init("query", Namespaces.roomAdmin, [.get, .set], to: [.room]),
            .init("query", Namespaces.register, [.get, .set], to: [.room]),
            .init("vCard", Namespaces.vCardTemp, [.get, .set], to: [.room]),
            .init("moderate", Namespaces.moderation, [.set], to: [.room]),
            .init("ping", Namespaces.ping, [.get], to: [.room]),
        ])

    /// No rooms; ``boot(_:)`` follows.
    public init() {}

    /// After a start: rooms in which somebody is are read, one after the other.
    public mutating func boot(_ turn: Turn) {
        let key = MetaTable.bytes(.secret, in: turn.store) ?? []
        secret = Digest.hash(.sha256, key + Array("rooms".utf8))
        hash = KeyedHash(secret: key, use: "archive")
        guard turn.policy.hosts.contains(where: { $0.kind == .rooms }) else { return }
        restored = AddressNumber(0)
        turn.schedule(.rooms(.restore), after: RoomLimits.restorePause)
    }

    /// One of our timers fired.
    public mutating func timerFired(_ timer: RoomsTimer, _ turn: Turn) {
        switch timer {
        case .work: workDue(turn)
        case .checks: checksDue(turn)
        case .restore: restoreDue(turn)
        }
    }

    /// A presence or a message to a room, to somebody in it, or to the host.
    public mutating func received(_ envelope: borrowing Envelope, at host: Host, _ turn: Turn) {
        let stanza = envelope.stanza
        guard let from = stanza.from, let to = stanza.to else { return }
        guard to.localpart != nil else {
            if stanza.kind == .message { turn.bounce(stanza, StanzaError(.serviceUnavailable)) }
            return
        }
        let party = envelope.origin.party
        switch stanza.kind {
        case .presence: receivedPresence(stanza, from, to, party, turn)
        case .message: receivedMessage(stanza, from, to, party, turn)
        case .iq: break
        }
    }

    // MARK: rooms in memory

    /// The place of a room that is there, read from the store where nobody is in it.
    mutating func place(of jid: JID, _ turn: Turn) -> Int? {
        guard let number = AddressTable.number(of: jid, in: turn.store) else { return nil }
        return place(of: number, jid, turn)
    }

    mutating func place(of number: AddressNumber, _ jid: JID, _ turn: Turn) -> Int? {
        if let place = places[number] { return place }
        guard let row = RoomTable.row(number, in: turn.store) else { return nil }
        var room = Room(number, jid, row)
        load(&room, turn)
        return insert(room)
    }

    /// The place of a room in memory.
    func place(of number: AddressNumber) -> Int? { places[number] }

    mutating func insert(_ room: Room) -> Int {
        places[room.number] = rooms.count
        rooms.append(room)
        return rooms.count - 1
    }

    /// A room in which nobody is and nothing is on its way takes no memory; one that is not to last goes for good.
    mutating func settle(_ number: AddressNumber, _ turn: Turn) {
        guard let place = places[number], rooms[place].isEmpty, rooms[place].jobs.isEmpty else { return }
        let isKept = rooms[place].row.configuration.flags.contains(.isPersistent) && !rooms[place].row.isLocked
        let jid = rooms[place].jid
        forget(place)
        if !isKept { remove(number, jid, turn) }
    }

    private mutating func forget(_ place: Int) {
        places[rooms[place].number] = nil
        let last = rooms.removeLast()
        guard place < rooms.count else { return }
        rooms[place] = last
        places[last.number] = place
    }

    /// A room is gone, with everything that it had.
    func remove(_ number: AddressNumber, _ jid: JID, _ turn: Turn) {
        RoomTable.remove(number, at: jid, in: turn.store)
        VCardTable.remove(number, in: turn.store)
        AvatarTable.set(number, nil, in: turn.store)
        turn.notify(.roomRemoved(AccountName(jid, number)))
        for _ in 0..<RoomLimits.removedPerSlice {
            guard RoomAffiliationTable.removeFirst(number, in: turn.store) else { return }
        }
        RoomTable.noteSweep(number, in: turn.store)
        turn.schedule(.rooms(.restore), after: RoomLimits.restorePause)
    }

    /// The XEP-0421 id of somebody in a room: the same for all his sessions, and another in another room.
    func occupantID(of jid: JID, in room: JID) -> String {
        let words = "\(room)\u{0}\(jid.bare)"
        return Hex.encode(HMAC.authenticate(.sha256, key: secret, Array(words.utf8))[..<16])
    }
}
