import MartletBus
import MartletServices
import MartletStore
import XMPPAddress
import XMPPStanzas

/// What is kept of people elsewhere, and shown while nobody there can be reached.
extension Site {
    /// Shows it a request to somebody elsewhere, news from there, or an answer, which may become another.
    mutating func remember(_ envelope: inout Envelope, _ owner: Owner, _ address: JID, _ turn: Turn) {
        switch owner {
        case .peer, .component:
            if envelope.stanza.kind == .iq { lastKnown.asked(envelope, turn) }
        case .session, .account:
            guard envelope.stanza.kind == .message ? envelope.origin.isPeer : owner == .session,
                envelope.stanza.iqType?.isRequest != true, let number = sessions.accountNumber(of: address.bare, turn)
            else { return }
            if envelope.stanza.kind == .message {
                lastKnown.heard(envelope.stanza, for: number, turn)
            } else if let other = lastKnown.answered(envelope, for: number, turn) {
                envelope.stanza = other
            }
        case .host: break
        }
    }
}
