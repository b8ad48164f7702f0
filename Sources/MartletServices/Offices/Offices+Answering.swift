import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// What people write to an office. Nobody reads it there, so the contact says what it is, and how the line is.
extension Offices {
    /// When a session was answered last, by office.
    struct Answers {
        let id: SessionID
        var offices: [(office: JID, at: Instant)] = []
    }

    /// Whether a stanza is for the contact of an office and not for the office's server: what one of our people says to its bare
    /// address, and everything to the resource that is seen. Then it ends here.
    public mutating func takes(_ envelope: borrowing Envelope, to address: JID, _ turn: Turn) -> Bool {
        guard address.localpart == nil, case .session(let origin) = envelope.origin, let from = envelope.stanza.from,
            let office = offices.first(where: { $0.jid.domainpart == address.domainpart })?.jid,
            !RosterTable.hasContact(office, of: origin.account, in: turn.store)
        else { return false }
        let stanza = envelope.stanza
        let isContact = address.resourcepart == Self.resource
        guard isContact || (address.isBare && stanza.kind == .message && stanza.messageType != .groupchat) else { return false }
        // XEP-0033: what names addresses is for its server, which brings it to them.
        if !isContact, stanza.payload("addresses", Namespaces.addresses) != nil { return false }
        switch stanza.kind {
        case .message:
            // Neither errors nor receipts and chat states are answered.
            guard !stanza.isError, stanza.traits.contains(.body), mayAnswer(origin.session, of: office, turn) else { break }
            turn.ask(.officeAnswer(to: stanza, origin.session, on: DomainPair(local: from.domain, peer: office)))
        case .iq:
            if stanza.iqType?.isRequest == true { turn.bounce(stanza, StanzaError(.serviceUnavailable)) }
        case .presence: break
        }
        return true
    }

    private func mayAnswer(_ session: SessionID, of office: JID, _ turn: Turn) -> Bool {
        let slot = Int(session.slot)
        guard slot < answers.count, let before = answers[slot], before.id == session,
            let last = before.offices.first(where: { $0.office == office })
        else { return true }
        return turn.now - last.at >= OfficeLimits.answerPause
    }

    /// Answers a message, now that it is known how many of the sender's messages wait.
    public mutating func answer(_ message: Stanza, _ session: SessionID, _ pair: DomainPair, waiting: Int?, _ turn: Turn) {
        guard let to = message.from, let office = offices.first(where: { $0.jid == pair.peer }) else { return }
        noteAnswer(session, of: office.jid, turn)
        let state = CutWords.answer(
            office.name, line(pair), now: turn.wall, utcOffset: turn.policy.utcOffset, waiting: waiting)
        let words =
            "\(state) This contact shows the line to that office, and nobody reads what is written to it: "
            + "write to the people there, whose addresses end in \(office.jid.domainpart)."
        var answer = Stanza(
            .message, from: Self.contact(of: office.jid), to: to, id: turn.random.identifier(), type: message.type,
            payloads: [Element("body", Namespaces.client, text: words), Element("no-store", Namespaces.hints)])
        if let thread = message.payload("thread", Namespaces.client) { answer.append(thread) }
        turn.route(answer, from: .service)
    }

    private mutating func noteAnswer(_ session: SessionID, of office: JID, _ turn: Turn) {
        let slot = Int(session.slot)
        while answers.count <= slot { answers.append(nil) }
        var noted = answers[slot].flatMap { $0.id == session ? $0 : nil } ?? Answers(id: session)
        noted.offices.removeAll { $0.office == office }
        noted.offices.append((office, turn.now))
        answers[slot] = noted
    }
}
