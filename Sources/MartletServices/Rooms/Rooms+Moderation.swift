// XEP-0425: Moderated Message Retraction, version 0.3.0, for rooms with an archive; without tombstones, which it leaves open
import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Moderators who take back what somebody has said in a room.
///
/// What was said stays in the archive, as after a retraction by its author (XEP-0424), and the retraction stands behind it: whoever looks
/// into what went wrong finds both. Who enters afterwards is not shown it any more.
extension Rooms {
    /// A request of a moderator.
    mutating func moderate(_ request: Request, _ from: JID, at place: Int, _ turn: Turn) -> Answer {
        guard let own = rooms[place].place(of: from), rooms[place].occupants[own].role == .moderator else {
            return .error(StanzaError(.forbidden, text: "Only moderators may take back what others have said"))
        }
        let wish = request.payload
        guard let text = wish["id"], wish.first("retract", Namespaces.retraction) != nil else {
            return .error(StanzaError(.badRequest))
        }
        let reason = wish.first("reason", Namespaces.moderation)?.text ?? ""
        guard reason.utf8.count <= RoomLimits.reasonBytes else {
            return .error(StanzaError(.notAcceptable, text: "A reason may have \(RoomLimits.reasonBytes) bytes"))
        }
        guard isSaid(text, at: place, turn) else { return .error(StanzaError(.itemNotFound)) }
        guard rooms[place].jobs.count < RoomLimits.jobs else {
            return .error(StanzaError(.resourceConstraint, .wait, text: "Too much is on its way in this room"))
        }
        let moderator = rooms[place].occupants[own]
        let id = occupantID(of: moderator.jid, in: rooms[place].jid)
        let by = Element("occupant-id", Namespaces.occupantID, [("id", id)])
        var retraction = Element("retract", Namespaces.retraction, [("id", text)])
        retraction.append(
            Element(
                "moderated", Namespaces.moderation, [("by", rooms[place].address(of: moderator.nick).description)],
                elements: [by]))
        if !reason.isEmpty { retraction.append(Element("reason", Namespaces.retraction, text: reason)) }
        var message = Stanza(.message, from: rooms[place].jid, id: turn.random.identifier(), type: "groupchat")
        message.append(retraction)
        message.append(Element("store", Namespaces.hints))
        guard turn.admits(.message, bytes: message.content.count) else { return .error(.diskNearlyFull) }
        send(message, at: place, request.envelope.origin.party, turn)
        return .result(nil)
    }

    /// Whether the room's archive has something of that id that an occupant has said.
    private func isSaid(_ text: String, at place: Int, _ turn: Turn) -> Bool {
        guard let id = StableID(text) else { return false }
        // The other half of an id is the place in the log.
        guard let logged = StanzaLog.stanza(hash.hash(id.high) ^ id.low, in: turn.store), let record = logged.archive else {
            return false
        }
        return record.id == id && record.belongs(to: rooms[place].number) && logged.stanza.from?.resourcepart != nil
    }
}

extension Stanza {
    /// The id of what a room has taken back with this message.
    var moderated: String? {
        guard from?.resourcepart == nil, let retraction = payload("retract", Namespaces.retraction),
            retraction.first("moderated", Namespaces.moderation) != nil
        else { return nil }
        return retraction["id"]
    }
}
