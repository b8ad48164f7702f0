import Collections
import MartletBus
import MartletStore
import XMPPAddress

/// A room in memory: who is there, and what is on its way.
///
/// Owned by ``Rooms``, which changes it in place. It is there while anybody is in the room or something is on its way; what lasts is in the
/// store.
struct Room {
    let number: AddressNumber
    /// The bare JID.
    let jid: JID
    /// As stored.
    var row: RoomRow
    /// In the order of their numbers.
    private(set) var occupants: [RoomOccupant] = []
    /// Look-up only.
    private var numbers: [JID: UInt64] = [:]
    /// The occupants of a nickname, in the order of their numbers. Look-up only.
    private var nicks: [String: [UInt64]] = [:]
    /// The number of the next who enters.
    var nextNumber: UInt64 = 1
    /// What is on its way, the first first.
    var jobs: Deque<RoomJob> = []
    /// The room waits for its turn.
    var isInLine = false
    /// Somebody is being told what was said before: nothing else is said until then.
    var awaitsHistory = false
    /// Private messages of late, by who has sent them: their errors are passed on.
    var privateMessages: Deque<(from: UInt64, to: UInt64, id: String)> = []

    init(_ number: AddressNumber, _ jid: JID, _ row: RoomRow) {
        self.number = number
        self.jid = jid
        self.row = row
    }

    var configuration: RoomConfiguration { row.configuration }
    var isEmpty: Bool { occupants.isEmpty }
    /// The last number that was given.
    var lastNumber: UInt64 { nextNumber - 1 }

    /// The place of the first occupant whose number is not less.
    func place(from number: UInt64) -> Int {
        var (low, high) = (0, occupants.count)
        while low < high {
            let middle = (low + high) / 2
            if occupants[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func place(of number: UInt64) -> Int? {
        let place = place(from: number)
        return place < occupants.count && occupants[place].number == number ? place : nil
    }

    /// The place of the occupant with that real address.
    func place(of jid: JID) -> Int? { numbers[jid].flatMap { place(of: $0) } }

    /// The sessions that have a nickname.
    func numbers(of nick: String) -> [UInt64] { nicks[nick] ?? [] }

    /// The session that stands for a nickname: the first that can be reached, else the first.
    func place(ofNick nick: String) -> Int? {
        let places = numbers(of: nick).compactMap { place(of: $0) }
        return places.first { !occupants[$0].isSuspended } ?? places.first
    }

    /// How many nicknames are there, suspended ones not counted.
    var shownCount: Int { occupants.count { !$0.isSuspended } }

    mutating func append(_ occupant: RoomOccupant) {
        numbers[occupant.jid] = occupant.number
        nicks[occupant.nick, default: []].append(occupant.number)
        occupants.append(occupant)
        nextNumber = max(nextNumber, occupant.number + 1)
    }

    @discardableResult
    mutating func remove(at place: Int) -> RoomOccupant {
        let occupant = occupants.remove(at: place)
        numbers[occupant.jid] = nil
        forget(occupant.nick, occupant.number)
        return occupant
    }

    mutating func setNick(_ nick: String, at place: Int) {
        let number = occupants[place].number
        forget(occupants[place].nick, number)
        occupants[place].nick = nick
        nicks[nick, default: []].append(number)
        nicks[nick]?.sort()
    }

    mutating func change(at place: Int, _ body: (inout RoomOccupant) -> Void) { body(&occupants[place]) }

    private mutating func forget(_ nick: String, _ number: UInt64) {
        nicks[nick]?.removeAll { $0 == number }
        if nicks[nick]?.isEmpty ?? false { nicks[nick] = nil }
    }

    /// The room's address with a nickname, which was prepared.
    func address(of nick: String) -> JID {
        JID(preparedLocalpart: jid.localpart, preparedDomainpart: jid.domainpart, preparedResourcepart: nick)
    }

    /// Whether an occupant sees everybody's real address.
    func showsAddresses(to occupant: RoomOccupant) -> Bool {
        row.configuration.whois == .anyone || occupant.role == .moderator
    }

    /// The role with which somebody enters (§5.1.2).
    func role(for affiliation: RoomAffiliation) -> RoomRole {
        switch affiliation {
        case .owner, .admin: .moderator
        case .member: .participant
        case .none: row.configuration.flags.contains(.isModerated) ? .visitor : .participant
        case .outcast: .none
        }
    }
}
