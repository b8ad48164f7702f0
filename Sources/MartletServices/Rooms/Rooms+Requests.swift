// XEP-0410: MUC Self-Ping (Schrödinger's Chat), version 1.1.0, complete for rooms
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The ids of requests that rooms send: they say whose answer is for whom.
enum RoomRequestID {
    /// Whether somebody is still there.
    static func check(_ number: UInt64, _ turn: Turn) -> String { "check-\(number)-\(turn.random.identifier())" }

    /// A request of somebody who is there to somebody else.
    static func passed(_ number: UInt64, _ id: String) -> String { "pass-\(number)-\(id)" }

    enum Meaning: Equatable {
        case check(UInt64)
        case passed(UInt64, id: String)
    }

    static func meaning(_ id: String?) -> Meaning? {
        guard let parts = id?.split(separator: "-", maxSplits: 2, omittingEmptySubsequences: false), parts.count == 3,
            let number = UInt64(parts[1])
        else { return nil }
        switch parts[0] {
        case "check": return .check(number)
        case "pass": return .passed(number, id: String(parts[2]))
        default: return nil
        }
    }
}

/// Requests to rooms, and to those who are in them (XEP-0045 §17.4).
extension Rooms {
    /// A request to the address of somebody in a room.
    public mutating func pass(_ envelope: borrowing Envelope, _ turn: Turn) {
        let stanza = envelope.stanza
        guard let from = stanza.from, let to = stanza.to, let nick = to.resourcepart else { return }
        guard stanza.iqType?.isRequest == true else { return answered(stanza, turn) }
        guard let place = place(of: to.bare, turn) else { return turn.bounce(stanza, StanzaError(.itemNotFound)) }
        let number = rooms[place].number
        defer { settle(number, turn) }
        guard let own = rooms[place].place(of: from) else {
            return turn.bounce(stanza, StanzaError(.notAcceptable, text: "You are not in this room"))
        }
        let asker = rooms[place].occupants[own]
        if nick == asker.nick, stanza.payload("ping", Namespaces.ping) != nil {
            return turn.routeFromRoom(stanza.result())
        }
        guard let other = rooms[place].place(ofNick: nick) else { return turn.bounce(stanza, StanzaError(.itemNotFound)) }
        guard let id = stanza.id, id.utf8.count <= RoomLimits.idBytes else {
            return turn.bounce(stanza, StanzaError(.policyViolation, text: "The id is missing or too long"))
        }
        var copy = stanza
        copy.from = rooms[place].address(of: asker.nick)
        copy.id = RoomRequestID.passed(asker.number, id)
        // §17.4, XEP-0054: a profile is the account's, and its server answers.
        let isOfAccount = stanza.payload("vCard", Namespaces.vCardTemp) != nil
        let target = rooms[place].occupants[other].jid
        copy.to = isOfAccount ? target.bare : target
        turn.routeFromRoom(copy)
    }

    /// An answer to something that a room has sent.
    public mutating func answered(_ stanza: Stanza, _ turn: Turn) {
        guard let from = stanza.from, let to = stanza.to, let place = place(of: to.bare, turn) else { return }
        let number = rooms[place].number
        defer { settle(number, turn) }
        switch RoomRequestID.meaning(stanza.id) {
        case .check(let occupant): checked(stanza, occupant, at: place, turn)
        case .passed(let occupant, let id):
            guard let reader = rooms[place].place(of: occupant), let nick = to.resourcepart,
                rooms[place].occupants[reader].nick == nick,
                let other = rooms[place].occupants.first(where: {
                    $0.jid == from || (from.isBare && $0.jid.hasSameBare(as: from))
                })
            else { return }
            var copy = stanza
            copy.from = rooms[place].address(of: other.nick)
            copy.to = rooms[place].occupants[reader].jid
            copy.id = id
            turn.routeFromRoom(copy)
        case nil: break
        }
    }

    /// A request to a room.
    public mutating func answer(_ request: Request, _ turn: Turn) -> Answer {
        guard let from = request.stanza.from, let to = request.stanza.to else { return .error(StanzaError(.badRequest)) }
        guard let place = place(of: to, turn) else { return .error(StanzaError(.itemNotFound)) }
        let number = rooms[place].number
        defer { settle(number, turn) }
        if request.payload.name == "ping" {
            // Only who is in it has something to ask of it.
            return rooms[place].place(of: from) == nil ? .error(StanzaError(.notAcceptable)) : .result(nil)
        }
        switch request.payload.namespace {
        case Namespaces.roomOwner: return answerOwner(request, from, at: place, turn)
        case Namespaces.roomAdmin: return answerAdmin(request, from, at: place, turn)
        case Namespaces.register: return answerRegistration(request, from, at: place, turn)
        case Namespaces.moderation: return moderate(request, from, at: place, turn)
        case Namespaces.vCardTemp: return answerProfile(request, from, at: place, turn)
        default: return .error(StanzaError(.featureNotImplemented))
        }
    }

    /// The room whose archive somebody asks for, where he may read it: who is there or a member may, and whoever might enter.
    public mutating func reader(_ request: Request, _ turn: Turn) -> Result<AccountName, StanzaError> {
        guard let from = request.stanza.from, let to = request.stanza.to, let place = place(of: to, turn) else {
            return .failure(StanzaError(.itemNotFound))
        }
        let room = AccountName(rooms[place].jid, rooms[place].number)
        defer { settle(room.number, turn) }
        let affiliation = affiliation(of: from, at: place, turn)
        let flags = rooms[place].row.configuration.flags
        let isClosed = !flags.isDisjoint(with: [.isMembersOnly, .hasPassword]) || rooms[place].row.isLocked
        let isIn = affiliation >= .member || rooms[place].place(of: from) != nil
        guard affiliation != .outcast, isIn || !isClosed else { return .failure(StanzaError(.forbidden)) }
        return .success(room)
    }
}
