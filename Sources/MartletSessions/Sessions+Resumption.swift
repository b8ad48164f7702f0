import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Resumption (XEP-0198 §5), also of sessions that were bound before the server was started.
extension Sessions {
    /// A client that has logged in wants its session back; within an `admission` it hears of it together with that. Returns what it is
    /// to be told where nothing is resumed; nil where it was told everything.
    mutating func resume(
        _ element: Element, account: JID, _ accountNumber: AddressNumber, within admission: Admission? = nil,
        on connection: ConnectionID, _ turn: Turn
    ) -> Element? {
        guard let token = element["previd"], let handled = element["h"].flatMap({ UInt32($0) }) else {
            return StreamManagement.failure(.badRequest)
        }
        let place = online.place(of: account)
        let known = place.flatMap { place in
            online[place].sessions.first { sessions[$0].isResumable && sessions[$0].management?.token == token }
        }
        guard let id = known else {
            return failedResumption(token, accountNumber, turn)
        }
        guard let resent = takeUnacknowledged(id, handled: handled, turn) else {
            connections[connection] = nil
            turn.perform(.close(Self.handledTooHigh), on: connection)
            return nil
        }
        if let older = sessions[id].connection {
            // XEP-0198 §5: the old stream only looks alive.
            connections[older] = nil
            turn.perform(.close(StreamError(.conflict)), on: older)
        }
        let wasUncertain = sessions[id].management?.isUncertain ?? false
        connections[connection] = .bound(id)
        sessions[id].connection = connection
        sessions[id].management?.requested = nil
        sessions[id].management?.isUncertain = false
        sessions[id].farewell = .none
        sessions[id].wait = .nothing
        dropHeld(id, turn)
        becomeActive(id)
        let count = sessions[id].management?.handled ?? 0
        if let number = sessions[id].number {
            // Binding, so that neither the count nor what follows leaves before everything it says is on disk.
            ClientSessionTable.setHandled(accountNumber, number, count, in: turn.store)
            sessions[id].management?.isCountStale = false
        }
        let resumed = Element("resumed", Namespaces.streamManagement, [("previd", token), ("h", String(count))])
        if let admission {
            sessions[id].client = admission.client
            let welcome = Welcome(sessions[id].jid, [resumed] + admission.told, additionalData: admission.additionalData)
            turn.perform(.welcome(welcome), on: connection)
        } else {
            turn.perform(.send(resumed.serialized(within: Namespaces.client)), on: connection)
        }
        turn.note(.sessionResumed(sessions[id].jid))
        resend(resent, to: id, on: connection, turn)
        if wasUncertain { tellWhatWasMissed(id, turn) } else { tellIfMissed(id, turn) }
        tellRoom(id, turn)
        if sessions[id].catchUp != nil {
            continueCatchUp(id, turn)
        } else if wasUncertain, sessions[id].takesMessages {
            // A mailbox that was being sent when the server stopped.
            beginCatchUp(id, includesDetached: false, turn)
        }
        continueShowing(id, turn)
        return nil
    }

    /// Applies the client's count, and takes everything out of the outbox that has to be sent now; nil if the count
    /// cannot be.
    private mutating func takeUnacknowledged(_ id: SessionID, handled: UInt32, _ turn: Turn) -> [Outbox.Entry]? {
        let acknowledged: UInt64
        let restart: UInt64
        if sessions[id].management?.isUncertain ?? false {
            // Volatile stanzas were numbered too and are forgotten: the count may lie anywhere, and the nearest place to
            // what is known is meant. The numbers start anew from it, a whole turn higher, so that they stay positive.
            let base = sessions[id].outbox.acknowledged
            let distance = Int64(Int32(bitPattern: handled &- UInt32(truncatingIfNeeded: base)))
            acknowledged = distance < 0 ? base : base + UInt64(distance)
            restart = UInt64(Int64(base) + (1 << 32) + distance)
        } else {
            acknowledged = Outbox.number(ofHandled: handled, behind: sessions[id].outbox.acknowledged)
            guard acknowledged <= sessions[id].outbox.last else { return nil }
            restart = acknowledged
        }
        let done = sessions[id].outbox.acknowledge(upTo: acknowledged)
        self.acknowledged(done, by: id, turn)
        return sessions[id].outbox.restart(from: restart)
    }

    /// Sends again, in order, what the client has not handled, under the numbers that follow its count.
    private mutating func resend(_ entries: [Outbox.Entry], to id: SessionID, on connection: ConnectionID, _ turn: Turn) {
        let isCatchingUp = sessions[id].catchUp != nil
        let largeAnswer = sessions[id].largeAnswer
        sessions[id].largeAnswer = nil
        for entry in entries {
            let wasSent = entry.number < ClientSlotTable.unsent
            removeSlot(entry, of: id, turn)
            // What waits behind the mailbox, or for acknowledgements, goes on waiting.
            if !wasSent, isCatchingUp || isPaced(id, turn) {
                let number = sessions[id].outbox.appendWaiting(entry.content, size: entry.size)
                putSlot(entry.content, number, of: id, turn)
            } else if let bytes = lateBytes(of: entry.content, for: id, turn) {
                write(entry.content, bytes, to: id, on: connection, turn)
                if wasSent, entry.number == largeAnswer { sessions[id].largeAnswer = sessions[id].outbox.last }
            }
        }
        book(id, turn)
        requestAcknowledgement(id, turn)
    }

    /// There is no such session, or not any more: then the client learns how much of what it sent was handled.
    private func failedResumption(_ token: String, _ account: AddressNumber, _ turn: Turn) -> Element {
        guard let number = token.split(separator: "-").first.flatMap({ UInt64($0) }), number < .max,
            let row = ClientSessionTable.row(account, number, in: turn.store), row.state == .ended, row.token == token,
            turn.now - row.endedAt <= SessionLimits.endedSessionLifetime
        else {
            return StreamManagement.failure(.itemNotFound)
        }
        // Written when the session ended, with everything it covers.
        let handled = ClientSessionTable.handled(account, number, in: turn.store)
        return StreamManagement.failure(.itemNotFound, handled: handled)
    }
}
