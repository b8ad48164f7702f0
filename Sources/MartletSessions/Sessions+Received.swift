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
        case .authenticated(let account, let number, let generation):
            guard isCurrent(number, generation, on: connection, turn) else { return }
            receivedUnbound(stanza, account: account, number, on: connection, turn)
        case .bound(let id):
            received(stanza, by: id, on: connection, turn)
        case nil:
            break  // sent before the client knew that we closed
        }
    }

    private mutating func received(
        _ stanza: consuming Stanza, by id: SessionID, on connection: ConnectionID, _ turn: Turn
    ) {
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
            if stanza.isDurableMessage, sessions[id].management != nil, !turn.isBelowReserve,
                recentMessages.isRepeated(stanza, of: sessions[id].accountNumber, now: turn.now, in: turn.store)
            {
                return turn.note(.repeatedMessageIgnored(jid))
            }
            turn.route(stanza, from: .session(id))
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

    private mutating func receivedIQ(_ stanza: Stanza, by id: SessionID, _ turn: Turn) {
        let jid = sessions[id].jid
        guard let type = stanza.iqType, stanza.id != nil else {
            // RFC 6120 §8.2.3
            if let reply = stanza.errorReply(StanzaError(.badRequest)) { send(reply, to: id, turn) }
            return
        }
        let isOwnAccount = stanza.to.map { $0 == jid.bare } ?? true
        guard type.isRequest else {
            if let fence = sessions[id].fence, fence.id == stanza.id {
                fenceAnswered(id, turn)
            } else if !isOwnAccount, stanza.to?.isDomain != true {
                turn.route(stanza, from: .session(id))
            }
            return
        }
        var stanza = stanza
        if isOwnAccount {
            let wasImplicit = stanza.to == nil
            stanza.to = jid.bare
            if var reply = answer(ownRequest: stanza, by: id, turn) {
                // RFC 6120 §8.1.2.1: an answer of the account to its own client needs no `from`.
                if wasImplicit { reply.from = nil }
                send(reply, to: id, turn)
            }
        } else if let to = stanza.to, to.isDomain, turn.policy.serves(to.domainpart), to.domainpart == jid.domainpart,
            let query = stanza.payload("query", Namespaces.register)
        {
            let number = sessions[id].accountNumber
            send(registration(query, stanza, account: jid.bare, number, turn), to: id, turn)
        } else {
            turn.route(stanza, from: .session(id))
        }
    }
}

extension Stanza {
    /// Whether the site takes the message over for good: it has something to say (not only a chat state), and its sender
    /// did not forbid to store it (XEP-0334).
    var isDurableMessage: Bool {
        kind == .message && traits.contains(.substance) && !traits.contains(.noStore)
    }
}
