// XEP-0352: Client State Indication, version 1.0.0, complete
import MartletBus
import MartletStore
import XMPPStanzas
import XMPPXML

/// Clients at which nobody looks: what they are not shown now is held, the last presence of each contact, chat states, receipts. It is
/// sent together when somebody looks again, before anything that matters now, so that everything stays in its order, and when it is
/// much. Until then it has no number (XEP-0198), as what waits for a connection; a line that breaks loses none of it.
extension Sessions {
    /// §4.1: a client says whether somebody looks at it. Before it has bound a resource there is nothing to hold.
    mutating func indicated(_ element: Element, _ state: Connection, _ turn: Turn) {
        guard case .bound(let id) = state else { return }
        switch element.name {
        case "inactive": sessions[id].isInactive = true
        case "active":
            // §4.2: before anything that the client says next is answered.
            sendHeld(id, turn)
            sessions[id].isInactive = false
        default: end(id, because: .streamError(StreamError(.unsupportedStanzaType)), turn)
        }
    }

    /// §5: a stream begins as one that somebody looks at. What was held waits with the rest.
    mutating func becomeActive(_ id: SessionID) {
        sessions[id].isInactive = false
        sessions[id].isHolding = false
    }

    /// Whether something can be held for a session; when it is much, it is sent, and the next is the first of more.
    func mayHold(_ id: SessionID, _ turn: Turn) -> Bool {
        guard sessions[id].connection != nil, sessions[id].farewell == .none, sessions[id].catchUp == nil else { return false }
        guard sessions[id].outbox.waiting.count < SessionLimits.heldStanzas,
            sessions[id].outbox.volatileMemory < SessionLimits.heldBytes
        else { return false }
        return sessions[id].isHolding || !isPaced(id, turn)
    }

    /// Keeps a stanza until it matters.
    mutating func hold(_ content: Outbox.Content, _ bytes: [UInt8], for id: SessionID, _ turn: Turn) {
        sessions[id].isHolding = true
        let number = sessions[id].outbox.appendWaiting(content, size: bytes.count)
        putSlot(content, number, of: id, turn)
        book(id, turn)
    }

    /// Sends what was held.
    mutating func sendHeld(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].isHolding else { return }
        sessions[id].isHolding = false
        sendWaiting(id, turn)
    }

    /// Whether a stanza is held for a session.
    func canWait(_ stanza: Stanza, _ id: SessionID) -> Bool { sessions[id].isInactive && stanza.canWait }
}
