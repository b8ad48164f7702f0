import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// How sessions lose their connection, and how they end.
extension Sessions {
    /// Why a session ends.
    enum End {
        /// The client closed its stream in good order.
        case closed
        /// The connection is gone and the session cannot be resumed.
        case lost
        /// Nobody resumed it in time.
        case expired
        /// A newer session has its resource (RFC 6120 §7.7.2.2).
        case conflict
        case streamError(StreamError)

        /// What the client is told.
        var streamError: StreamError? {
            switch self {
            case .closed, .lost, .expired: nil
            case .conflict: StreamError(.conflict)
            case .streamError(let error): error
            }
        }

        /// Whether the client may still want to know how much was handled (XEP-0198 §5: `<failed h='…'/>`).
        var leavesCount: Bool { if case .closed = self { false } else { true } }
    }

    /// The client closes its stream in good order and its machine has what was sent up to `number`: it has read that, and
    /// does not get it again at its next login. TCP's word alone would prove nothing of a client that vanished; nor of one that we
    /// have sent away: it may resume, and then its own count decides.
    mutating func arrived(_ mark: UInt64, on connection: ConnectionID, _ turn: Turn) {
        guard case .bound(let id) = connections[connection], sessions[id].connection == connection,
            sessions[id].farewell != .said,
            mark > sessions[id].markBase, mark - sessions[id].markBase <= sessions[id].outbox.last
        else { return }
        acknowledged(sessions[id].outbox.acknowledge(upTo: mark - sessions[id].markBase), by: id, turn)
    }

    /// The client closed its stream: it is answered, told the last count, and gone.
    mutating func streamEnded(on connection: ConnectionID, _ turn: Turn) {
        if case .bound(let id) = connections[connection] {
            if sessions[id].farewell == .said {
                // The client answers our closing tag: it was sent away, and may resume elsewhere or later.
                return connectionLost(connection, turn)
            }
            if let handled = sessions[id].management?.handled {
                // The way of all acknowledgements, lest it overtake one that waits for its commit: the count never falls.
                turn.acknowledge(StreamManagement.acknowledgement(handled), on: connection)
            }
            end(id, because: .closed, turn)
        } else {
            connections[connection] = nil
            turn.perform(.close(nil), on: connection)
        }
    }

    /// The connection is gone: its session waits for being resumed, or ends.
    mutating func connectionLost(_ connection: ConnectionID, _ turn: Turn) {
        guard let state = connections.removeValue(forKey: connection), case .bound(let id) = state,
            sessions[id].connection == connection
        else { return }
        sessions[id].connection = nil
        if sessions[id].isResumable { detach(id, turn) } else { end(id, because: .lost, turn) }
    }

    /// The session has no connection and can be resumed for a while. Contacts see no difference.
    mutating func detach(_ id: SessionID, _ turn: Turn) {
        sessions[id].connection = nil
        dropHeld(id, turn)
        becomeActive(id)
        let unread = sessions[id].outbox.sent.count { $0.content.isMessage }
        if unread > 0 { turn.notify(.sessionDetached(sessions[id].jid, unread: unread)) }
        if sessions[id].farewell == .asked { farewellIsOver(id, turn) }
        sessions[id].management?.requested = nil
        sessions[id].fence = nil
        sessions[id].wait = .nothing
        sessions[id].detachment += 1
        turn.schedule(
            .session(.expired(id, generation: sessions[id].detachment)), after: turn.policy.client.resumptionTimeout)
    }

    /// Ends a session: contacts see it go, what it did not acknowledge goes elsewhere.
    mutating func end(_ id: SessionID, because reason: End, _ turn: Turn) {
        sayAll(id, turn)
        guard sessions.contains(id) else { return }
        if let connection = sessions[id].connection {
            connections[connection] = nil
            if case .closed = reason {
                // Acknowledgements are lazy writes, and this client will not say again what it has.
                turn.closeAfterCommit(connection)
            } else {
                turn.perform(.close(reason.streamError), on: connection)
            }
        }
        let leavesRow = sessions[id].isResumable && reason.leavesCount
        let everybodyKnows = becomeUnavailable(id, nil, forgetting: sessions[id].number != nil && !leavesRow, turn)
        farewellIsOver(id, turn)
        logKept(id, turn)
        turn.memory.changed(by: -sessions[id].booked, for: .account(sessions[id].accountNumber))
        let session = sessions.remove(id)
        if session.hasCarbons { carbonCount -= 1 }
        if session.owesRoom { turn.notify(.roomForAnswer(id, isThere: false)) }
        for logged in session.outbox.kept {
            // Below the floor nothing is written down: who wrote it hears that nobody knows whether it was read.
            turn.bounce(logged.stanza, StanzaError(.recipientUnavailable, text: "May have arrived; the server's disk is full"))
        }
        let place = session.account
        online[place].sessions.removeAll { $0 == id }
        var leftovers: [UInt64] = []
        // Lazy: a session whose end is lost in a crash is there again, and ends again. What is sent on elsewhere because
        // of it is binding again.
        turn.lazily {
            if leavesRow || everybodyKnows {
                forget(session, leavesCount: reason.leavesCount, turn)
            } else if let number = session.number {
                // It goes when everybody was told; a start before that tells the others.
                let row = ClientSessionRow(state: .fleeting, resource: session.jid.resourcepart ?? "", token: "")
                ClientSessionTable.put(session.accountNumber, number, row, in: turn.store)
            }
            leftovers = release(session, turn)
        }
        if !leftovers.isEmpty { redeliver(leftovers, at: place, turn) }
        if online[place].sessions.isEmpty { online.remove(place) }
        turn.note(.sessionEnded(session.jid))
    }

    /// Removes what the store knows of a session, but for the count of one that could be resumed.
    private func forget(_ session: Session, leavesCount: Bool, _ turn: Turn) {
        guard let number = session.number else { return }
        let account = session.accountNumber
        guard session.isResumable, leavesCount, let management = session.management else {
            return ClientSessionTable.remove(account, number, in: turn.store)
        }
        var row = ClientSessionRow(state: .ended, resource: session.jid.resourcepart ?? "", token: management.token)
        row.endedAt = turn.now
        ClientSessionTable.put(account, number, row, in: turn.store)
        ClientSessionTable.setHandled(account, number, management.handled, in: turn.store)
        ClientSessionTable.setPresence(account, number, nil, in: turn.store)
    }

    /// Gives back what a session had in hand, and returns the messages that no session has acknowledged.
    private mutating func release(_ session: Session, _ turn: Turn) -> [UInt64] {
        var leftovers = session.unmanaged
        let account = session.accountNumber
        let slots = session.isResumable ? session.number : nil
        for entry in Array(session.outbox.sent) + Array(session.outbox.waiting) {
            guard let sequence = entry.content.logSequence else { continue }
            guard let slots else {
                leftovers.append(sequence)
                continue
            }
            ClientSlotTable.remove(account, slots, entry.number, in: turn.store)
            guard var row = MailboxTable.row(account, sequence, in: turn.store) else { continue }
            row.release()
            if row.isForSession, !row.isAcknowledged, entry.content.copy == nil,
                let logged = StanzaLog.stanza(sequence, in: turn.store)
            {
                // XEP-0198 §8: as if the resource had not been there. A room learns from it that its occupant is gone.
                turn.bounce(logged.stanza, StanzaError(.recipientUnavailable))
            }
            if row.isSpent {
                removeMessage(sequence, row, of: account, turn)
            } else {
                MailboxTable.put(account, sequence, row, in: turn.store)
                if row.isWaiting { leftovers.append(sequence) }
            }
        }
        bounceRequests(session, turn)
        return leftovers.sorted()
    }

    /// IQ requests that may never have reached the client are answered in its stead, so that nobody waits in vain
    /// (XEP-0198 §8). Whoever had an answer already takes no notice.
    private func bounceRequests(_ session: Session, _ turn: Turn) {
        for entry in Array(session.outbox.sent) + Array(session.outbox.waiting) {
            if case .request(let head, _) = entry.content { bounce(head, StanzaError(.serviceUnavailable), turn) }
        }
    }
}
