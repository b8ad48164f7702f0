import MartletBus
import MartletCrypto
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The lists of a room: who is what to it, and who may do what in it (XEP-0045 §7.11, §8.5, §9.2, §9.5, §9.8, §10.5, §10.8).
///
/// XEP-0045 knows no pages. A list that is too long for one answer says where it goes on, in the words of XEP-0059, and takes those words in
/// the next request; who does not know of them sees its beginning.
extension Rooms {
    /// A list by its affiliation or role.
    func answerList(_ request: Request, _ from: JID, at place: Int, _ turn: Turn) -> Answer {
        let items = request.payload.all("item", Namespaces.roomAdmin)
        guard items.count == 1 else { return .error(StanzaError(.badRequest)) }
        var after: String?
        if let set = request.payload.first("set", Namespaces.resultSet) {
            after = set.first("after", Namespaces.resultSet)?.text
        }
        if let name = items[0]["affiliation"] {
            guard let affiliation = RoomAffiliation(name: name), affiliation != .none else {
                return .error(StanzaError(.badRequest))
            }
            guard mayRead(affiliation, from, at: place, turn) else { return .error(StanzaError(.forbidden)) }
            return list(affiliation, after: after, at: place, turn)
        }
        guard let role = items[0]["role"].flatMap({ RoomRole(name: $0) }), role != .none else {
            return .error(StanzaError(.badRequest))
        }
        let isModerator = rooms[place].place(of: from).map { rooms[place].occupants[$0].role == .moderator } ?? false
        guard isModerator || affiliation(of: from, at: place, turn) >= .admin else { return .error(StanzaError(.forbidden)) }
        return list(role, after: after, at: place)
    }

    /// §5.2.1: admins read every list; members those of members, admins and owners, where nobody's address is hidden from them (§7.11).
    private func mayRead(_ list: RoomAffiliation, _ from: JID, at place: Int, _ turn: Turn) -> Bool {
        let own = affiliation(of: from, at: place, turn)
        if own >= .admin { return true }
        let configuration = rooms[place].row.configuration
        guard list >= .member, configuration.whois == .anyone, own != .outcast else { return false }
        guard let occupant = rooms[place].place(of: from) else { return own >= .member }
        return configuration.listRoles.contains(rooms[place].occupants[occupant].role)
            && (own >= .member || !configuration.flags.contains(.isMembersOnly))
    }

    private func list(_ affiliation: RoomAffiliation, after: String?, at place: Int, _ turn: Turn) -> Answer {
        let room = rooms[place].number
        var last: [UInt8] = []
        if let after {
            guard let bytes = Hex.decode(after), bytes.count == RoomAffiliationTable.placeBytes else {
                return .error(StanzaError(.itemNotFound))
            }
            last = RoomAffiliationTable.place(room, bytes)
        }
        var query = Element("query", Namespaces.roomAdmin)
        var bytes = 0
        while bytes < RoomLimits.listBytes {
            let part = RoomAffiliationTable.rows(room, after: last, limit: RoomLimits.listRows, in: turn.store)
            for row in part.rows where row.affiliation == affiliation {
                var item = Element("item", Namespaces.roomAdmin, [("affiliation", affiliation.name), ("jid", row.jid)])
                if let nick = row.nick { item["nick"] = nick }
                if let reason = row.reason { item.append(Element("reason", Namespaces.roomAdmin, text: reason)) }
                query.append(item)
                bytes += row.jid.utf8.count + (row.nick?.utf8.count ?? 0) + (row.reason?.utf8.count ?? 0) + 48
            }
            last = part.last
            if part.rows.count < RoomLimits.listRows { return .result(query) }
        }
        query.append(Self.goesOn(behind: Hex.encode(RoomAffiliationTable.placeBytes(of: last))))
        return .result(query)
    }

    private func list(_ role: RoomRole, after: String?, at place: Int) -> Answer {
        var index = 0
        if let after {
            guard let number = UInt64(after), number < UInt64.max else { return .error(StanzaError(.itemNotFound)) }
            index = rooms[place].place(from: number + 1)
        }
        var query = Element("query", Namespaces.roomAdmin)
        var bytes = 0
        while index < rooms[place].occupants.count {
            let occupant = rooms[place].occupants[index]
            if occupant.role == role, !occupant.isSuspended, rooms[place].place(ofNick: occupant.nick) == index {
                query.append(
                    Element(
                        "item", Namespaces.roomAdmin,
                        [
                            ("affiliation", occupant.affiliation.name), ("jid", occupant.jid.description),
                            ("nick", occupant.nick), ("role", role.name),
                        ]))
                bytes += occupant.nick.utf8.count + occupant.jid.description.utf8.count + 64
            }
            index += 1
            if bytes >= RoomLimits.listBytes, index < rooms[place].occupants.count {
                query.append(Self.goesOn(behind: String(occupant.number)))
                break
            }
        }
        return .result(query)
    }

    private static func goesOn(behind last: String) -> Element {
        Element("set", Namespaces.resultSet, elements: [Element("last", Namespaces.resultSet, text: last)])
    }
}
