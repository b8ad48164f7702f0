import MartletBus
import MartletServices
import XMPPAddress
import XMPPStanzas

/// Stanzas to our domains, and to what lives at those that have no accounts.
extension Site {
    /// A stanza to a host, or to an address there.
    mutating func deliver(_ envelope: borrowing Envelope, to host: Host, _ turn: Turn) {
        let stanza = envelope.stanza
        if stanza.kind == .iq { return deliverIQ(envelope, to: host, turn) }
        switch host.kind {
        case .rooms: rooms.received(envelope, at: host, turn)
        case .people: deliver(envelope, toPeople: host, turn)
        case .pubsub where stanza.kind == .message:
            if !pubsub.authorized(stanza, by: envelope.origin, at: host, turn) {
                refuse(envelope, StanzaError(.serviceUnavailable), turn)
            }
        // Nobody lives here who could be seen or subscribed to (RFC 6121 §8.5.1).
        case .pubsub, .upload, .proxy, .component:
            if stanza.kind == .message { turn.bounce(stanza, StanzaError(.serviceUnavailable)) }
        }
    }

    /// A message or a presence to a domain of people itself.
    private mutating func deliver(_ envelope: borrowing Envelope, toPeople host: Host, _ turn: Turn) {
        let stanza = envelope.stanza
        if stanza.kind == .message {
            if administration.takes(stanza, envelope.origin, at: host.domain, turn) { return }
            if stanza.to?.isDomain == true, bringToSeveral(envelope, turn) { return }
            return turn.bounce(stanza, StanzaError(.serviceUnavailable))
        }
        if !stanza.content.isEmpty, stanza.to?.isDomain == true { _ = bringToSeveral(envelope, turn) }
    }

    private mutating func deliverIQ(_ envelope: borrowing Envelope, to host: Host, _ turn: Turn) {
        let stanza = envelope.stanza
        guard let type = stanza.iqType else { return refuse(envelope, StanzaError(.badRequest), turn) }
        let isToRoom = host.kind == .rooms && stanza.to?.localpart != nil
        if isToRoom, stanza.to?.isFull == true { return rooms.pass(envelope, turn) }
        // Answers to what we never asked end here.
        guard type.isRequest else {
            if isToRoom { return rooms.answered(stanza, turn) }
            uploads.answered(stanza, turn)
            return multicast.answered(stanza, turn)
        }
        var scope: RequestScope = isToRoom ? .room : .host
        var account: AccountName?
        if case .login(_, let own) = envelope.origin { (scope, account) = (.login, own) }
        guard let request = Request(copy envelope, scope: scope, account: account, host: host) else {
            return refuse(envelope, StanzaError(.badRequest), turn)  // RFC 6120 §8.2.3
        }
        guard isToRoom || stanza.to?.isDomain != false else {
            return refuse(envelope, StanzaError(.serviceUnavailable), turn)
        }
        answer(request, turn)
    }
}
