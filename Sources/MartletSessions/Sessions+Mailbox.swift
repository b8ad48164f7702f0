// XEP-0160: Best Practices for Handling Offline Messages, version 1.0.1, complete
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Mailboxes (`Docs/relay-protocol.md` §7.2, XEP-0160): a message stays until a session has acknowledged it.
extension Sessions {
    /// The feature of people's domains (XEP-0160 §4).
    public static let mailbox = ServiceDeclaration("Mailbox", features: [.init(Namespaces.offline, of: [.host(.people)])])

    /// Writes a message, for which room was taken, to the log and to the mailbox, and returns its place. `holders` is the number of
    /// resumable sessions to which it is transmitted in this turn.
    func store(
        _ stanza: Stanza, _ weight: MailboxRow.Weight, for account: AddressNumber, holders: Int, isForSession: Bool = false,
        archives: ArchiveOwners? = nil, _ turn: Turn
    ) -> UInt64 {
        var stanza = stanza
        // Even writing what is there already would copy the stanza, which others hold too.
        if stanza.relayMark != nil { stanza.relayMark = nil }
        let logged = LoggedStanza(stanza: stanza, acceptedAt: turn.wall, acceptedInstant: turn.now)
        return store(logged, weight, for: account, holders: holders, isForSession: isForSession, archives: archives, turn)
    }

    /// The same for a message that is for sessions alone. What stands in the log already, as a room's message for all its occupants, is not
    /// written once more.
    func storeForSession(
        _ envelope: Envelope, _ weight: MailboxRow.Weight, for account: AddressNumber, holders: Int, _ turn: Turn
    ) -> UInt64 {
        guard let sequence = envelope.logSequence else {
            return store(envelope.stanza, weight, for: account, holders: holders, isForSession: true, turn)
        }
        if var row = MailboxTable.row(account, sequence, in: turn.store) {
            // Another session of the account is in the room too.
            row.holders += UInt16(holders)
            MailboxTable.put(account, sequence, row, in: turn.store)
            return sequence
        }
        StanzaLog.hold(sequence, in: turn.store)
        let mark = envelope.stanza.to?.resourcepart.map(MailboxRow.mark(ofResource:))
        let row = MailboxRow(holders: UInt16(holders), isForSession: true, resourceMark: mark, weight: weight)
        MailboxTable.put(account, sequence, row, in: turn.store)
        return sequence
    }

    private func store(
        _ logged: LoggedStanza, _ weight: MailboxRow.Weight, for account: AddressNumber, holders: Int,
        isForSession: Bool = false, archives: ArchiveOwners? = nil, _ turn: Turn
    ) -> UInt64 {
        let sequence = StanzaLog.append(logged, holders: archives == nil ? 1 : 2, archives: archives, in: turn.store)
        if let archives { turn.noteArchived(logged.stanza, archives, at: sequence) }
        let mark = logged.stanza.to?.resourcepart.map(MailboxRow.mark(ofResource:))
        let row = MailboxRow(holders: UInt16(holders), isForSession: isForSession, resourceMark: mark, weight: weight)
        MailboxTable.put(account, sequence, row, in: turn.store)
        return sequence
    }

    /// Writes down the messages that only a session has: it is about to go, or a message that is written must not get ahead
    /// of them.
    mutating func logKept(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].outbox.keptCount > 0, turn.admits(.talk) else { return }
        let account = sessions[id].accountNumber
        turn.lazily {
            var outbox = sessions[id].outbox
            outbox.log {
                let weight = takeRoom(for: $0, in: account, turn)
                return store($0, weight, for: account, holders: 0, turn)
            }
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
                // Who is not asked to read the account's messages has not read one for it.
                let isRead = entry.content.copy == nil || sessions[id].takesMessages
                acknowledged(sequence, of: account, isHolder: slots != nil, isRead: isRead, turn)
            }
        }
    }

    /// A session has acknowledged a message; with `isRead` nobody else needs to have it.
    mutating func acknowledged(
        _ sequence: UInt64, of account: AddressNumber, isHolder: Bool, isRead: Bool = true, _ turn: Turn
    ) {
        guard var row = MailboxTable.row(account, sequence, in: turn.store) else { return }
        let wasAcknowledged = row.isAcknowledged
        if isRead { row.isAcknowledged = true }
        if isHolder { row.release() }
        if row.isSpent {
            removeMessage(sequence, row, of: account, turn)
        } else if isHolder || !wasAcknowledged {
            MailboxTable.put(account, sequence, row, in: turn.store)
        }
    }

    /// Removes a message for good.
    mutating func removeMessage(_ sequence: UInt64, _ row: MailboxRow, of account: AddressNumber, _ turn: Turn) {
        if let place = mailboxes.index(forKey: account) {
            let weight = row.weight ?? Self.weight(of: sequence, in: turn.store)
            mailboxes.values[place].remove(Int(weight.bytes), for: weight.sender, of: turn.policy.limits.mailbox)
        }
        MailboxTable.remove(account, sequence, in: turn.store)
    }
}
