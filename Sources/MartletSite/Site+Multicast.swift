import MartletBus
import MartletServices
import MartletSessions
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Stanzas to several addresses (XEP-0033), which go to one of our domains.
extension Site {
    /// Brings a stanza to the addresses that it names; false where it names none.
    mutating func bringToSeveral(_ envelope: borrowing Envelope, _ turn: Turn) -> Bool {
        let stanza = envelope.stanza
        switch Multicast.wish(of: envelope, turn) {
        case .none: return false
        case .refused(let error): turn.bounce(stanza, error)
        case .wanted(let addressees):
            if case .session = envelope.origin, let from = stanza.from?.bare,
                addressees.contains(where: { blocking.blocks($0, for: from) })
            {
                if let reply = stanza.blockedReply { turn.route(reply, from: .site) }
                return true
            }
            if stanza.kind == .presence {
                bringPresence(envelope, turn)
            } else if !multicast.take(stanza, envelope.origin, turn) {
                turn.bounce(
                    stanza,
                    turn.admits(.message)
                        ? StanzaError(.resourceConstraint, .wait, text: "Other messages to several are still on their way")
                        : .diskNearlyFull)
            }
        }
        return true
    }

    /// §5.1: as if the session had sent it to each of them.
    private mutating func bringPresence(_ envelope: borrowing Envelope, _ turn: Turn) {
        let type = envelope.stanza.presenceType
        guard type == .available || type == .unavailable else { return }
        for copy in Multicast.copies(of: envelope.stanza) {
            if case .session(let origin) = envelope.origin {
                sessions.direct(copy, by: origin.session, turn)
            } else {
                turn.route(copy, from: envelope.origin)
            }
        }
    }
}
