import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// What follows for sessions, rosters and mailboxes when an account goes, and what an operator sees of one.
extension Sessions {
    /// How many sessions an account has, and how many messages wait for it.
    public func userRow(_ account: AccountName, _ turn: Turn) -> UserRow {
        let waiting =
            mailboxes[account.number]?.total.count
            ?? MailboxTable.count(of: account.number, upTo: turn.policy.limits.mailboxMessages, in: turn.store)
        return UserRow(
            account: account.jid.description,
            sessions: online.place(of: account.jid).map { online[$0].sessions.count } ?? 0,
            waiting: waiting)
    }

    /// An account is gone, and with it everything it had: contacts lose it, senders of messages that nobody read are told
    /// (XEP-0077 §3.2). As that may be much it is a job; until it is done nobody gets an account of that name.
    public mutating func accountRemoved(_ account: AccountName, _ turn: Turn) {
        if let place = online.place(of: account.jid) {
            for id in online[place].sessions { end(id, because: .streamError(StreamError(.notAuthorized)), turn) }
        }
        AccountTable.noteRemoval(account.number, in: turn.store)
        begin(.removal(AccountRemoval(account: account)), of: account.number, turn)
        endDoomed(turn)
    }

    /// After a start: what was under way goes on.
    mutating func continueRemovals(_ turn: Turn) {
        for number in AccountTable.removals(in: turn.store) {
            let account = AccountName(AddressTable.address(number, in: turn.store), number)
            begin(.removal(AccountRemoval(account: account)), of: number, turn)
        }
    }

    /// One slice. True if nothing is left.
    mutating func remove(_ removal: AccountRemoval, _ turn: Turn) -> Bool {
        let (jid, number) = (removal.account.jid, removal.account.number)
        while let (contact, row) = RosterTable.rows(of: number, after: AddressNumber(0), limit: 1, in: turn.store).first {
            guard !slice.isSpent else { return false }
            remove(contact, row, of: removal.account, turn)
        }
        while let (contact, request) = PendingSubscriptionTable.first(to: number, after: AddressNumber(0), in: turn.store) {
            guard !slice.isSpent else { return false }
            if let from = request.from {
                turn.route(Stanza(.presence, from: jid, to: from, type: "unsubscribed"), from: .account)
            }
            PendingSubscriptionTable.remove(number, contact, in: turn.store)
            slice.spend(1, bytes: 0)
        }
        while let blocked = BlockTable.first(of: number, in: turn.store) {
            guard !slice.isSpent else { return false }
            BlockTable.remove(number, blocked, in: turn.store)
            slice.spend(1, bytes: 0)
        }
        while let registration = PushTable.first(of: number, in: turn.store) {
            guard !slice.isSpent else { return false }
            PushTable.remove(number, registration, in: turn.store)
            slice.spend(1, bytes: 0)
        }
        while let (sequence, row) = MailboxTable.first(of: number, in: turn.store) {
            guard !slice.isSpent else { return false }
            if row.isWaiting, let logged = StanzaLog.stanza(sequence, in: turn.store) {
                turn.bounce(logged.stanza, StanzaError(.serviceUnavailable))
                slice.spend(1, bytes: logged.stanza.content.count)
            } else {
                slice.spend(1, bytes: 0)
            }
            MailboxTable.remove(number, sequence, in: turn.store)
        }
        return true
    }

    private mutating func remove(_ contact: AddressNumber, _ row: RosterRow, of account: AccountName, _ turn: Turn) {
        let to = AddressTable.address(contact, in: turn.store)
        if !row.flags.isDisjoint(with: [.to, .pendingOut]) {
            turn.route(Stanza(.presence, from: account.jid, to: to, type: "unsubscribe"), from: .account)
            slice.spend(1, bytes: 0)
        }
        if row.flags.contains(.from) {
            turn.route(Stanza(.presence, from: account.jid, to: to, type: "unsubscribed"), from: .account)
            slice.spend(1, bytes: 0)
        }
        let domain = AddressTable.makeNumber(of: to.domain, in: turn.store)
        RosterTable.remove(account.number, contact, domain: domain, in: turn.store)
        slice.spend(1, bytes: 0)
    }

    /// Nothing is left of an account.
    mutating func removed(_ removal: AccountRemoval, _ turn: Turn) {
        let number = removal.account.number
        for ended in ClientSessionTable.sessions(of: number, in: turn.store) {
            ClientSessionTable.remove(number, ended.session, in: turn.store)
        }
        LastActivityTable.remove(number, in: turn.store)
        RosterTable.removeVersion(of: number, in: turn.store)
        AccountTable.forgetRemoval(number, in: turn.store)
        mailboxes[number] = nil
        subscriptionRequests[number] = nil
        departures[number] = nil
    }
}

/// An account that goes. A ``Job``; what it had is in the store as long as it is under way.
struct AccountRemoval {
    let account: AccountName
}
