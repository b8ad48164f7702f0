// XEP-0160: Best Practices for Handling Offline Messages, version 1.0.1, complete
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Mailboxes (`Docs/relay-protocol.md` §7.2, XEP-0160): a message stays until a session has acknowledged it.
extension Sessions {
    /// How many messages an account has in its mailbox. Counted once after the start, then kept.
    mutating func mailboxCount(_ account: AddressNumber, _ turn: Turn) -> Int {
        if let count = mailboxCounts[account] { return count }
        let count = MailboxTable.count(of: account, upTo: turn.policy.mailboxMessages, in: turn.store)
        mailboxCounts[account] = count
        return count
    }

    /// Writes a message to the log and to the mailbox, and returns its place. `holders` is the number of resumable
    /// sessions to which it is transmitted in this turn.
    mutating func store(
        _ stanza: Stanza, for account: AddressNumber, holders: Int, isForSession: Bool = false, _ turn: Turn
    ) -> UInt64 {
        var stanza = stanza
        stanza.relayMark = nil
        let sequence = StanzaLog.append(
            LoggedStanza(stanza: stanza, acceptedAt: turn.wall, acceptedInstant: turn.now), in: turn.store)
        let count = mailboxCount(account, turn)
        MailboxTable.put(
            account, sequence, MailboxRow(holders: UInt16(holders), isForSession: isForSession), in: turn.store)
        mailboxCounts[account] = count + 1
        return sequence
    }

    /// A session has acknowledged these stanzas. Lazy: a client that resumes says it again.
    mutating func acknowledged(_ entries: [Outbox.Entry], by id: SessionID, _ turn: Turn) {
        let account = sessions[id].accountNumber
        let slots = sessions[id].isResumable ? sessions[id].number : nil
        for entry in entries {
            guard let sequence = entry.content.logSequence else { continue }
            turn.lazily {
                if let slots { ClientSlotTable.remove(account, slots, entry.number, in: turn.store) }
                acknowledged(sequence, of: account, isHolder: slots != nil, turn)
            }
        }
    }

    /// A session has acknowledged a message.
    mutating func acknowledged(_ sequence: UInt64, of account: AddressNumber, isHolder: Bool, _ turn: Turn) {
        guard var row = MailboxTable.row(account, sequence, in: turn.store) else { return }
        let wasAcknowledged = row.isAcknowledged
        row.isAcknowledged = true
        if isHolder { row.release() }
        if row.isSpent {
            removeMessage(sequence, of: account, turn)
        } else if isHolder || !wasAcknowledged {
            MailboxTable.put(account, sequence, row, in: turn.store)
        }
    }

    /// Removes a message for good.
    mutating func removeMessage(_ sequence: UInt64, of account: AddressNumber, _ turn: Turn) {
        MailboxTable.remove(account, sequence, in: turn.store)
        if let count = mailboxCounts[account] { mailboxCounts[account] = max(0, count - 1) }
    }

    /// Begins to send what the mailbox has for a session that became able to take messages. `includesDetached` says
    /// whether it also gets what only sessions without connection have in hand.
    mutating func beginCatchUp(_ id: SessionID, includesDetached: Bool, _ turn: Turn) {
        guard sessions[id].catchUp == nil, mailboxCount(sessions[id].accountNumber, turn) > 0 else { return }
        let last = turn.store.lastEntry(.log).map { ByteReader.first($0.key) } ?? 0
        sessions[id].catchUp = Session.CatchUp(next: 0, last: last, includesDetached: includesDetached)
        continueCatchUp(id, turn)
    }

    /// Sends the next messages of the mailbox; the rest when these are acknowledged. What came since waits behind them:
    /// offline first, in order, then live.
    mutating func continueCatchUp(_ id: SessionID, _ turn: Turn) {
        guard var catchUp = sessions[id].catchUp, sessions[id].connection != nil else { return }
        let room = SessionLimits.catchUpMessages - sessions[id].outbox.sent.count
        guard room > 0 else { return requestAcknowledgement(id, turn) }
        let account = sessions[id].accountNumber
        let held = messagesInHand(of: id, includingDetached: !catchUp.includesDetached)
        var found: [(UInt64, MailboxRow)] = []
        var isDone = true
        MailboxTable.forEach(account, from: catchUp.next, in: turn.store) { sequence, row in
            if sequence > catchUp.last { return false }
            if found.count == room {
                isDone = false
                return false
            }
            catchUp.next = sequence + 1
            if row.isWaiting, !held.contains(sequence) { found.append((sequence, row)) }
            return true
        }
        var bytesSent = 0
        for (sequence, row) in found {
            if bytesSent >= SessionLimits.catchUpBytes {
                catchUp.next = sequence
                isDone = false
                break
            }
            guard let logged = StanzaLog.stanza(sequence, in: turn.store) else { continue }
            let bytes = logged.stanza.serialized(delay: (from: sessions[id].jid.domain, stamp: logged.acceptedAt))
            bytesSent += bytes.count
            if sessions[id].isResumable {
                var row = row
                row.holders += 1
                MailboxTable.put(account, sequence, row, in: turn.store)
            }
            sendNow(.message(sequence), bytes, to: id, turn)
        }
        sessions[id].catchUp = isDone ? nil : catchUp
        if isDone { sendWaiting(id, turn) }
        requestAcknowledgement(id, turn)
    }

    /// Messages that need not be sent to a session from the mailbox: it has them itself, or another session has.
    private func messagesInHand(of id: SessionID, includingDetached: Bool) -> Set<UInt64> {
        var held: Set<UInt64> = []
        for other in accounts[sessions[id].account].sessions {
            guard other == id || includingDetached || sessions[other].connection != nil else { continue }
            sessions[other].outbox.forEachMessage { held.insert($0) }
            held.formUnion(sessions[other].unmanaged)
        }
        return held
    }

    /// Messages that an ended session had in hand and nobody acknowledged: other sessions that take messages get them
    /// now; without any they are offline again.
    mutating func redeliver(_ leftovers: [UInt64], of account: AddressNumber, at place: Int, _ turn: Turn) {
        var inHand: Set<UInt64> = []
        for other in accounts[place].sessions {
            sessions[other].outbox.forEachMessage { inHand.insert($0) }
            inHand.formUnion(sessions[other].unmanaged)
        }
        for sequence in leftovers where !inHand.contains(sequence) {
            guard var row = MailboxTable.row(account, sequence, in: turn.store), row.isWaiting,
                let logged = StanzaLog.stanza(sequence, in: turn.store)
            else { continue }
            let recipients = recipients(place).filter { id in
                // A session that has not come to this place yet finds the message by itself.
                sessions[id].catchUp.map { sequence < $0.next || sequence > $0.last } ?? true
            }
            let holders = recipients.count { sessions[$0].isResumable }
            if holders > 0 {
                row.holders += UInt16(holders)
                MailboxTable.put(account, sequence, row, in: turn.store)
            }
            let stamp = (from: accounts[place].jid.domain, stamp: logged.acceptedAt)
            let bytes = logged.stanza.serialized(delay: stamp)
            for id in recipients where sessions.contains(id) { transmit(.message(sequence), bytes, to: id, turn) }
        }
    }
}
