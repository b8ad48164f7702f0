import MartletBus
import MartletStore
import XMPPStanzas

/// An operator takes away what waits for an account: whoever sent it is told, as by the queue desk.
extension Sessions {
    /// Rows looked at in one turn.
    private static let clearedAtOnce = 256

    /// Takes away a part of what waits, behind `after`.
    public mutating func clear(
        _ what: Clearance, of account: AccountName, after: UInt64, isRehearsal: Bool, _ turn: Turn
    ) -> ClearingOutcome {
        switch what {
        case .messages: clearMessages(of: account, after: after, isRehearsal: isRehearsal, turn)
        case .subscriptions: clearRequests(of: account, after: after, isRehearsal: isRehearsal, turn)
        }
    }

    private mutating func clearMessages(
        of account: AccountName, after: UInt64, isRehearsal: Bool, _ turn: Turn
    ) -> ClearingOutcome {
        var outcome = ClearingOutcome()
        let sent = sentMessages(of: account)
        var rows: [(sequence: UInt64, row: MailboxRow)] = []
        MailboxTable.forEach(account.number, from: after + 1, in: turn.store) { sequence, row in
            rows.append((sequence, row))
            return rows.count < Self.clearedAtOnce
        }
        if rows.count == Self.clearedAtOnce { outcome.next = rows.last?.sequence }
        for (sequence, row) in rows where row.isWaiting && !sent.contains(sequence) {
            outcome.count += 1
            outcome.bytes += StanzaLog.size(sequence, in: turn.store)
            if isRehearsal { continue }
            if let logged = StanzaLog.stanza(sequence, in: turn.store) {
                turn.bounce(
                    logged.stanza, StanzaError(.serviceUnavailable, text: "Removed by the administrator before it was read"))
            }
            removeMessage(sequence, row, of: account.number, turn)
        }
        return outcome
    }

    /// Messages that were sent to a client and not acknowledged: they may have been read.
    private func sentMessages(of account: AccountName) -> Set<UInt64> {
        var sent: Set<UInt64> = []
        guard let place = online.place(of: account.jid) else { return sent }
        for id in online[place].sessions {
            for entry in sessions[id].outbox.sent { if let sequence = entry.content.logSequence { sent.insert(sequence) } }
            sent.formUnion(sessions[id].unmanaged)
        }
        return sent
    }

    private mutating func clearRequests(
        of account: AccountName, after: UInt64, isRehearsal: Bool, _ turn: Turn
    ) -> ClearingOutcome {
        var outcome = ClearingOutcome()
        var last = AddressNumber(after)
        for _ in 0..<Self.clearedAtOnce {
            guard let (contact, request) = PendingSubscriptionTable.first(to: account.number, after: last, in: turn.store)
            else {
                return outcome
            }
            last = contact
            outcome.count += 1
            outcome.bytes += request.memory
            if isRehearsal { continue }
            if let from = request.from {
                // RFC 6121 §3.1.6: as if the account had declined.
                turn.route(Stanza(.presence, from: account.jid, to: from.bare, type: "unsubscribed"), from: .account)
            }
            removeRequest(account.number, contact, turn)
        }
        outcome.next = last.value
        return outcome
    }
}
