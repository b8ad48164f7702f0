import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// People who make themselves members, with a nickname that is kept for them (XEP-0045 §7.10, §9.9).
extension Rooms {
    private static let nickField = "muc#register_roomnick"

    /// What there is to be filled in, or what was.
    mutating func answerRegistration(_ request: Request, _ from: JID, at place: Int, _ turn: Turn) -> Answer {
        let own = RoomAffiliationTable.row(rooms[place].number, from.bare, in: turn.store)
        let standing = affiliation(of: from, at: place, turn)
        guard standing != .outcast, from.localpart != nil, !rooms[place].row.isLocked else {
            return .error(StanzaError(.notAllowed))
        }
        let flags = rooms[place].row.configuration.flags
        guard flags.contains(.takesRegistrations) || standing >= .member else { return .error(StanzaError(.notAllowed)) }
        guard request.type == .set else {
            var query = Element("query", Namespaces.register)
            if let own, own.affiliation >= .member, let nick = own.nick {
                query.append(Element("registered", Namespaces.register))
                query.append(Element("username", Namespaces.register, text: nick))
                return .result(query)
            }
            var form = DataForm(.form, title: "Membership", instructions: "The nickname is kept for you in this room.")
            form.fields = [DataForm.Field("FORM_TYPE", type: "hidden", values: [Namespaces.roomRegistration])]
            var nick = DataForm.Field(Self.nickField, type: "text-single", label: "Desired nickname")
            nick.isRequired = true
            form.fields.append(nick)
            query.append(form.element)
            return .result(query)
        }
        if request.payload.first("remove", Namespaces.register) != nil {
            return unregister(own, from, at: place, request.envelope.origin.party, turn)
        }
        guard let form = request.payload.first("x", Namespaces.dataForms).flatMap(DataForm.init), form.kind == .submit,
            form.values("FORM_TYPE") == [Namespaces.roomRegistration], let text = form.values(Self.nickField).first,
            let nick = nickname(text)
        else { return .error(StanzaError(.badRequest)) }
        if let error = objection(toNick: nick, turn) { return .error(error) }
        if isTaken(nick, for: from, at: place, turn) { return .error(StanzaError(.conflict)) }
        let isNew = own == nil
        if isNew, rooms[place].row.affiliations >= turn.policy.rooms.affiliations {
            return .error(StanzaError(.resourceConstraint, text: "Too many people are members of this room"))
        }
        if flags.contains(.isMembersOnly), standing < .member {
            return askForApproval(nick, from, at: place, turn)
        }
        guard turn.admits(.state, bytes: 512) else { return .error(.diskNearlyFull) }
        enrol(from.bare, nick, at: place, request.envelope.origin.party, turn)
        return .result(nil)
    }

    /// He is a member from now on, or more, and the nickname is his.
    mutating func enrol(_ jid: JID, _ nick: String, at place: Int, _ party: Party, _ turn: Turn) {
        let before = RoomAffiliationTable.row(rooms[place].number, jid, in: turn.store)?.affiliation ?? .none
        var notices = RoomLimits.notices
        perform(
            .affiliation(jid, max(before, .member), nick: nick, reason: nil), by: nil, &notices, at: place, party, turn)
        write(place, turn)
    }

    /// Whoever has registered gives it up; an admin or owner only the nickname.
    private mutating func unregister(
        _ own: RoomAffiliationRow?, _ from: JID, at place: Int, _ party: Party, _ turn: Turn
    ) -> Answer {
        guard var row = own, row.affiliation >= .member else { return .error(StanzaError(.registrationRequired)) }
        if row.affiliation >= .admin {
            row.nick = nil
            rooms[place].row.affiliations += RoomAffiliationTable.put(rooms[place].number, row, in: turn.store)
        } else {
            var notices = RoomLimits.notices
            perform(.affiliation(from.bare, .none, nick: nil, reason: nil), by: nil, &notices, at: place, party, turn)
        }
        write(place, turn)
        return .result(nil)
    }

    // MARK: approval

    /// §9.9: where only members enter, somebody who may make members decides.
    private mutating func askForApproval(_ nick: String, _ from: JID, at place: Int, _ turn: Turn) -> Answer {
        var form = DataForm(.form, title: "Registration request", instructions: "Whether that person is to become a member.")
        form.fields = [
            DataForm.Field("FORM_TYPE", type: "hidden", values: [Namespaces.roomRegistration]),
            DataForm.Field("muc#register_jid", type: "jid-single", label: "Address", values: [from.bare.description]),
            DataForm.Field(Self.nickField, type: "text-single", label: "Desired nickname", values: [nick]),
            DataForm.Field("muc#register_allow", type: "boolean", label: "Accept as a member?", values: ["0"]),
        ]
        let asked = ask(form, of: { $0.affiliation >= .admin }, at: place, turn)
        return asked ? .result(nil) : .error(StanzaError(.notAllowed, text: "Nobody is there who could accept you"))
    }

    /// An admin has decided.
    mutating func decideRegistration(_ form: DataForm, by acting: RoomOccupant, at place: Int, _ party: Party, _ turn: Turn)
        -> StanzaError?
    {
        guard acting.affiliation >= .admin else { return StanzaError(.forbidden) }
        guard ["1", "true"].contains(form.values("muc#register_allow").first) else { return nil }
        guard let jid = form.values("muc#register_jid").first.flatMap({ try? JID($0) })?.bare, jid.localpart != nil,
            let nick = form.values(Self.nickField).first.flatMap({ nickname($0) })
        else { return StanzaError(.badRequest) }
        if let error = objection(toNick: nick, turn) { return error }
        guard affiliation(of: jid, at: place, turn) == .none else { return StanzaError(.notAllowed) }
        if isTaken(nick, for: jid, at: place, turn) { return StanzaError(.conflict) }
        guard rooms[place].row.affiliations < turn.policy.rooms.affiliations else { return StanzaError(.resourceConstraint) }
        guard turn.admits(.state, bytes: 512) else { return .diskNearlyFull }
        enrol(jid, nick, at: place, party, turn)
        return nil
    }
}
