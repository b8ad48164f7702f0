import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// What clients send.
extension Sessions {
    /// A stanza of a client.
    mutating func received(_ stanza: consuming Stanza, on connection: ConnectionID, _ turn: Turn) {
        switch connections[connection] {
        case .authenticated(let account, let generation):
            turn.bill.payer = .account(account.number)
            guard isCurrent(account.number, generation, on: connection, turn) else { return }
            receivedUnbound(stanza, account, on: connection, turn)
        case .bound(let id):
            turn.bill.payer = .account(sessions[id].accountNumber)
            received(stanza, by: id, turn)
        case nil:
            break  // sent before the client knew that we closed
        }
    }

    private mutating func received(_ stanza: consuming Stanza, by id: SessionID, _ turn: Turn) {
        let jid = sessions[id].jid
        // RFC 6120 §8.1.2.1
        if let from = stanza.from, from != jid, !(from.isBare && from.hasSameBare(as: jid)) {
            end(id, because: .streamError(StreamError(.invalidFrom)), turn)
            return
        }
        count(stanza, by: id, turn)
        stanza.from = jid
        stanza.relayMark = nil
        switch stanza.kind {
        case .message:
            // RFC 6120 §10.3.1: without `to` it is for the account itself.
            if stanza.to == nil { stanza.to = jid.bare }
            turn.admit(stanza, from: origin(of: id))
        case .presence:
            receivedPresence(stanza, by: id, turn)
        case .iq:
            receivedIQ(stanza, by: id, turn)
        }
    }

    /// A stanza with a malformed address: counted like any other, answered by its own server (RFC 6120 §8.3.3.8).
    mutating func refused(_ stanza: Stanza, _ error: StanzaError, on connection: ConnectionID, _ turn: Turn) {
        guard case .bound(let id) = connections[connection] else { return }
        count(stanza, by: id, turn)
        if let reply = stanza.errorReply(error) { send(reply, to: id, turn) }
    }

    /// Counts a stanza for XEP-0198. The count of a resumable session is written in the transaction of a message that the
    /// site takes over, so that the client never has to send that one again; otherwise it may lag behind.
    private mutating func count(_ stanza: Stanza, by id: SessionID, _ turn: Turn) {
        guard sessions[id].management != nil else { return }
        sessions[id].management?.handled &+= 1
        guard sessions[id].isResumable, let number = sessions[id].number, let handled = sessions[id].management?.handled else {
            return
        }
        let changesState = stanza.kind == .presence && stanza.presenceType?.managesSubscription == true
        if stanza.isDurableMessage || changesState {
            ClientSessionTable.setHandled(sessions[id].accountNumber, number, handled, in: turn.store)
            sessions[id].management?.isCountStale = false
        } else {
            sessions[id].management?.isCountStale = true
        }
    }

    private mutating func receivedIQ(_ stanza: consuming Stanza, by id: SessionID, _ turn: Turn) {
        guard let type = stanza.iqType, stanza.id != nil else {
            // RFC 6120 §8.2.3
            if let reply = stanza.errorReply(StanzaError(.badRequest)) { send(reply, to: id, turn) }
            return
        }
        if !type.isRequest, let fence = sessions[id].fence, fence.id == stanza.id { return fenceAnswered(id, turn) }
        turn.admit(stanza, from: origin(of: id))
    }
}
