import MartletBus
import MartletPrimitives
import MartletStore
import XMPPStanzas

extension LimitsPolicy {
    /// What a mailbox may have.
    var mailbox: Portions<UInt64>.Amount { Portions.Amount(count: mailboxMessages, bytes: mailboxBytes) }
    /// What may wait for an account's answer.
    var waitingRequests: Portions<UInt64>.Amount {
        Portions.Amount(count: pendingSubscriptions, bytes: pendingSubscriptionBytes)
    }
}

/// How much each mailbox has, and who may add to it.
extension Sessions {
    /// Counts a mailbox, once after the start.
    mutating func countMailbox(_ account: AddressNumber, _ turn: Turn) {
        if mailboxes[account] != nil { return }
        var load = Load<UInt64>()
        MailboxTable.forEach(account, from: 0, in: turn.store) { sequence, row in
            let weight = row.weight ?? Self.weight(of: sequence, in: turn.store)
            load.add(Int(weight.bytes), for: weight.sender)
            return true
        }
        mailboxes[account] = load
    }

    /// Whether an account has nothing in its mailbox.
    mutating func isMailboxEmpty(_ account: AddressNumber, _ turn: Turn) -> Bool {
        countMailbox(account, turn)
        return mailboxes[account]?.total.count == 0
    }

    /// Room in the mailbox of an account for a message that is written to it now: what it takes, or nil where that is more than its
    /// sender's share. What this site has to say has no sender who could be told, and answers something that was accepted.
    mutating func takeRoom(
        for stanza: Stanza, _ origin: Origin, in account: AddressNumber, _ turn: Turn
    ) -> MailboxRow.Weight? {
        let weight = senders.weight(of: stanza, turn)
        let place = place(ofMailbox: account, turn)
        let store = turn.store
        switch origin {
        case .site, .service:
            mailboxes.values[place].add(Int(weight.bytes), for: weight.sender)
            return weight
        case .session, .login, .account, .peer, .component, .bundle, .room: break
        }
        let isTaken = mailboxes.values[place].addIfAdmitted(
            Int(weight.bytes), for: weight.sender, of: turn.policy.limits.mailbox
        ) {
            var shares = Portions<UInt64>()
            MailboxTable.forEach(account, from: 0, in: store) { sequence, row in
                let weight = row.weight ?? Self.weight(of: sequence, in: store)
                shares.add(Int(weight.bytes), for: weight.sender)
                return true
            }
            return shares
        }
        return isTaken ? weight : nil
    }

    /// Room for a message that was taken before, whatever there is.
    mutating func takeRoom(for logged: LoggedStanza, in account: AddressNumber, _ turn: Turn) -> MailboxRow.Weight {
        let weight = senders.weight(of: logged.stanza, turn)
        mailboxes.values[place(ofMailbox: account, turn)].add(Int(weight.bytes), for: weight.sender)
        return weight
    }

    private mutating func place(
        ofMailbox account: AddressNumber, _ turn: Turn
    ) -> Dictionary<AddressNumber, Load<UInt64>>.Index {
        if let place = mailboxes.index(forKey: account) { return place }
        countMailbox(account, turn)
        guard let place = mailboxes.index(forKey: account) else { ourFault("a mailbox that was counted is not known") }
        return place
    }

    /// The weight of a message whose row does not have it, as an earlier version wrote it: nobody's.
    static func weight(of sequence: UInt64, in store: some KeyValueTransaction) -> MailboxRow.Weight {
        MailboxRow.Weight(bytes: UInt32(clamping: StanzaLog.size(sequence, in: store)), sender: 0)
    }
}

extension SenderMarks {
    /// What a message takes of a mailbox: its content, and as much as the rows around it usually have.
    func weight(of stanza: Stanza, _ turn: Turn) -> MailboxRow.Weight {
        var weight = MailboxRow.Weight(bytes: UInt32(clamping: stanza.content.count + 256), sender: 0)
        if let from = stanza.from { weight.sender = mark(of: from, turn) }
        return weight
    }
}
