// XEP-0198: Stream Management, version 1.6.3, complete but for the element inside its stream error
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Stream management with clients, which survives a restart of the server (`Docs/relay-protocol.md` §7).
extension Sessions {
    /// A top-level element that is no stanza.
    mutating func received(_ element: Element, on connection: ConnectionID, _ turn: Turn) {
        guard let state = connections[connection] else { return }
        guard element.namespace == Namespaces.streamManagement else {
            if element.namespace == Namespaces.clientState { return indicated(element, state, turn) }
            return refuseNonza(connection, turn)
        }
        switch (element.name, state) {
        case ("enable", .bound(let id)): enable(element, id, on: connection, turn)
        case ("r", .bound(let id)) where sessions[id].management != nil: acknowledge(id, on: connection, turn)
        case ("a", .bound(let id)) where sessions[id].management != nil:
            turn.bill.isPaid = true
            receivedAcknowledgement(element, by: id, turn)
        case ("resume", .authenticated(let account, let generation)):
            guard isCurrent(account.number, generation, on: connection, turn) else { return }
            if let failed = resume(element, account: account.jid, account.number, on: connection, turn) {
                turn.perform(.send(failed.serialized(within: Namespaces.client)), on: connection)
            }
        case ("enable", _), ("resume", _), ("r", _), ("a", _):
            // XEP-0198 §3: enabled twice, before binding, resumed after binding.
            fail(StanzaError.Condition.unexpectedRequest, handled: nil, on: connection, turn)
        default: refuseNonza(connection, turn)
        }
    }

    private mutating func refuseNonza(_ connection: ConnectionID, _ turn: Turn) {
        let error = StreamError(.unsupportedStanzaType)  // RFC 6120 §4.9.3.24
        if case .bound(let id) = connections[connection] {
            end(id, because: .streamError(error), turn)
        } else {
            connections[connection] = nil
            turn.perform(.close(error), on: connection)
        }
    }

    /// XEP-0198 §3.
    private mutating func enable(_ element: Element, _ id: SessionID, on connection: ConnectionID, _ turn: Turn) {
        guard sessions[id].management == nil else {
            return fail(.unexpectedRequest, handled: nil, on: connection, turn)
        }
        let answer = beginManagement(element, id, turn)
        // The row is a binding write, so the identifier does not leave before it is on disk; and no stanza of this
        // batch overtakes the point from which the client counts.
        turn.perform(.send(answer.serialized(within: Namespaces.client)), on: connection)
        if sessions[id].management != nil { managementBegan(id, on: connection, turn) }
    }

    /// Begins to count on a session; returns what the client is told, `<enabled/>` or `<failed/>`. ``managementBegan(_:on:_:)`` follows.
    mutating func beginManagement(_ element: Element, _ id: SessionID, _ turn: Turn) -> Element {
        let isResumable = ["true", "1"].contains(element["resume"] ?? "")
        if !turn.admits(.talk) { return StreamManagement.failure(.resourceConstraint) }
        var enabled = Element("enabled", Namespaces.streamManagement)
        // What was sent before is not counted, and what was held counts as that.
        sendHeld(id, turn)
        logKept(id, turn)
        sessions[id].markBase += sessions[id].outbox.last
        var waiting: [Outbox.Entry] = []
        for entry in sessions[id].outbox.restart(from: 0) {
            guard let sequence = entry.content.logSequence else { continue }
            if entry.number < ClientSlotTable.unsent { sessions[id].unmanaged.append(sequence) } else { waiting.append(entry) }
        }
        if isResumable {
            let number = makeNumber(id, turn)
            let token = "\(number)-\(turn.random.identifier())"
            sessions[id].management = Session.Management(isResumable: true, token: token)
            putRow(id, turn)
            if let presence = sessions[id].presence {
                ClientSessionTable.setPresence(sessions[id].accountNumber, number, presence, in: turn.store)
            }
            enabled["id"] = token
            enabled["resume"] = "true"
            enabled["max"] = String(turn.policy.client.resumptionTimeout / 1000)
        } else {
            sessions[id].management = Session.Management(isResumable: false, token: "")
        }
        for entry in waiting { keepWaiting(entry, of: id, turn) }
        book(id, turn)
        return enabled
    }

    /// The client knows that it counts now.
    mutating func managementBegan(_ id: SessionID, on connection: ConnectionID, _ turn: Turn) {
        // What it was shown is not counted any more, so nobody would say that it was read; nor does a ping prove any of the new count.
        sessions[id].largeAnswer = nil
        sessions[id].fence = nil
        sessions[id].wait = .nothing
        // The answer proves what was sent before, too, and then the mailbox goes on.
        if sessions[id].unmanaged.isEmpty { return askAgain(id, turn) }
        requestAcknowledgement(id, turn)
        continueShowing(id, turn)
    }

    /// A message that was not sent before stream management was enabled goes on waiting, and the session holds it from now on.
    private mutating func keepWaiting(_ entry: Outbox.Entry, of id: SessionID, _ turn: Turn) {
        guard let sequence = entry.content.logSequence,
            var row = MailboxTable.row(sessions[id].accountNumber, sequence, in: turn.store)
        else { return }
        if sessions[id].isResumable {
            row.holders += 1
            MailboxTable.put(sessions[id].accountNumber, sequence, row, in: turn.store)
        }
        let number = sessions[id].outbox.appendWaiting(entry.content, size: entry.size)
        putSlot(entry.content, number, of: id, turn)
    }

    /// The session's number in the store, given now if it has none.
    mutating func makeNumber(_ id: SessionID, _ turn: Turn) -> UInt64 {
        if let number = sessions[id].number { return number }
        let account = sessions[id].accountNumber
        pruneEnded(account, turn)
        let number = ClientSessionTable.nextNumber(for: account, in: turn.store)
        sessions[id].number = number
        return number
    }

    /// Stores what a restart has to know of a session that has a number.
    func putRow(_ id: SessionID, _ turn: Turn) {
        guard let number = sessions[id].number else { return }
        var row = ClientSessionRow(
            state: sessions[id].isResumable ? .resumable : .fleeting, resource: sessions[id].jid.resourcepart ?? "",
            token: sessions[id].management?.token ?? "")
        row.isInterested = sessions[id].isInterested
        row.hasCarbons = sessions[id].hasCarbons
        row.knowsBlocked = sessions[id].knowsBlocked
        ClientSessionTable.put(sessions[id].accountNumber, number, row, in: turn.store)
    }

    /// Forgets given-up sessions that nobody can want to know of any more.
    private func pruneEnded(_ account: AddressNumber, _ turn: Turn) {
        let ended = ClientSessionTable.sessions(of: account, in: turn.store).filter { $0.row.state == .ended }
        for (index, session) in ended.enumerated() {
            let isOld = turn.now - session.row.endedAt > SessionLimits.endedSessionLifetime
            if isOld || ended.count - index >= SessionLimits.endedSessionsPerAccount {
                ClientSessionTable.remove(account, session.session, in: turn.store)
            }
        }
    }

    /// XEP-0198 §4: the client asks how much was handled.
    private mutating func acknowledge(_ id: SessionID, on connection: ConnectionID, _ turn: Turn) {
        guard let management = sessions[id].management else { return }
        if management.isResumable, management.isCountStale, let number = sessions[id].number {
            let account = sessions[id].accountNumber
            turn.lazily { ClientSessionTable.setHandled(account, number, management.handled, in: turn.store) }
            sessions[id].management?.isCountStale = false
        }
        turn.acknowledge(StreamManagement.acknowledgement(management.handled), on: connection)
    }

    /// XEP-0198 §4: the client says how much it has handled.
    private mutating func receivedAcknowledgement(_ element: Element, by id: SessionID, _ turn: Turn) {
        guard let handled = element["h"].flatMap({ UInt32($0) }) else {
            return end(id, because: .streamError(StreamError(.badFormat)), turn)
        }
        let number = Outbox.number(ofHandled: handled, behind: sessions[id].outbox.acknowledged)
        guard number <= sessions[id].outbox.last else { return end(id, because: .streamError(Self.handledTooHigh), turn) }
        unmanagedProven(id, turn)
        sessions[id].fence = nil
        acknowledged(sessions[id].outbox.acknowledge(upTo: number), by: id, turn)
        sessions[id].management?.requested = nil
        sessions[id].wait = .nothing
        askAgain(id, turn)
    }

    /// XEP-0198 §4: `handled-count-too-high`.
    static var handledTooHigh: StreamError {
        StreamError(.undefinedCondition, text: "handled-count-too-high: more stanzas were acknowledged than sent")
    }

    /// `<failed/>`.
    func fail(_ condition: StanzaError.Condition, handled: UInt32?, on connection: ConnectionID, _ turn: Turn) {
        turn.perform(.send(StreamManagement.failed(condition, handled: handled)), on: connection)
    }
}
