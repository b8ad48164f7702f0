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
    /// (XEP-0077 §3.2).
    public mutating func accountRemoved(_ account: AccountName, _ turn: Turn) {
        let (jid, number) = (account.jid, account.number)
        if let place = online.place(of: jid) {
            for id in online[place].sessions { end(id, because: .streamError(StreamError(.notAuthorized)), turn) }
        }
        for ended in ClientSessionTable.sessions(of: number, in: turn.store) {
            ClientSessionTable.remove(number, ended.session, in: turn.store)
        }
        for (contact, row) in RosterTable.contacts(of: number, in: turn.store) {
            let to = AddressTable.address(contact, in: turn.store)
            if !row.flags.isDisjoint(with: [.to, .pendingOut]) {
                turn.route(Stanza(.presence, from: jid, to: to, type: "unsubscribe"), from: .account)
            }
            if row.flags.contains(.from) {
                turn.route(Stanza(.presence, from: jid, to: to, type: "unsubscribed"), from: .account)
            }
            let domain = AddressTable.makeNumber(of: to.domain, in: turn.store)
            RosterTable.remove(number, contact, domain: domain, in: turn.store)
        }
        RosterTable.removeVersion(of: number, in: turn.store)
        for (contact, request) in PendingSubscriptionTable.requests(to: number, in: turn.store) {
            if let from = request.from {
                turn.route(Stanza(.presence, from: jid, to: from, type: "unsubscribed"), from: .account)
            }
            PendingSubscriptionTable.remove(number, contact, in: turn.store)
        }
        var messages: [(UInt64, MailboxRow)] = []
        MailboxTable.forEach(number, from: 0, in: turn.store) { sequence, row in
            messages.append((sequence, row))
            return true
        }
        for (sequence, row) in messages {
            if row.isWaiting, let logged = StanzaLog.stanza(sequence, in: turn.store) {
                turn.bounce(logged.stanza, StanzaError(.serviceUnavailable))
            }
            MailboxTable.remove(number, sequence, in: turn.store)
        }
        mailboxes[number] = nil
        subscriptionRequests[number] = nil
        departures[number] = nil
        endDoomed(turn)
    }
}
