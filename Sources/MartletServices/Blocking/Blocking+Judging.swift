import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What becomes of stanzas between an account and whom it has blocked.
extension Blocking {
    /// What becomes of one.
    public enum Outcome: Sendable, Equatable {
        /// Nobody has anything against it.
        case passes
        /// It ends here without a word.
        case ends
        /// Whoever sent it gets this.
        case comesBack(Stanza)
    }

    /// The outcome at a place on its way. What the site itself says, answers and errors, always passes.
    public func outcome(of envelope: borrowing Envelope, at checkpoint: Checkpoint, _ turn: Turn) -> Outcome {
        let stanza = envelope.stanza
        guard let from = stanza.from, let to = stanza.to else { return .passes }
        switch envelope.origin {
        case .login, .service, .site: return .passes
        // An error would have the room think that its occupant is gone.
        case .room: return checkpoint == .toAccount && blocks(from, for: to.bare) ? .ends : .passes
        case .session where checkpoint == .fromClient: return said(stanza, from, to, turn)
        case .session where envelope.entrance == nil && isHidden(stanza.presenceType): break
        case .account where isHiddenOfAccount(stanza): break
        case .session, .account, .peer, .component, .bundle:
            return checkpoint == .toAccount && blocks(from, for: to.bare) ? heard(stanza) : .passes
        }
        // What the site says in the name of a session or an account: its presence.
        if blocks(to, for: from.bare) { return .ends }
        return checkpoint == .toAccount && blocks(from, for: to.bare) ? .ends : .passes
    }

    private func isHidden(_ type: PresenceType?) -> Bool { type == .available || type == .unavailable || type == .probe }

    /// That it is gone is what somebody is told when he is blocked; that a subscription ends he has to know, so that both sides agree.
    private func isHiddenOfAccount(_ stanza: Stanza) -> Bool {
        guard stanza.kind == .presence else { return false }
        return stanza.presenceType == .available || stanza.presenceType == .probe || stanza.presenceType == .subscribe
    }

    /// §3.3: what the account's own client sends to somebody whom it has blocked comes back. The site's own domains always answer.
    private func said(_ stanza: Stanza, _ from: JID, _ to: JID, _ turn: Turn) -> Outcome {
        guard blocks(to, for: from.bare), !(to.isDomain && turn.policy.houses(to.domainpart)) else { return .passes }
        return stanza.blockedReply.map { .comesBack($0) } ?? .ends
    }

    /// §3.3: what comes from somebody who is blocked. He learns what he would learn of an account that does not exist: of what somebody has
    /// written, or asks, that nobody is there, and of everything else nothing.
    private func heard(_ stanza: Stanza) -> Outcome {
        let isAnswered =
            switch stanza.kind {
            case .presence: false
            case .iq: stanza.iqType?.isRequest == true
            case .message:
                switch stanza.messageType {
                case .groupchat: true
                case .chat, .normal: stanza.isSpoken
                case .headline, .error: false
                }
            }
        guard isAnswered, let reply = stanza.errorReply(StanzaError(.serviceUnavailable)) else { return .ends }
        return .comesBack(reply)
    }
}
