import MartletBus
import XMPPStanzas

/// Answers of many stanzas, of which no copy is on disk: they come in parts, and the next part when the client has handled the last.
extension Sessions {
    /// Somebody has such a part for a session.
    public mutating func roomWanted(_ id: SessionID, _ turn: Turn) {
        guard sessions.contains(id) else { return turn.notify(.roomForAnswer(id, isThere: false)) }
        sessions[id].owesRoom = true
        tellRoom(id, turn)
        if sessions[id].owesRoom { requestAcknowledgement(id, turn) }
    }

    /// Says so if the session has room now. Without stream management nothing is kept for it but what waits in its connection, which
    /// has a bound of its own.
    mutating func tellRoom(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].owesRoom, sessions[id].connection != nil, sessions[id].farewell == .none,
            sessions[id].management == nil
                || (sessions[id].outbox.sent.count + sessions[id].outbox.waiting.count <= SessionLimits.answerRoom
                    && sessions[id].outbox.memory <= SessionLimits.answerRoomBytes
                    && turn.memory.total < turn.policy.limits.memoryCeiling)
        else { return }
        sessions[id].owesRoom = false
        turn.notify(.roomForAnswer(id, isThere: true))
    }

    /// Sends such a part: the session had room for it, so nothing of it is withheld.
    public mutating func sendLong(_ answer: [Stanza], to id: SessionID, _ turn: Turn) {
        guard sessions.contains(id) else { return }
        for stanza in answer {
            let bytes = stanza.serialized()
            transmit(.volatile(bytes), bytes, to: id, turn)
        }
        requestAcknowledgement(id, turn)
    }
}
