import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Forms in messages to a room: who has no voice asks for it, and who may decides (XEP-0045 §7.13, §8.6, §9.9).
extension Rooms {
    /// A message to the room itself with a form; false where it is none of ours.
    mutating func takeForm(_ stanza: Stanza, _ from: JID, at place: Int, _ party: Party, _ turn: Turn) -> Bool {
        guard let form = stanza.payload("x", Namespaces.dataForms).flatMap(DataForm.init), form.kind == .submit,
            let kind = form.values("FORM_TYPE").first, [Namespaces.roomRequest, Namespaces.roomRegistration].contains(kind)
        else { return false }
        guard let own = rooms[place].place(of: from) else {
            turn.bounce(stanza, StanzaError(.notAcceptable, text: "You are not in this room"))
            return true
        }
        let occupant = rooms[place].occupants[own]
        let error: StanzaError?
        if kind == Namespaces.roomRegistration {
            error = decideRegistration(form, by: occupant, at: place, party, turn)
        } else if occupant.role == .moderator {
            error = decideVoice(form, by: occupant, at: place, party, turn)
        } else {
            error = askForVoice(form, occupant, at: place, turn)
        }
        if let error { turn.bounce(stanza, error) }
        return true
    }

    /// §7.13.
    private mutating func askForVoice(_ form: DataForm, _ occupant: RoomOccupant, at place: Int, _ turn: Turn) -> StanzaError? {
        guard rooms[place].row.configuration.flags.contains(.takesVoiceRequests) else { return StanzaError(.forbidden) }
        guard form.values("muc#role").first.map({ $0 == RoomRole.participant.name }) ?? true else {
            return StanzaError(.badRequest)
        }
        guard occupant.role == .visitor else { return StanzaError(.notAllowed, text: "You may speak") }
        var request = DataForm(
            .form, title: "Voice request", instructions: "Whether that person is to be allowed to speak in the room.")
        request.fields = [
            DataForm.Field("FORM_TYPE", type: "hidden", values: [Namespaces.roomRequest]),
            DataForm.Field("muc#role", type: "list-single", label: "Requested role", values: [RoomRole.participant.name]),
            DataForm.Field("muc#jid", type: "jid-single", label: "User ID", values: [occupant.jid.description]),
            DataForm.Field("muc#roomnick", type: "text-single", label: "Room nickname", values: [occupant.nick]),
            DataForm.Field("muc#request_allow", type: "boolean", label: "Grant voice to this person?", values: ["false"]),
        ]
        let asked = ask(request, of: { $0.role == .moderator }, at: place, turn)
        return asked ? nil : StanzaError(.recipientUnavailable, text: "No moderator is there")
    }

    /// §8.6.
    private mutating func decideVoice(
        _ form: DataForm, by acting: RoomOccupant, at place: Int, _ party: Party, _ turn: Turn
    ) -> StanzaError? {
        guard ["1", "true"].contains(form.values("muc#request_allow").first) else { return nil }
        guard let nick = form.values("muc#roomnick").first, let own = rooms[place].place(ofNick: nick) else {
            return StanzaError(.itemNotFound)
        }
        let target = rooms[place].occupants[own]
        // The nickname may be somebody else's by now.
        if let jid = form.values("muc#jid").first, let asker = try? JID(jid), !asker.hasSameBare(as: target.jid) {
            return StanzaError(.itemNotFound)
        }
        guard target.role == .visitor else { return nil }
        guard rooms[place].jobs.count < RoomLimits.jobs else { return StanzaError(.resourceConstraint, .wait) }
        var notices = 0
        perform(.role(nick, .participant, reason: nil), by: acting.nick, &notices, at: place, party, turn)
        return nil
    }

    /// A form goes to those who may decide, not to more of them than are needed; false where none is there.
    func ask(_ form: DataForm, of isAsked: (RoomOccupant) -> Bool, at place: Int, _ turn: Turn) -> Bool {
        var message = Stanza(.message, from: rooms[place].jid, id: turn.random.identifier(), payloads: [form.element])
        var left = RoomLimits.askedToDecide
        for occupant in rooms[place].occupants where isAsked(occupant) && !occupant.isSuspended {
            guard left > 0 else { break }
            left -= 1
            message.to = occupant.jid
            turn.routeFromRoom(message)
        }
        return left < RoomLimits.askedToDecide
    }
}
