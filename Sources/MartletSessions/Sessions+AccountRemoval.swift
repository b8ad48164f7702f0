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

    /// An administrator ends all sessions of an account, or the one of a full JID. How many that were.
    @discardableResult
    public mutating func endSessions(of jid: JID, _ turn: Turn) -> Int {
        guard let place = online.place(of: jid.bare) else { return 0 }
        let ended = online[place].sessions.filter { jid.isBare || sessions[$0].jid.resourcepart == jid.resourcepart }
        for id in ended {
            end(
                id, because: .streamError(StreamError(.policyViolation, text: "An administrator has ended this session")), turn)
        }
        endDoomed(turn)
        return ended.count
    }

    /// An account may not log in any more.
    public mutating func accountDisabled(_ account: AccountName, _ turn: Turn) {
        guard let place = online.place(of: account.jid) else { return }
        for id in online[place].sessions {
            end(id, because: .streamError(StreamError(.notAuthorized, text: "This account was disabled")), turn)
        }
        endDoomed(turn)
    }

    /// The next accounts that have a session, behind a place of the list, and the place behind which others follow.
    public func onlineAccounts(after last: UInt64, limit: Int, bytes: Int) -> AdminPage {
        var accounts: [JID] = []
        var (place, size) = (online.place(fromNumber: last), 0)
        while let found = place {
            size += online[found].jid.bytes
            guard accounts.count < limit, size <= bytes || accounts.isEmpty else {
                return AdminPage(accounts, next: found.number)
            }
            accounts.append(online[found].jid)
            place = online.place(after: found)
        }
        return AdminPage(accounts, next: nil)
    }

    /// Whether an account has a session that takes messages.
    public func isOnline(_ account: AddressNumber) -> Bool {
        online.place(of: account).map { place in online[place].sessions.contains { sessions[$0].takesMessages } } ?? false
    }

    /// The resources of an account that are bound.
    public func resources(of bare: JID) -> [String] {
        online.place(of: bare).map { place in online[place].sessions.compactMap { sessions[$0].jid.resourcepart } } ?? []
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
