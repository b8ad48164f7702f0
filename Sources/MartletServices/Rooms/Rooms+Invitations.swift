// XEP-0249: Direct MUC Invitations, version 1.2, beside the invitations that rooms send
import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Invitations that a room sends on behalf of its occupants, and what becomes of them (XEP-0045 §7.8.2).
extension Rooms {
    /// A message to the room itself that is for somebody else; false where it is none.
    mutating func carry(_ stanza: Stanza, _ from: JID, at place: Int, _ party: Party, _ turn: Turn) -> Bool {
        guard let x = stanza.payload("x", Namespaces.roomUser) else { return false }
        let invitations = x.all("invite", Namespaces.roomUser)
        if !invitations.isEmpty {
            if let error = invite(invitations, from, at: place, turn) { turn.bounce(stanza, error) }
            return true
        }
        guard let decline = x.first("decline", Namespaces.roomUser) else { return false }
        guard let to = decline["to"].flatMap({ try? JID($0) }), turn.admits(.message) else {
            turn.bounce(stanza, StanzaError(.badRequest))
            return true
        }
        // Whoever was not invited has nothing to decline: only who is here is told.
        guard rooms[place].occupants.contains(where: { $0.jid == to || (to.isBare && $0.jid.hasSameBare(as: to)) }) else {
            return true
        }
        var told = Element("decline", Namespaces.roomUser, [("from", from.bare.description)])
        told.append(Element("reason", Namespaces.roomUser, text: Self.words(decline)))
        let message = Stanza(
            .message, from: rooms[place].jid, to: to, id: turn.random.identifier(),
            payloads: [Element("x", Namespaces.roomUser, elements: [told])])
        turn.routeFromRoom(message)
        return true
    }

    private mutating func invite(_ invitations: [Element], _ from: JID, at place: Int, _ turn: Turn) -> StanzaError? {
        guard let own = rooms[place].place(of: from) else { return StanzaError(.notAcceptable) }
        guard invitations.count <= RoomLimits.invitations else {
            return StanzaError(.policyViolation, text: "At most \(RoomLimits.invitations) people can be invited at a time")
        }
        let inviter = rooms[place].occupants[own]
        let flags = rooms[place].row.configuration.flags
        guard inviter.affiliation >= .admin || (flags.contains(.allowsInvites) && inviter.role >= .participant) else {
            return StanzaError(.forbidden)
        }
        var invitees: [(jid: JID, reason: String, thread: String?)] = []
        for invitation in invitations {
            guard let to = invitation["to"].flatMap({ try? JID($0) }), to.localpart != nil else {
                return StanzaError(.jidMalformed)
            }
            let thread = invitation.first("continue", Namespaces.roomUser).map { $0["thread"] ?? "" }
            invitees.append((to, Self.words(invitation), thread))
        }
        guard turn.admits(.message) else { return .diskNearlyFull }
        for invitee in invitees {
            // §7.8.2: who is invited into a members-only room becomes a member.
            if flags.contains(.isMembersOnly), affiliation(of: invitee.jid, at: place, turn) == .none {
                guard rooms[place].row.affiliations < turn.policy.rooms.affiliations else {
                    return StanzaError(.resourceConstraint, text: "Too many people are members of this room")
                }
                let row = RoomAffiliationRow(jid: invitee.jid.bare.description, affiliation: .member)
                rooms[place].row.affiliations += RoomAffiliationTable.put(rooms[place].number, row, in: turn.store)
                write(place, turn)
            }
            turn.routeFromRoom(invitation(to: invitee.jid, invitee.reason, invitee.thread, by: inviter, at: place, turn))
        }
        return nil
    }

    private func invitation(
        to: JID, _ reason: String, _ thread: String?, by inviter: RoomOccupant, at place: Int, _ turn: Turn
    ) -> Stanza {
        let configuration = rooms[place].row.configuration
        let password = configuration.flags.contains(.hasPassword) ? configuration.password : nil
        // The nickname in the room where real addresses are nobody's business: whoever is invited may not be here.
        var invite = Element("invite", Namespaces.roomUser, [("from", inviter.jid.bare.description)])
        if !reason.isEmpty { invite.append(Element("reason", Namespaces.roomUser, text: reason)) }
        if let thread {
            invite.append(Element("continue", Namespaces.roomUser, thread.isEmpty ? [] : [("thread", thread)]))
        }
        var x = Element("x", Namespaces.roomUser, elements: [invite])
        if let password { x.append(Element("password", Namespaces.roomUser, text: password)) }
        var direct = Element("x", Namespaces.conference, [("jid", rooms[place].jid.description)])
        if !reason.isEmpty { direct["reason"] = reason }
        if let password { direct["password"] = password }
        return Stanza(
            .message, from: rooms[place].jid, to: to, id: turn.random.identifier(), payloads: [x, direct])
    }

    private static func words(_ element: Element) -> String {
        let text = element.first("reason", Namespaces.roomUser)?.text ?? ""
        return text.utf8.count <= RoomLimits.reasonBytes ? text : ""
    }
}
