import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What is done to somebody, and who hears of it (XEP-0045 §8, §9, §10).
extension Rooms {
    /// Does what may be done. The room's row is to be written afterwards.
    mutating func perform(
        _ deed: Deed, by actor: String?, _ notices: inout Int, at place: Int, _ party: Party, _ turn: Turn
    ) {
        switch deed {
        case .role(let nick, let role, let reason): setRole(of: nick, role, reason, by: actor, at: place, party, turn)
        case .affiliation(let jid, let new, let nick, let reason):
            let number = rooms[place].number
            let before = RoomAffiliationTable.row(number, jid, in: turn.store)
            let row = RoomAffiliationRow(
                jid: jid.description, affiliation: new, nick: new >= .member ? nick ?? before?.nick : nil, reason: reason)
            guard row != before else { return }
            rooms[place].row.affiliations += RoomAffiliationTable.put(number, row, in: turn.store)
            guard before?.affiliation ?? .none != new else { return }
            let isHere = show(jid, new, reason, by: actor, at: place, party, turn)
            if !isHere { tellOfAbsent(jid, new, reason, by: actor, &notices, at: place, party, turn) }
        }
    }

    // MARK: roles

    /// §8.2 to §8.4, §9.6, §9.7: all who have that nickname.
    private mutating func setRole(
        of nick: String, _ role: RoomRole, _ reason: String?, by actor: String?, at place: Int, _ party: Party, _ turn: Turn
    ) {
        guard role != .none else {
            for number in rooms[place].numbers(of: nick) {
                guard let own = rooms[place].place(of: number) else { continue }
                leave(own, statuses: [.kicked], actor: actor, reason: reason, at: place, party, turn)
            }
            return
        }
        change(rooms[place].numbers(of: nick), reason, by: actor, at: place, party, turn) { $0.role = role }
    }

    /// Several sessions of one person are something else now: in the store, and to everybody.
    private mutating func change(
        _ numbers: [UInt64], _ reason: String?, by actor: String?, at place: Int, _ party: Party, _ turn: Turn,
        _ body: (inout RoomOccupant) -> Void
    ) {
        var nicks: [String] = []
        for number in numbers {
            guard let own = rooms[place].place(of: number) else { continue }
            rooms[place].change(at: own, body)
            let occupant = rooms[place].occupants[own]
            RoomOccupantTable.put(rooms[place].number, number, occupant.row, in: turn.store)
            if !occupant.isSuspended, !nicks.contains(occupant.nick) { nicks.append(occupant.nick) }
        }
        for nick in nicks {
            guard let own = rooms[place].place(ofNick: nick) else { continue }
            var presence = presence(of: rooms[place].occupants[own], at: place)
            (presence.reason, presence.actor) = (reason, actor)
            tell(.presence(presence), at: place, party, turn)
        }
    }

    // MARK: affiliations

    /// What an address, or a domain, is to the room from now on shows in who is there; false where none of them is.
    private mutating func show(
        _ jid: JID, _ new: RoomAffiliation, _ reason: String?, by actor: String?, at place: Int, _ party: Party, _ turn: Turn
    ) -> Bool {
        var numbers: [UInt64] = []
        for occupant in rooms[place].occupants {
            if jid.localpart != nil {
                if occupant.jid.hasSameBare(as: jid) { numbers.append(occupant.number) }
            } else if occupant.jid.domainpart == jid.domainpart,
                RoomAffiliationTable.row(rooms[place].number, occupant.jid.bare, in: turn.store) == nil
            {
                numbers.append(occupant.number)
            }
        }
        guard let first = numbers.first else { return false }
        let isMembersOnly = rooms[place].row.configuration.flags.contains(.isMembersOnly)
        // A word about an address goes, and what holds for its domain is left.
        let effective =
            rooms[place].place(of: first).map { affiliation(of: rooms[place].occupants[$0].jid, at: place, turn) } ?? new
        if effective == .outcast || (isMembersOnly && effective < .member) {
            let status: RoomPresence.Status = effective == .outcast ? .banned : .affiliationChanged
            for number in numbers {
                guard let own = rooms[place].place(of: number) else { continue }
                leave(
                    own, statuses: [status], actor: actor, reason: reason, affiliation: effective, at: place, party, turn)
            }
            return true
        }
        let least = rooms[place].role(for: effective)
        change(numbers, reason, by: actor, at: place, party, turn) {
            let wasAdmin = $0.affiliation >= .admin
            $0.affiliation = effective
            // §9.3, §9.6, §10.3 to §10.7: more goes with it; who is an admin no longer has the role of everybody like him.
            if effective >= .admin { $0.role = .moderator } else { $0.role = wasAdmin ? least : max($0.role, least) }
        }
        return true
    }

    /// Who is not there: those who may see addresses hear of it in a message of the room.
    private mutating func tellOfAbsent(
        _ jid: JID, _ new: RoomAffiliation, _ reason: String?, by actor: String?, _ notices: inout Int, at place: Int,
        _ party: Party, _ turn: Turn
    ) {
        var item = Element(
            "item", Namespaces.roomUser, [("affiliation", new.name), ("jid", jid.description), ("role", RoomRole.none.name)])
        if let actor { item.append(Element("actor", Namespaces.roomUser, [("nick", actor)])) }
        if let reason { item.append(Element("reason", Namespaces.roomUser, text: reason)) }
        var message = Stanza(
            .message, from: rooms[place].jid, id: turn.random.identifier(),
            payloads: [Element("x", Namespaces.roomUser, elements: [item])])
        if rooms[place].row.configuration.whois == .anyone {
            return tell(.message(message, logged: nil, delivery: nil), at: place, party, turn)
        }
        for occupant in rooms[place].occupants where occupant.role == .moderator && !occupant.isSuspended {
            guard notices > 0 else { return }
            notices -= 1
            message.to = occupant.jid
            turn.routeFromRoom(message)
        }
    }
}
