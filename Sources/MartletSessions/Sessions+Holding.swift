import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// How much a session may have under way and waiting. A client is sent what it acknowledges, however much there is for it; messages wait
/// in the mailbox meanwhile, which is on disk. Stanzas of which there is no other copy wait in memory, and that is bounded in bytes, for
/// the session, its account, and the process.
extension Sessions {
    /// Whether a client may be sent something before it has acknowledged what it has.
    func hasWindow(_ id: SessionID, _ turn: Turn) -> Bool {
        sessions[id].outbox.sent.count < turn.policy.client.unacknowledgedStanzas
            && sessions[id].outbox.sentBytes < turn.policy.client.unacknowledgedBytes
    }

    /// Whether what comes for a session waits until its client has acknowledged something.
    func isPaced(_ id: SessionID, _ turn: Turn) -> Bool {
        !hasWindow(id, turn) || (sessions[id].catchUp == nil && !sessions[id].outbox.waiting.isEmpty)
    }

    /// Whether a stanza may be held for a session of which there is no other copy.
    func hasRoom(_ id: SessionID, for stanza: Stanza, _ turn: Turn) -> Bool {
        // To a client without stream management it is written, and nothing of it kept.
        guard sessions[id].management != nil else { return true }
        let held = sessions[id].outbox.volatileMemory
        let ceiling = turn.policy.limits.memoryCeiling
        if held < SessionLimits.bookingStep, turn.memory.total < ceiling { return true }
        let party = Party.account(sessions[id].accountNumber)
        let bound = sessions[id].connection == nil ? SessionLimits.detachedBytes : SessionLimits.connectedBytes
        return held < (isOwn(stanza, id, turn) ? bound : bound / 2)
            && turn.memory.bytes(of: party) < SessionLimits.accountBytes && turn.memory.admits(party, ceiling: ceiling)
    }

    /// Whether a stanza is what the session itself has caused: an answer of this site, a roster push, its account's presence.
    private func isOwn(_ stanza: Stanza, _ id: SessionID, _ turn: Turn) -> Bool {
        guard stanza.kind != .message else { return false }
        guard let from = stanza.from else { return true }
        return from.hasSameBare(as: sessions[id].jid) || (from.isDomain && turn.policy.houses(from.domainpart))
    }

    /// There is no room to hold a stanza: whoever sent a message or a request is told; presence and pushes are told anew when there is
    /// room. A client that is there, and asks for more than it takes, is not served further on its connection; it can resume.
    mutating func withhold(_ stanza: Stanza, from id: SessionID, _ turn: Turn) {
        let isRequest = stanza.kind == .iq && stanza.iqType?.isRequest == true
        if stanza.kind == .message, stanza.messageType == .headline, stanza.from?.isFull == false {
            // News are told anew, and nobody else waits for them.
            sessions[id].hasMissed = true
        }
        if stanza.kind == .message || isRequest, stanza.from != nil {
            return turn.bounce(stanza, StanzaError(.resourceConstraint, text: "Too much waits for this client"))
        }
        if stanza.kind == .presence || isRequest { sessions[id].hasMissed = true }
        if stanza.kind == .iq, sessions[id].connection != nil, isOwn(stanza, id, turn), !doomed.contains(id) {
            doomed.append(id)
        }
    }

    /// Takes their connections from those who ask for more than they take, once nothing else is under way.
    mutating func endDoomed(_ turn: Turn) {
        while let id = doomed.popLast() {
            guard sessions.contains(id), let connection = sessions[id].connection else { continue }
            turn.perform(.close(StreamError(.resourceConstraint)), on: connection)
            connectionLost(connection, turn)
        }
    }

    /// Notes in the site's account of memory what a session holds, in steps.
    mutating func book(_ id: SessionID, _ turn: Turn) {
        let change = sessions[id].memory - sessions[id].booked
        guard change.magnitude >= SessionLimits.bookingStep || (sessions[id].memory == 0 && change != 0) else { return }
        sessions[id].booked += change
        turn.memory.changed(by: change, for: .account(sessions[id].accountNumber))
    }

    /// At the end of a batch: where the process holds too much, sessions whose clients are away give up what can be told anew, those of
    /// the accounts that hold most first.
    public mutating func relieve(_ turn: Turn) {
        let ceiling = turn.policy.limits.memoryCeiling
        guard turn.memory.total >= ceiling else { return }
        for holder in turn.memory.largest(SessionLimits.relievedAtOnce) where turn.memory.total >= ceiling {
            guard case .account(let number) = holder.party, let place = online.place(of: number) else { continue }
            for id in online[place].sessions where sessions[id].connection == nil { dropVolatile(id, turn) }
        }
    }

    private mutating func dropVolatile(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].outbox.volatileMemory > 0 else { return }
        for head in sessions[id].outbox.dropVolatile() { bounce(head, StanzaError(.resourceConstraint), turn) }
        sessions[id].hasMissed = true
        // It went with the rest.
        sessions[id].largeAnswer = nil
        book(id, turn)
    }

    /// A request that its session will not answer is answered with an error.
    func bounce(_ head: Outbox.RequestHead, _ error: StanzaError, _ turn: Turn) {
        turn.bounce(Stanza(.iq, from: head.from, to: head.to, id: head.id, type: "get"), error)
    }
}

extension Session {
    /// What it holds in memory.
    var memory: Int { outbox.memory + heldBytes + (presence?.content.count ?? 0) }
}
