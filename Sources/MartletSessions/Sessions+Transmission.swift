import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// The way from a session to its client, and the question whether things arrived.
extension Sessions {
    /// Sends a stanza now, or keeps it until it can be sent; with `canWait` also until somebody looks at the client.
    mutating func transmit(
        _ content: Outbox.Content, _ bytes: [UInt8], canWait: Bool = false, to id: SessionID, _ turn: Turn
    ) {
        if sessions[id].isInactive {
            if canWait, mayHold(id, turn) { return hold(content, bytes, for: id, turn) }
            sendHeld(id, turn)
        }
        if sessions[id].connection == nil || sessions[id].farewell != .none
            || (content.isMessage && sessions[id].catchUp != nil)
            || ((content.isMessage || sessions[id].management != nil) && isPaced(id, turn))
        {
            let number = sessions[id].outbox.appendWaiting(content, size: bytes.count)
            putSlot(content, number, of: id, turn)
            book(id, turn)
        } else {
            sendNow(content, bytes, to: id, turn)
        }
    }

    /// Sends a stanza on the session's connection, which there must be.
    mutating func sendNow(_ content: Outbox.Content, _ bytes: [UInt8], to id: SessionID, _ turn: Turn) {
        guard let connection = sessions[id].connection else { return }
        guard sessions[id].management != nil || content.isMessage else { return turn.perform(.send(bytes), on: connection) }
        write(content, bytes, to: id, on: connection, turn)
        stanzaWasSent(id, turn)
    }

    /// Writes a stanza under the next number: noted in the outbox and on disk, sent, and its place named, so that the client's machine
    /// can be known to have it.
    mutating func write(
        _ content: Outbox.Content, _ bytes: [UInt8], to id: SessionID, on connection: ConnectionID, _ turn: Turn
    ) {
        let number = sessions[id].outbox.appendSent(content, size: bytes.count)
        book(id, turn)
        putSlot(content, number, of: id, turn)
        turn.perform(.send(bytes), on: connection)
        turn.perform(.mark(sessions[id].markBase + number), on: connection)
    }

    func putSlot(_ content: Outbox.Content, _ number: UInt64, of id: SessionID, _ turn: Turn) {
        guard let sequence = content.logSequence, sessions[id].isResumable, let session = sessions[id].number else { return }
        ClientSlotTable.put(
            sessions[id].accountNumber, session, number, logSequence: sequence, copy: content.copy, in: turn.store)
    }

    /// A stanza gives up its number; it gets another, or goes.
    func removeSlot(_ entry: Outbox.Entry, of id: SessionID, _ turn: Turn) {
        guard entry.content.logSequence != nil, sessions[id].isResumable, let session = sessions[id].number else { return }
        ClientSlotTable.remove(sessions[id].accountNumber, session, entry.number, in: turn.store)
    }

    /// Sends what came while the session could not be sent to, as much as its client may have without having acknowledged it.
    mutating func sendWaiting(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].farewell == .none else { return }
        while let connection = sessions[id].connection, hasWindow(id, turn), let entry = sessions[id].outbox.takeWaiting() {
            removeSlot(entry, of: id, turn)
            guard let bytes = lateBytes(of: entry.content, for: id, turn) else { continue }
            write(entry.content, bytes, to: id, on: connection, turn)
            stanzaWasSent(id, turn)
        }
    }

    /// The bytes of something that is sent later than it came, or once more; nil if it is gone meanwhile.
    func lateBytes(of content: Outbox.Content, for id: SessionID, _ turn: Turn) -> [UInt8]? {
        switch content {
        case .volatile(let stanza), .request(_, let stanza), .availability(_, let stanza): stanza
        case .message(let sequence): lateMessage(sequence, for: id, turn)
        case .copy(let sequence, let kind): StanzaLog.stanza(sequence, in: turn.store).map { copy(of: $0, kind, for: id) }
        case .kept(let logged): late(logged, for: id)
        }
    }

    /// The bytes of a message that is sent later than it was accepted (XEP-0203).
    func lateMessage(_ sequence: UInt64, for id: SessionID, _ turn: Turn) -> [UInt8]? {
        StanzaLog.stanza(sequence, in: turn.store).map { late($0, for: id) }
    }

    /// The bytes of such a message.
    private func late(_ logged: LoggedStanza, for id: SessionID) -> [UInt8] {
        var stableID: (by: JID, id: StableID)?
        if let archive = logged.archive, archive.addressee == sessions[id].accountNumber {
            stableID = (sessions[id].jid.bare, archive.id)
        }
        var stanza = logged.stanza
        // All occupants of a room share what it has said.
        if stanza.to == nil { stanza.to = sessions[id].jid }
        return stanza.serialized(
            delay: (from: sessions[id].jid.domain, stamp: logged.acceptedAt), stableID: stableID)
    }

    /// Sees to it that the client is asked for an acknowledgement: at once, in the same write, by what comes after a pause, so that
    /// whoever gets a message now and then has proven it when the server dies; at once after many stanzas; else soon.
    private mutating func stanzaWasSent(_ id: SessionID, _ turn: Turn) {
        // While a mailbox is sent the question comes at the end of each window.
        if sessions[id].management?.requested != nil || sessions[id].fence != nil || sessions[id].catchUp != nil { return }
        let delay = turn.policy.client.fenceDelay
        let unproven = sessions[id].outbox.last - sessions[id].outbox.acknowledged
        if unproven >= SessionLimits.requestEvery || turn.now >= sessions[id].lastAsked + delay
            || 2 * sessions[id].outbox.sentBytes >= turn.policy.client.unacknowledgedBytes
        {
            requestAcknowledgement(id, turn)
        } else if sessions[id].wait == .nothing {
            // At full multiples, many in one round of the event loop: waking up for each costs more than asking.
            setTimer(.ask, of: id, after: delay - turn.now.milliseconds % delay, turn)
        }
    }

    /// Asks the client for an acknowledgement of everything sent so far, unless it was asked already.
    mutating func requestAcknowledgement(_ id: SessionID, _ turn: Turn) {
        guard let connection = sessions[id].connection else { return }
        if sessions[id].management != nil {
            guard sessions[id].management?.requested == nil,
                !sessions[id].outbox.sent.isEmpty || !sessions[id].unmanaged.isEmpty
            else { return }
            let last = sessions[id].outbox.last
            sessions[id].management?.requested = last
            sessions[id].lastAsked = turn.now
            turn.perform(.send(StreamManagement.request), on: connection)
            setTimer(.answer, of: id, after: SessionLimits.acknowledgementTimeout, turn)
        } else {
            guard sessions[id].fence == nil, !sessions[id].outbox.sent.isEmpty else { return }
            let ping = fencePing(for: id, turn)
            let last = sessions[id].outbox.last
            sessions[id].fence = Session.Fence(id: ping.id ?? "", upTo: last)
            sessions[id].lastAsked = turn.now
            turn.perform(.send(ping.serialized()), on: connection)
            setTimer(.answer, of: id, after: turn.policy.client.fenceTimeout, turn)
        }
    }

    /// The ping by which a client proves what it has read; it comes from the server.
    private func fencePing(for id: SessionID, _ turn: Turn) -> Stanza {
        let jid = sessions[id].jid
        return Stanza(
            .iq, from: jid.domain, to: jid, id: turn.random.identifier(), type: "get",
            payloads: [Element("ping", Namespaces.ping)])
    }

    private mutating func setTimer(_ wait: Session.Wait, of id: SessionID, after milliseconds: Int64, _ turn: Turn) {
        sessions[id].wait = wait
        switch wait {
        case .nothing: break
        case .ask:
            sessions[id].askTime = turn.now + milliseconds
            if sessions[id].hasAskTimer { return }
            sessions[id].hasAskTimer = true
            turn.schedule(.session(.ask(id)), after: milliseconds)
        case .answer:
            sessions[id].answerDeadline = turn.now + milliseconds
            if sessions[id].hasAnswerTimer { return }
            sessions[id].hasAnswerTimer = true
            turn.schedule(.session(.answer(id)), after: milliseconds)
        }
    }

    /// The client answered the fence's ping: it has read what was sent before.
    mutating func fenceAnswered(_ id: SessionID, _ turn: Turn) {
        guard let fence = sessions[id].fence else { return }
        sessions[id].fence = nil
        sessions[id].wait = .nothing
        if sessions[id].management == nil {
            acknowledged(sessions[id].outbox.acknowledge(upTo: fence.upTo), by: id, turn)
            askAgain(id, turn)
        } else {
            unmanagedProven(id, turn)
            if sessions[id].farewell == .asked { continueFarewell(id, turn) }
        }
    }

    /// What was sent before stream management was enabled has arrived.
    mutating func unmanagedProven(_ id: SessionID, _ turn: Turn) {
        let account = sessions[id].accountNumber
        for sequence in sessions[id].unmanaged {
            turn.lazily { acknowledged(sequence, of: account, isHolder: false, turn) }
        }
        sessions[id].unmanaged = []
    }

    /// After an acknowledgement: the mailbox goes on, and what is still open is asked for.
    mutating func askAgain(_ id: SessionID, _ turn: Turn) {
        if sessions[id].farewell == .asked { return continueFarewell(id, turn) }
        if sessions[id].owesRoom { tellRoom(id, turn) }
        continueCatchUp(id, turn)
        if sessions[id].catchUp == nil, !sessions[id].isHolding { sendWaiting(id, turn) }
        continueShowing(id, turn)
        tellIfMissed(id, turn)
        guard sessions.contains(id), !sessions[id].outbox.sent.isEmpty else { return }
        stanzaWasSent(id, turn)
    }

    /// A session's timer fired.
    public mutating func timerFired(_ timer: SessionTimer, _ turn: Turn) {
        switch timer {
        case .ask(let id):
            guard sessions.contains(id) else { return }
            sessions[id].hasAskTimer = false
            guard sessions[id].wait == .ask else { return }
            let rest = sessions[id].askTime - turn.now
            if rest > 0 { return setTimer(.ask, of: id, after: rest, turn) }
            sessions[id].wait = .nothing
            requestAcknowledgement(id, turn)
        case .answer(let id):
            guard sessions.contains(id) else { return }
            sessions[id].hasAnswerTimer = false
            guard sessions[id].wait == .answer else { return }
            let rest = sessions[id].answerDeadline - turn.now
            if rest > 0 { return setTimer(.answer, of: id, after: rest, turn) }
            sessions[id].wait = .nothing
            answerIsMissing(id, turn)
        case .expired(let id, let generation):
            guard sessions.contains(id), sessions[id].detachment == generation, sessions[id].connection == nil else {
                return
            }
            end(id, because: .expired, turn)
        case .peerPresence(let timer, let peer, let generation): peerTimerFired(timer, peer, generation, turn)
        case .jobs: jobsDue(turn)
        case .sharedItems(let generation): continueSharedPushes(generation, turn)
        case .farewell(let generation): farewellTimeIsOver(generation, turn)
        }
        endDoomed(turn)
    }

    private mutating func answerIsMissing(_ id: SessionID, _ turn: Turn) {
        if sessions[id].management == nil || sessions[id].management?.requested == nil {
            // `Docs/relay-protocol.md` §7.2: believed, since the socket showed no error.
            fenceAnswered(id, turn)
        } else if let connection = sessions[id].connection, sessions[id].management?.requested != nil {
            turn.perform(.close(StreamError(.connectionTimeout)), on: connection)
            connectionLost(connection, turn)
        }
    }
}
