import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Entering a room (XEP-0045 §7.2) and making one (§10.1).
extension Rooms {
    /// Somebody who is not in the room wants to be.
    mutating func enter(_ stanza: Stanza, _ from: JID, _ to: JID, _ party: Party, _ turn: Turn) {
        guard let nick = to.resourcepart else {
            // §7.2.1
            return refuse(stanza, StanzaError(.jidMalformed, text: "A nickname is missing"), turn)
        }
        if let error = objection(toNick: nick, turn) { return refuse(stanza, error, turn) }
        let wish = stanza.payload("x", Namespaces.rooms)
        var isNew = false
        if place(of: to.bare, turn) == nil {
            if let error = make(to.bare, by: from, turn) { return refuse(stanza, error, turn) }
            isNew = true
        }
        guard let place = place(of: to.bare, turn) else { return }
        let affiliation = affiliation(of: from, at: place, turn)
        if !isNew, let error = objection(to: from, affiliation, nick, wish, at: place, turn) {
            refuse(stanza, error, turn)
            return settle(rooms[place].number, turn)
        }
        guard turn.admits(.talk, bytes: stanza.content.count) else {
            refuse(stanza, .diskNearlyFull, turn)
            return settle(rooms[place].number, turn)
        }
        let role =
            rooms[place].place(ofNick: nick).map { rooms[place].occupants[$0].role } ?? rooms[place].role(for: affiliation)
        let occupant = RoomOccupant(
            number: rooms[place].nextNumber, jid: from, nick: nick, role: role, affiliation: affiliation,
            content: stanza.shownInRoom)
        rooms[place].append(occupant)
        RoomOccupantTable.put(rooms[place].number, occupant.number, occupant.row, in: turn.store)
        entered(from, rooms[place].number, rooms[place].jid, turn)
        let recovery = recoveries(of: from, in: rooms[place].jid)
        if recovery != 0, let own = rooms[place].place(of: occupant.number) {
            rooms[place].change(at: own) { $0.recovery = recovery }
        }
        welcome(occupant, wish, isNew: isNew, at: place, party, turn)
    }

    /// §7.2.2 to §7.2.15: everybody to him, he to everybody, what was said before, and the subject.
    private mutating func welcome(
        _ occupant: RoomOccupant, _ wish: Element?, isNew: Bool, at place: Int, _ party: Party, _ turn: Turn
    ) {
        tell(.everybody(to: occupant.number), at: place, party, turn)
        var presence = presence(of: occupant, at: place)
        let configuration = rooms[place].row.configuration
        if configuration.whois == .anyone { presence.ownStatuses.append(.showsAddresses) }
        if configuration.flags.contains(.isArchived) { presence.ownStatuses.append(.isArchived) }
        if isNew { presence.ownStatuses.append(.isCreated) }
        tell(.presence(presence), at: place, party, turn)
        let question = history(wish?.first("history", Namespaces.rooms), for: occupant.number, at: place, turn)
        tell(.welcome(to: occupant.number, question), only: occupant.number, at: place, party, turn)
    }

    /// Somebody who is in the room already says that he wants to enter, or comes back over a line that was down: he is the same occupant, and
    /// is shown everything anew.
    mutating func enterAgain(
        _ stanza: Stanza, _ number: UInt64, isEntry: Bool, at place: Int, _ party: Party, _ turn: Turn
    ) {
        guard let own = rooms[place].place(of: number) else { return }
        let wasSuspended = rooms[place].occupants[own].isSuspended
        let recovery = recoveries(of: rooms[place].occupants[own].jid, in: rooms[place].jid)
        rooms[place].change(at: own) {
            $0.isSuspended = false
            $0.asked = 0
            $0.recovery = recovery
            $0.content = stanza.shownInRoom
        }
        let occupant = rooms[place].occupants[own]
        turn.lazily { RoomOccupantTable.put(rooms[place].number, number, occupant.row, in: turn.store) }
        showAgain(occupant, toOthers: wasSuspended, at: place, party, turn)
        guard isEntry else { return }
        let wish = stanza.payload("x", Namespaces.rooms)?.first("history", Namespaces.rooms)
        var question = history(wish, for: number, at: place, turn)
        // What was said meanwhile comes to him over the line.
        if wasSuspended, wish == nil { question.stanzas = 0 }
        tell(.welcome(to: number, question), only: number, at: place, party, turn)
    }

    /// Everybody to him, and he to himself, or to everybody.
    mutating func showAgain(_ occupant: RoomOccupant, toOthers: Bool, at place: Int, _ party: Party, _ turn: Turn) {
        tell(.everybody(to: occupant.number), at: place, party, turn)
        var presence = presence(of: occupant, at: place)
        if rooms[place].row.configuration.whois == .anyone { presence.ownStatuses.append(.showsAddresses) }
        if rooms[place].row.configuration.flags.contains(.isArchived) { presence.ownStatuses.append(.isArchived) }
        if toOthers {
            tell(.presence(presence), at: place, party, turn)
        } else {
            tell(.presence(presence), only: occupant.number, at: place, party, turn)
        }
    }

    // MARK: objections

    /// What is no nickname.
    func objection(toNick nick: String, _ turn: Turn) -> StanzaError? {
        if nick.utf8.count > turn.policy.rooms.nickBytes {
            return StanzaError(.notAcceptable, text: "A nickname may have \(turn.policy.rooms.nickBytes) bytes")
        }
        let isBlank = nick.unicodeScalars.allSatisfy { $0.properties.isWhitespace || $0.properties.isDefaultIgnorableCodePoint }
        return isBlank ? StanzaError(.jidMalformed, text: "That is no nickname") : nil
    }

    /// Why somebody may not enter, in the order of what he can do about it.
    private func objection(
        to from: JID, _ affiliation: RoomAffiliation, _ nick: String, _ wish: Element?, at place: Int, _ turn: Turn
    ) -> StanzaError? {
        let configuration = rooms[place].row.configuration
        if affiliation == .outcast { return StanzaError(.forbidden) }  // §7.2.8
        if rooms[place].row.isLocked, affiliation != .owner { return StanzaError(.itemNotFound) }  // §10.1.3
        if configuration.flags.contains(.isMembersOnly), affiliation < .member {
            return StanzaError(.registrationRequired)  // §7.2.7
        }
        if configuration.flags.contains(.hasPassword),
            wish?.first("password", Namespaces.rooms)?.text != configuration.password
        {
            return StanzaError(.notAuthorized)  // §7.2.6
        }
        if isTaken(nick, for: from, at: place, turn) { return StanzaError(.conflict) }  // §7.2.9
        let bound = turn.policy.rooms.occupants
        let most = configuration.maxOccupants == 0 ? bound : min(bound, Int(configuration.maxOccupants))
        let mayAlways = affiliation >= .admin && rooms[place].occupants.count < bound
        if rooms[place].occupants.count >= most, !mayAlways { return StanzaError(.serviceUnavailable, .wait) }  // §7.2.10
        if isFull(of: from, at: place, turn) {
            return StanzaError(.resourceConstraint, text: "Too many people of your server are here")
        }
        let own = rooms[place].numbers(of: nick).count
        if own >= turn.policy.rooms.sessionsPerPerson {
            return StanzaError(.resourceConstraint, text: "Too many of your devices are in this room")
        }
        return nil
    }

    /// Whether the people of a server that is none of ours have all the places that they may have, in the room or in all.
    private func isFull(of jid: JID, at place: Int, _ turn: Turn) -> Bool {
        let pair = DomainPair(local: rooms[place].jid.domain, peer: jid.domain)
        guard !turn.policy.houses(jid.domainpart), !turn.policy.isOffice(jid.domainpart), let peer = peers.place(of: pair)
        else {
            return false
        }
        return peers.count(peer, rooms[place].number) >= RoomLimits.strangers
            || peers.peers[peer].total >= RoomLimits.placesPerPeer
    }

    /// Whether a nickname is somebody else's: of somebody who is there, or for whom it is kept (§7.10).
    func isTaken(_ nick: String, for jid: JID, at place: Int, _ turn: Turn) -> Bool {
        if let other = rooms[place].place(ofNick: nick), !rooms[place].occupants[other].jid.hasSameBare(as: jid) { return true }
        let owner = RoomAffiliationTable.owner(ofNick: nick, rooms[place].number, in: turn.store)
        return owner.map { $0 != jid.bare.description } ?? false
    }

    /// What an address is to a room.
    func affiliation(of jid: JID, at place: Int, _ turn: Turn) -> RoomAffiliation {
        let number = rooms[place].number
        guard rooms[place].row.affiliations > 0 else { return .none }
        if let own = RoomAffiliationTable.row(number, jid.bare, in: turn.store) { return own.affiliation }
        return RoomAffiliationTable.row(number, jid.domain, in: turn.store)?.affiliation ?? .none
    }

    /// A refusal with the room's own element beside it, as older clients expect it (§7.2).
    func refuse(_ stanza: Stanza, _ error: StanzaError, _ turn: Turn) {
        guard var reply = stanza.errorReply(error, by: stanza.to?.bare) else { return }
        if stanza.kind == .presence {
            let error = reply.content
            reply.content = []
            reply.append(Element("x", Namespaces.rooms))
            reply.content += error
        }
        turn.routeFromRoom(reply)
    }

    // MARK: making a room

    /// Makes a room; says why not. It is locked until its owner has said how it is to be (§10.1.2, §10.1.3).
    private mutating func make(_ jid: JID, by creator: JID, _ turn: Turn) -> StanzaError? {
        let policy = turn.policy.rooms
        guard mayMakeRooms(creator, turn) else {
            return StanzaError(.notAllowed, text: "There is no such room, and you may not make one")
        }
        let words = creator.bare.description
        guard RoomTable.count(of: words, in: turn.store) < policy.roomsPerCreator else {
            return StanzaError(
                .resourceConstraint, text: "You have made \(policy.roomsPerCreator) rooms, and may not have more")
        }
        guard RoomTable.count(ofHost: jid.domain, in: turn.store) < policy.roomsPerHost else {
            return StanzaError(.resourceConstraint, text: "There are too many rooms")
        }
        guard turn.admits(.state) else { return .diskNearlyFull }
        if let number = AddressTable.number(of: jid, in: turn.store), RoomTable.isSwept(number, in: turn.store) {
            return StanzaError(.resourceConstraint, .wait, text: "A room of that name is being removed")
        }
        var row = RoomRow(created: turn.wall, creator: words, configuration: RoomConfiguration())
        row.isLocked = true
        row.affiliations = 1
        let number = RoomTable.insert(row, at: jid, in: turn.store)
        RoomAffiliationTable.put(number, RoomAffiliationRow(jid: words, affiliation: .owner), in: turn.store)
        _ = insert(Room(number, jid, row))
        return nil
    }

    private func mayMakeRooms(_ jid: JID, _ turn: Turn) -> Bool {
        let policy = turn.policy.rooms
        if policy.namedCreators.contains(jid.bare.description) || policy.namedCreators.contains(jid.domainpart) { return true }
        switch policy.creators {
        case .nobody: return false
        case .people: return turn.policy.hasPeople(at: jid.domainpart)
        case .offices: return turn.policy.hasPeople(at: jid.domainpart) || turn.policy.isOffice(jid.domainpart)
        }
    }

    /// The row of a room has changed.
    func write(_ place: Int, _ turn: Turn) {
        let row = rooms[place].row
        RoomTable.put(rooms[place].number, row, in: turn.store)
        let isListed = row.configuration.flags.contains(.isPublic) && !row.isLocked
        RoomTable.setListed(rooms[place].number, at: rooms[place].jid, isListed, in: turn.store)
    }
}
