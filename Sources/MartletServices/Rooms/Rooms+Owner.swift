import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What owners do with a room (XEP-0045 §10).
extension Rooms {
    /// A request in the namespace of owners.
    mutating func answerOwner(_ request: Request, _ from: JID, at place: Int, _ turn: Turn) -> Answer {
        guard affiliation(of: from, at: place, turn) == .owner else { return .error(StanzaError(.forbidden)) }
        guard request.type == .set else {
            let form = rooms[place].row.configuration.form
            return .result(Element("query", Namespaces.roomOwner, elements: [form.element]))
        }
        let party = request.envelope.origin.party
        if let destruction = request.payload.first("destroy", Namespaces.roomOwner) {
            return destroy(destruction, at: place, party, turn)
        }
        guard let form = request.payload.first("x", Namespaces.dataForms).flatMap(DataForm.init) else {
            return .error(StanzaError(.badRequest))
        }
        switch form.kind {
        case .submit: return configure(form, at: place, party, turn)
        case .cancel:
            // §10.1.3: what was given up before it has begun is not there.
            if rooms[place].row.isLocked {
                close(RoomClosing(what: .everybody(Element("destroy", Namespaces.roomUser))), at: place, party, turn)
            }
            return .result(nil)
        case .form, .result: return .error(StanzaError(.badRequest))
        }
    }

    /// §10.1.2, §10.1.3, §10.2: the room is as the form says, and open from now on.
    private mutating func configure(_ form: DataForm, at place: Int, _ party: Party, _ turn: Turn) -> Answer {
        let before = rooms[place].row.configuration
        var after = before
        if let kind = form.values("FORM_TYPE").first, kind != Namespaces.roomConfiguration {
            return .error(StanzaError(.badRequest, text: "That is another form"))
        }
        if let field = after.take(form) {
            return .error(StanzaError(.notAcceptable, text: "That cannot be: \(field)"))
        }
        let changes = Self.changes(from: before, to: after)
        let wasLocked = rooms[place].row.isLocked
        guard wasLocked || !changes.isEmpty else { return .result(nil) }
        guard changes.isEmpty || rooms[place].jobs.count < RoomLimits.jobs else {
            return .error(StanzaError(.resourceConstraint, .wait, text: "Too much is on its way in this room"))
        }
        guard changes.isEmpty || turn.admits(.state, bytes: RoomLimits.descriptionBytes) else { return .error(.diskNearlyFull) }
        rooms[place].row.configuration = after
        rooms[place].row.isLocked = false
        write(place, turn)
        if after.flags.contains(.isMembersOnly), !before.flags.contains(.isMembersOnly) {
            // §10.2: who is no member does not stay.
            close(RoomClosing(what: .strangers), at: place, party, turn)
        }
        if !wasLocked { announce(changes, at: place, party, turn) }
        return .result(nil)
    }

    /// §10.2.1: the status codes of what has changed.
    private static func changes(from before: RoomConfiguration, to after: RoomConfiguration) -> [Int] {
        var codes: [Int] = []
        if before.flags.contains(.isArchived) != after.flags.contains(.isArchived) {
            codes.append(after.flags.contains(.isArchived) ? 170 : 171)
        }
        if before.whois != after.whois { codes.append(after.whois == .anyone ? 172 : 173) }
        var other = before
        other.whois = after.whois
        if after.flags.contains(.isArchived) { other.flags.insert(.isArchived) } else { other.flags.remove(.isArchived) }
        if other != after { codes.append(104) }
        return codes
    }

    /// Everybody in the room hears of a change, by its codes.
    mutating func announce(_ codes: [Int], at place: Int, _ party: Party, _ turn: Turn) {
        let statuses = codes.map { Element("status", Namespaces.roomUser, [("code", String($0))]) }
        let message = Stanza(
            .message, from: rooms[place].jid, id: turn.random.identifier(), type: "groupchat",
            payloads: [Element("x", Namespaces.roomUser, elements: statuses)])
        tell(.message(message, logged: nil, delivery: nil), at: place, party, turn)
    }

    // MARK: an end

    /// §10.9.
    private mutating func destroy(_ wish: Element, at place: Int, _ party: Party, _ turn: Turn) -> Answer {
        var venue: JID?
        if let jid = wish["jid"], !jid.isEmpty {
            guard let parsed = try? JID(jid) else { return .error(StanzaError(.jidMalformed)) }
            venue = parsed
        }
        let reason = wish.first("reason", Namespaces.roomOwner)?.text
        let password = wish.first("password", Namespaces.roomOwner)?.text
        guard reason.map({ $0.utf8.count <= RoomLimits.reasonBytes }) ?? true,
            password.map({ $0.utf8.count <= RoomLimits.passwordBytes }) ?? true
        else {
            return .error(StanzaError(.notAcceptable, text: "The reason may have \(RoomLimits.reasonBytes) bytes"))
        }
        destroy(venue: venue, reason: reason, password: password, at: place, party, turn)
        return .result(nil)
    }

    /// The room goes, and everybody in it is told where to go.
    mutating func destroy(
        venue: JID?, reason: String?, password: String? = nil, at place: Int, _ party: Party, _ turn: Turn
    ) {
        var destruction = Element("destroy", Namespaces.roomUser)
        if let venue { destruction["jid"] = venue.description }
        if let reason { destruction.append(Element("reason", Namespaces.roomUser, text: reason)) }
        if let password, venue != nil { destruction.append(Element("password", Namespaces.roomUser, text: password)) }
        close(RoomClosing(what: .everybody(destruction)), at: place, party, turn)
    }
}
