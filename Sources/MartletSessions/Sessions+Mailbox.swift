// XEP-0160: Best Practices for Handling Offline Messages, version 1.0.1, complete
import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Mailboxes (`Docs/relay-protocol.md` §7.2, XEP-0160): a message stays until a session has acknowledged it.
extension Sessions {
    /// The feature of people's domains (XEP-0160 §4).
    public static let mailbox = ServiceDeclaration("Mailbox", features: [.init(Namespaces.offline, of: [.host(.people)])])

    /// Writes a message to the log and to the mailbox, and returns its place. `holders` is the number of resumable
    /// sessions to which it is transmitted in this turn.
    mutating func store(
        _ stanza: Stanza, for account: AddressNumber, holders: Int, isForSession: Bool = false, _ turn: Turn
    ) -> UInt64 {
        var stanza = stanza
        // Even writing what is there already would copy the stanza, which others hold too.
        if stanza.relayMark != nil { stanza.relayMark = nil }
        let logged = LoggedStanza(stanza: stanza, acceptedAt: turn.wall, acceptedInstant: turn.now)
        return store(logged, for: account, holders: holders, isForSession: isForSession, turn)
    }

    private mutating func store(
        _ logged: LoggedStanza, for account: AddressNumber, holders: Int, isForSession: Bool = false, _ turn: Turn
    ) -> UInt64 {
        countMailbox(account, turn)
        let sequence = StanzaLog.append(logged, in: turn.store)
        let mark = logged.stanza.to?.resourcepart.map(MailboxRow.mark(ofResource:))
        let weight = senders.weight(of: logged.stanza, turn.policy)
        let row = MailboxRow(holders: UInt16(holders), isForSession: isForSession, resourceMark: mark, weight: weight)
        MailboxTable.put(account, sequence, row, in: turn.store)
        mailboxes[account]?.add(Int(weight.bytes), for: weight.sender)
        return sequence
    }

    /// Writes down the messages that only a session has: it is about to go, or a message that is written must not get ahead
    /// of them.
    mutating func logKept(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].outbox.keptCount > 0 else { return }
        let account = sessions[id].accountNumber
        turn.lazily {
            var outbox = sessions[id].outbox
            outbox.log { store($0, for: account, holders: 0, turn) }
            sessions[id].outbox = outbox
        }
    }

    /// The same for the sessions of an account, but for one: only one at a time keeps messages, so that what is written is in the
    /// order in which it came.
    mutating func logKept(of place: OnlinePlace, but except: SessionID?, _ turn: Turn) {
        for id in online[place].sessions where id != except { logKept(id, turn) }
    }

    /// A session has acknowledged these stanzas. Lazy: a client that resumes says it again.
    mutating func acknowledged(_ entries: [Outbox.Entry], by id: SessionID, _ turn: Turn) {
        book(id, turn)
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
            removeMessage(sequence, row, of: account, turn)
        } else if isHolder || !wasAcknowledged {
            MailboxTable.put(account, sequence, row, in: turn.store)
        }
    }

    /// Removes a message for good.
    mutating func removeMessage(_ sequence: UInt64, _ row: MailboxRow, of account: AddressNumber, _ turn: Turn) {
        if mailboxes[account] != nil {
            let weight = row.weight ?? Self.weight(of: sequence, in: turn.store)
            mailboxes[account]?.remove(Int(weight.bytes), for: weight.sender, of: turn.policy.limits.mailbox)
        }
        MailboxTable.remove(account, sequence, in: turn.store)
    }

    /// Begins to send what the mailbox has for a session that became able to take messages. `includesDetached` says
    /// whether it also gets what only sessions without connection have in hand.
    mutating func beginCatchUp(_ id: SessionID, includesDetached: Bool, _ turn: Turn) {
        let account = sessions[id].accountNumber
        sessions[id].hasOwnMessages = true
        guard !isMailboxEmpty(account, turn) else { return }
        let held = messagesInHand(of: id, includingDetached: !includesDetached)
        var found: Deque<UInt64> = []
        MailboxTable.forEach(account, from: 0, in: turn.store) { sequence, row in
            if row.isWaiting, !held.contains(sequence) { found.append(sequence) }
            return true
        }
        if found.isEmpty { return }
        sessions[id].catchUp = found
        continueCatchUp(id, turn)
    }

    /// A message comes for the full JID of a session that takes none to the bare JID: it is not available, or not yet, or its priority
    /// is negative. What came for the same full JID while nobody had it goes first, as order is promised for a pair of addresses.
    /// Looked for once: from then on the session gets all of them. Only rows are read, whoever fills the mailbox.
    mutating func beginOwnCatchUp(_ id: SessionID, _ turn: Turn) {
        guard !sessions[id].hasOwnMessages, !sessions[id].takesMessages else { return }
        sessions[id].hasOwnMessages = true
        let account = sessions[id].accountNumber
        guard sessions[id].catchUp == nil, !isMailboxEmpty(account, turn), let resource = sessions[id].jid.resourcepart else {
            return
        }
        let mark = MailboxRow.mark(ofResource: resource)
        var found: Deque<UInt64> = []
        MailboxTable.forEach(account, from: 0, in: turn.store) { sequence, row in
            if row.isWaiting, row.resourceMark == mark { found.append(sequence) }
            return true
        }
        if found.isEmpty { return }
        let held = messagesInHand(of: id, includingDetached: true)
        found.removeAll { held.contains($0) }
        if found.isEmpty { return }
        sessions[id].catchUp = found
        continueCatchUp(id, turn)
    }

    /// Sends the next messages of the mailbox; the rest when these are acknowledged. What came since waits behind them:
    /// offline first, in order, then live.
    mutating func continueCatchUp(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].catchUp != nil, sessions[id].connection != nil, sessions[id].farewell == .none else { return }
        let account = sessions[id].accountNumber
        var room = SessionLimits.catchUpMessages - sessions[id].outbox.sent.count
        var bytesSent = 0
        while room > 0, bytesSent < SessionLimits.catchUpBytes, hasWindow(id, turn),
            let sequence = sessions[id].catchUp?.popFirst()
        {
            // Somebody else may have acknowledged it since.
            guard var row = MailboxTable.row(account, sequence, in: turn.store), row.isWaiting,
                let bytes = lateMessage(sequence, for: id, turn)
            else { continue }
            if sessions[id].isResumable {
                row.holders += 1
                MailboxTable.put(account, sequence, row, in: turn.store)
            }
            sendNow(.message(sequence), bytes, to: id, turn)
            bytesSent += bytes.count
            room -= 1
        }
        if sessions[id].catchUp?.isEmpty ?? true {
            sessions[id].catchUp = nil
            sendWaiting(id, turn)
        }
        requestAcknowledgement(id, turn)
    }

    /// Messages that need not be sent to a session from the mailbox: it has them itself, or another session has.
    private func messagesInHand(of id: SessionID, includingDetached: Bool) -> Set<UInt64> {
        var held: Set<UInt64> = []
        for other in online[sessions[id].account].sessions {
            guard other == id || includingDetached || sessions[other].connection != nil else { continue }
            sessions[other].outbox.forEachMessage { held.insert($0) }
            held.formUnion(sessions[other].unmanaged)
        }
        return held
    }

    /// Messages that an ended session had in hand and nobody acknowledged: other sessions that take messages get them
    /// now, like a mailbox; without any they are offline again.
    mutating func redeliver(_ leftovers: [UInt64], at place: OnlinePlace, _ turn: Turn) {
        let recipients = recipients(place)
        if recipients.isEmpty { return }
        var inHand: Set<UInt64> = []
        for other in online[place].sessions {
            sessions[other].outbox.forEachMessage { inHand.insert($0) }
            inHand.formUnion(sessions[other].unmanaged)
        }
        let free = leftovers.filter { !inHand.contains($0) }
        for id in recipients where !free.isEmpty {
            var messages = Set(sessions[id].catchUp ?? [])
            messages.formUnion(free)
            sessions[id].catchUp = Deque(messages.sorted())
            continueCatchUp(id, turn)
        }
    }
}
