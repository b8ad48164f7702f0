import MartletBus
import MartletStore
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Sessions whose jobs are under way. What came on their connections meanwhile waits; it is handled when the job is done, one event in a
/// turn, and may begin another job. Their streams read on only when nothing waits: so there is never more than what a connection may have on
/// its way to the site.
extension Sessions {
    /// Nothing more is read from a session's connection.
    mutating func hold(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].held == nil, !sessions[id].isLeaving, let connection = sessions[id].connection else { return }
        sessions[id].held = []
        turn.perform(.hold, on: connection)
    }

    /// True if the session of a connection is held, and what came on it waits now. Its stream reads no more than was read already.
    public mutating func waits(_ event: ClientStreamEvent, on connection: ConnectionID, _ turn: Turn) -> Bool {
        guard case .bound(let id) = connections[connection], sessions[id].held != nil else { return false }
        sessions[id].held?.append(event)
        sessions[id].heldBytes += event.memory
        book(id, turn)
        return true
    }

    /// A job of a session is done: what came meanwhile comes next, if it is not at work otherwise.
    mutating func goOn(_ id: SessionID, _ turn: Turn) {
        guard sessions.contains(id) else { return }
        sessions[id].jobCount -= 1
        guard sessions[id].jobCount == 0, let held = sessions[id].held else { return }
        if held.isEmpty { release(id, turn) } else { add(.saying(id), of: sessions[id].accountNumber, turn) }
    }

    /// Handles the next event that waits. True if there is none, or if the session is at work again: then this begins anew behind that.
    mutating func say(_ id: SessionID, _ turn: Turn) -> Bool {
        guard sessions.contains(id), let connection = sessions[id].connection, sessions[id].jobCount == 0,
            let held = sessions[id].held
        else { return true }
        guard let event = held.first else {
            release(id, turn)
            return true
        }
        sessions[id].held?.removeFirst()
        sessions[id].heldBytes -= event.memory
        book(id, turn)
        handle(event, on: connection, turn)
        // Whether it begins a job is known only when what it said has gone its way.
        return false
    }

    /// Nothing waits any more.
    private mutating func release(_ id: SessionID, _ turn: Turn) {
        guard let connection = sessions[id].connection else { return }
        dropHeld(id, turn)
        turn.perform(.goOn, on: connection)
    }

    /// The session is not held any more, and what has waited is gone.
    mutating func dropHeld(_ id: SessionID, _ turn: Turn) {
        sessions[id].isLeaving = false
        guard sessions[id].held != nil || sessions[id].heldBytes > 0 else { return }
        sessions[id].held = nil
        sessions[id].heldBytes = 0
        book(id, turn)
    }

    /// The connection of a session that is held is gone. What a session that can be resumed has said and was not counted, it says again,
    /// but for one that has said good-bye; of the others it is done first, and then they go too. True if that is still to come.
    mutating func leaves(_ event: ClientStreamEvent, on connection: ConnectionID, _ turn: Turn) -> Bool {
        guard case .bound(let id) = connections[connection], let held = sessions[id].held else { return false }
        if sessions[id].isLeaving { return true }
        if sessions[id].isResumable, !held.contains(where: { if case .streamEnded = $0 { true } else { false } }) {
            dropHeld(id, turn)
            return false
        }
        turn.bill.payer = party(on: connection)
        sessions[id].isLeaving = true
        sessions[id].held?.append(event)
        if case .congested = event { turn.perform(.close(StreamError(.resourceConstraint)), on: connection) }
        return true
    }

    /// A session that is leaving has to go at once: what it has said is done now.
    mutating func sayAll(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].isLeaving, let held = sessions[id].held, let connection = sessions[id].connection else { return }
        sessions[id].held = nil
        for event in held {
            guard case .bound(let other) = connections[connection], other == id else { return }
            handle(event, on: connection, turn)
            turn.bill.isPaid = false
        }
    }
}

extension ClientStreamEvent {
    /// What it takes in memory while it waits.
    fileprivate var memory: Int {
        switch self {
        case .stanza(let stanza), .stanzaRefused(let stanza, _), .registrationRequested(let stanza, _, _, _): stanza.memory
        case .nonza(let element): 512 + element.serialized(within: Namespaces.client).count
        default: 64
        }
    }
}
