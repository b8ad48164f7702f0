import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What moderators, admins and owners make of others (XEP-0045 §8, §9, §10.3 to §10.8): several things in one request are done together
/// or not at all.
extension Rooms {
    /// Who asks for it.
    struct Acting {
        let jid: JID
        let affiliation: RoomAffiliation
        /// Nothing where he is not in the room.
        let role: RoomRole
        let nick: String?
    }

    /// One thing.
    enum Deed {
        /// An address is to be something; nil for the nickname where it stays as it is.
        case affiliation(JID, RoomAffiliation, nick: String?, reason: String?)
        /// A nickname is to have a role.
        case role(String, RoomRole, reason: String?)
    }

    /// A request in the namespace of admins.
    mutating func answerAdmin(_ request: Request, _ from: JID, at place: Int, _ turn: Turn) -> Answer {
        guard request.type == .set else { return answerList(request, from, at: place, turn) }
        let items = request.payload.all("item", Namespaces.roomAdmin)
        guard !items.isEmpty else { return .error(StanzaError(.badRequest)) }
        guard items.count <= RoomLimits.deeds else {
            return .error(StanzaError(.policyViolation, text: "At most \(RoomLimits.deeds) items can be changed at a time"))
        }
        guard rooms[place].jobs.count + items.count <= RoomLimits.jobs else {
            return .error(StanzaError(.resourceConstraint, .wait, text: "Too much is on its way in this room"))
        }
        let occupant = rooms[place].place(of: from).map { rooms[place].occupants[$0] }
        let acting = Acting(
            jid: from, affiliation: affiliation(of: from, at: place, turn), role: occupant?.role ?? .none, nick: occupant?.nick)
        var deeds: [Deed] = []
        for item in items {
            switch read(item, by: acting, at: place, turn) {
            case .success(let deed): deeds.append(deed)
            case .failure(let error): return .error(error)
            }
        }
        if let error = objection(to: deeds, at: place, turn) { return .error(error) }
        guard turn.admits(.state, bytes: deeds.count * 256) else { return .error(.diskNearlyFull) }
        var notices = RoomLimits.notices
        for deed in deeds { perform(deed, by: acting.nick, &notices, at: place, request.envelope.origin.party, turn) }
        write(place, turn)
        return .result(nil)
    }

    // MARK: whether it may be

    private func read(_ item: Element, by acting: Acting, at place: Int, _ turn: Turn) -> Result<Deed, StanzaError> {
        let reason = item.first("reason", Namespaces.roomAdmin)?.text
        guard reason.map({ $0.utf8.count <= RoomLimits.reasonBytes }) ?? true else {
            return .failure(StanzaError(.notAcceptable, text: "A reason may have \(RoomLimits.reasonBytes) bytes"))
        }
        let kept = reason.flatMap { $0.isEmpty ? nil : $0 }
        if let name = item["affiliation"] {
            guard let new = RoomAffiliation(name: name) else { return .failure(StanzaError(.badRequest)) }
            return readAffiliation(item, new, kept, by: acting, at: place, turn)
        }
        guard let name = item["role"], let role = RoomRole(name: name), let nick = item["nick"] else {
            return .failure(StanzaError(.badRequest))
        }
        guard acting.role == .moderator || acting.affiliation >= .admin else { return .failure(StanzaError(.forbidden)) }
        guard let target = rooms[place].place(ofNick: nick) else { return .failure(StanzaError(.itemNotFound)) }
        if let error = Self.objection(to: role, of: rooms[place].occupants[target], by: acting) { return .failure(error) }
        return .success(.role(nick, role, reason: kept))
    }

    private func readAffiliation(
        _ item: Element, _ new: RoomAffiliation, _ reason: String?, by acting: Acting, at place: Int, _ turn: Turn
    ) -> Result<Deed, StanzaError> {
        let target: JID
        if let text = item["jid"] {
            guard let jid = try? JID(text) else { return .failure(StanzaError(.jidMalformed)) }
            target = jid.bare
        } else if let nick = item["nick"] {
            guard let other = rooms[place].place(ofNick: nick) else { return .failure(StanzaError(.itemNotFound)) }
            target = rooms[place].occupants[other].jid.bare
        } else {
            return .failure(StanzaError(.badRequest))
        }
        guard acting.affiliation >= .admin else { return .failure(StanzaError(.forbidden)) }
        let old = RoomAffiliationTable.row(rooms[place].number, target, in: turn.store)?.affiliation ?? .none
        if acting.affiliation < .owner {
            // §9.1: who is as much as oneself, or more.
            if old >= .admin { return .failure(StanzaError(.notAllowed)) }
            if new >= .admin { return .failure(StanzaError(.forbidden)) }
        }
        // §9.1: nobody bans himself.
        if new == .outcast, target == acting.jid.bare { return .failure(StanzaError(.conflict)) }
        // A whole domain is banned, or lets its people in, and owns nothing.
        if target.localpart == nil, new >= .admin { return .failure(StanzaError(.notAllowed)) }
        var nick: String?
        if item["jid"] != nil, let name = item["nick"], new >= .member, target.localpart != nil {
            guard let prepared = nickname(name) else { return .failure(StanzaError(.jidMalformed)) }
            if let error = objection(toNick: prepared, turn) { return .failure(error) }
            let owner = RoomAffiliationTable.owner(ofNick: prepared, rooms[place].number, in: turn.store)
            guard owner == nil || owner == target.description else { return .failure(StanzaError(.conflict)) }
            nick = prepared
        }
        return .success(.affiliation(target, new, nick: nick, reason: reason))
    }

    /// A nickname as it stands in addresses; nil where it cannot.
    func nickname(_ text: String) -> String? {
        guard !text.isEmpty, text.utf8.count <= 1023 else { return nil }
        return (try? JID("room@rooms/" + text))?.resourcepart
    }

    /// §8.2 to §8.4, §9.6, §9.7: what may not become of somebody's role.
    private static func objection(to role: RoomRole, of target: RoomOccupant, by acting: Acting) -> StanzaError? {
        if role == target.role { return nil }
        switch role {
        case .none: return target.affiliation > acting.affiliation ? StanzaError(.notAllowed) : nil
        case .moderator: return acting.affiliation >= .admin ? nil : StanzaError(.forbidden)
        case .participant, .visitor:
            // Whoever owns a room or helps to is a moderator and stays one.
            if target.affiliation >= .admin { return StanzaError(.notAllowed) }
            if target.role == .moderator { return acting.affiliation >= .admin ? nil : StanzaError(.forbidden) }
            // Voice is taken from nobody who is as much to the room: §8.4. Who is nothing to it may do it to his like, or a moderator
            // without affiliation could moderate nobody.
            let isRevoked = role == .visitor && acting.affiliation < .admin
            if isRevoked, target.affiliation > .none, target.affiliation >= acting.affiliation {
                return StanzaError(.notAllowed)
            }
            return nil
        }
    }

    /// What speaks against all of it together: two words on one address, too many addresses, nobody who owns the room.
    private func objection(to deeds: [Deed], at place: Int, _ turn: Turn) -> StanzaError? {
        let room = rooms[place].number
        var (jids, nicks): (Set<String>, Set<String>) = ([], [])
        var (owners, added) = (0, 0)
        for deed in deeds {
            switch deed {
            case .role(let nick, _, _):
                guard nicks.insert(nick).inserted else { return StanzaError(.badRequest) }
            case .affiliation(let jid, let new, let nick, _):
                guard jids.insert(jid.description).inserted else { return StanzaError(.badRequest) }
                if let nick, !nicks.insert(nick).inserted { return StanzaError(.conflict) }
                let old = RoomAffiliationTable.row(room, jid, in: turn.store)
                if old?.affiliation == .owner { owners -= 1 }
                if new == .owner { owners += 1 }
                added += (new == .none ? 0 : 1) - (old == nil ? 0 : 1)
            }
        }
        if added > 0, rooms[place].row.affiliations + added > turn.policy.rooms.affiliations {
            return StanzaError(.resourceConstraint, text: "Too many addresses are something to this room")
        }
        // §10.4: a room has an owner.
        if owners < 0, countOwners(at: place, turn) + owners < 1 { return StanzaError(.conflict) }
        return nil
    }

    private func countOwners(at place: Int, _ turn: Turn) -> Int {
        var (owners, last): (Int, [UInt8]) = (0, [])
        while true {
            let part = RoomAffiliationTable.rows(rooms[place].number, after: last, limit: RoomLimits.listRows, in: turn.store)
            owners += part.rows.count { $0.affiliation == .owner }
            last = part.last
            if part.rows.count < RoomLimits.listRows { return owners }
        }
    }
}
