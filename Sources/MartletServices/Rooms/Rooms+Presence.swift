import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Presence to rooms: entering, leaving, another nickname, another presence (XEP-0045 §7).
extension Rooms {
    mutating func receivedPresence(_ stanza: Stanza, _ from: JID, _ to: JID, _ party: Party, _ turn: Turn) {
        guard let type = stanza.presenceType else { return refuse(stanza, StanzaError(.badRequest), turn) }
        switch type {
        case .available:
            guard stanza.content.count <= LimitsPolicy.presenceBytes else {
                let text = "Presence may say no more than \(LimitsPolicy.presenceBytes) bytes"
                return refuse(stanza, StanzaError(.notAcceptable, text: text), turn)
            }
            available(stanza, from, to, party, turn)
        case .unavailable:
            guard let place = place(of: to.bare, turn) else { return }
            if let own = rooms[place].place(of: from) {
                leave(own, saying: stanza.shownInRoom, at: place, party, turn)
            }
            settle(rooms[place].number, turn)
        case .error: failed(stanza, from, to, turn)
        case .probe: break
        case .subscribe, .subscribed, .unsubscribe, .unsubscribed:
            if type == .subscribe { refuse(stanza, StanzaError(.notAllowed), turn) }
        }
    }

    private mutating func available(_ stanza: Stanza, _ from: JID, _ to: JID, _ party: Party, _ turn: Turn) {
        guard from.isFull else { return refuse(stanza, StanzaError(.badRequest), turn) }
        let isEntry = stanza.traits.contains(.roomEntry)
        if let place = place(of: to.bare, turn) {
            if let own = rooms[place].place(of: from) {
                let occupant = rooms[place].occupants[own]
                if let nick = to.resourcepart, nick != occupant.nick {
                    return changeNick(nick, stanza, own, at: place, party, turn)
                }
                // What was shown while the line was down has not arrived.
                let hasMissed = occupant.recovery != recoveries(of: from, in: to.bare)
                if isEntry || occupant.isSuspended || hasMissed {
                    return enterAgain(stanza, occupant.number, isEntry: isEntry, at: place, party, turn)
                }
                return changePresence(stanza, own, at: place, party, turn)
            }
            settle(rooms[place].number, turn)
        }
        guard isEntry else {
            // Who thinks to be in the room learns that he is not (XEP-0410 §4).
            return refuse(stanza, StanzaError(.notAcceptable, text: "You are not in this room"), turn)
        }
        enter(stanza, from, to, party, turn)
    }

    /// §7.7.
    private mutating func changePresence(
        _ stanza: Stanza, _ own: Int, at place: Int, _ party: Party, _ turn: Turn
    ) {
        guard rooms[place].jobs.count < RoomLimits.jobs else {
            return refuse(stanza, StanzaError(.resourceConstraint, .wait, text: "Too much is on its way in this room"), turn)
        }
        let content = stanza.shownInRoom
        rooms[place].change(at: own) {
            $0.content = content
            $0.asked = 0
        }
        let occupant = rooms[place].occupants[own]
        turn.lazily { RoomOccupantTable.put(rooms[place].number, occupant.number, occupant.row, in: turn.store) }
        tell(.presence(presence(of: occupant, at: place)), at: place, party, turn)
    }

    /// §7.6.
    private mutating func changeNick(
        _ nick: String, _ stanza: Stanza, _ own: Int, at place: Int, _ party: Party, _ turn: Turn
    ) {
        let before = rooms[place].occupants[own]
        if let error = objection(toNick: nick, turn) { return refuse(stanza, error, turn) }
        if isTaken(nick, for: before.jid, at: place, turn) { return refuse(stanza, StanzaError(.conflict), turn) }
        guard rooms[place].jobs.count < RoomLimits.jobs else {
            return refuse(stanza, StanzaError(.resourceConstraint, .wait, text: "Too much is on its way in this room"), turn)
        }
        var farewell = presence(of: before, at: place)
        farewell.isAvailable = false
        farewell.newNick = nick
        farewell.statuses = [.hasNewNick]
        farewell.content = []
        if rooms[place].numbers(of: before.nick).count == 1 {
            tell(.presence(farewell), at: place, party, turn)
        } else {
            tell(.presence(farewell), only: before.number, at: place, party, turn)
        }
        let content = stanza.shownInRoom
        rooms[place].setNick(nick, at: own)
        rooms[place].change(at: own) {
            $0.content = content
            $0.isSuspended = false
        }
        let after = rooms[place].occupants[own]
        RoomOccupantTable.put(rooms[place].number, after.number, after.row, in: turn.store)
        tell(.presence(presence(of: after, at: place)), at: place, party, turn)
    }

    // MARK: leaving

    /// §7.14: somebody goes, or is sent away with a reason: `statuses` for everybody. The room may be to be settled afterwards.
    mutating func leave(
        _ own: Int, saying content: [UInt8] = [], statuses: [RoomPresence.Status] = [], actor: String? = nil,
        reason: String? = nil, affiliation: RoomAffiliation? = nil, destruction: Element? = nil, at place: Int, _ party: Party,
        _ turn: Turn
    ) {
        let occupant = rooms[place].remove(at: own)
        RoomOccupantTable.remove(rooms[place].number, occupant.number, in: turn.store)
        left(occupant.jid, rooms[place].number, rooms[place].jid)
        var presence = presence(of: occupant, at: place)
        presence.isAvailable = false
        presence.role = .none
        presence.affiliation = affiliation ?? occupant.affiliation
        (presence.content, presence.statuses, presence.actor, presence.reason) = (content, statuses, actor, reason)
        presence.destruction = destruction
        var own = presence.stanza(showsAddress: true, isSelf: true)
        own.to = occupant.jid
        turn.routeFromRoom(own)
        // Another of his devices is still there, or nobody has seen him of late.
        if destruction == nil, rooms[place].numbers(of: occupant.nick).isEmpty, !occupant.isSuspended {
            tell(.presence(presence), at: place, party, turn)
        }
    }

    /// An error for what the room has sent to somebody: he is not there any more (§17.3), or only has not got that one thing.
    mutating func failed(_ stanza: Stanza, _ from: JID, _ to: JID, _ turn: Turn) {
        guard let place = place(of: to.bare, turn) else { return }
        let number = rooms[place].number
        defer { settle(number, turn) }
        guard let own = rooms[place].place(of: from) else { return }
        if stanza.kind == .message { passError(stanza, rooms[place].occupants[own], to, at: place, turn) }
        guard Self.isGone(stanza) else { return }
        leave(own, statuses: [.failed], at: place, .site, turn)
    }

    /// Whether an error says that somebody is not there.
    static func isGone(_ stanza: Stanza) -> Bool {
        guard let error = stanza.payload("error", Namespaces.client) else { return false }
        let condition = error.elements.first { $0.namespace == Namespaces.stanzaErrors && $0.name != "text" }
        switch condition.flatMap({ StanzaError.Condition(rawValue: $0.name) }) {
        case .gone, .itemNotFound, .recipientUnavailable, .redirect, .remoteServerNotFound, .remoteServerTimeout,
            .serviceUnavailable, .jidMalformed, .resourceConstraint:
            return true
        default: return false
        }
    }
}
