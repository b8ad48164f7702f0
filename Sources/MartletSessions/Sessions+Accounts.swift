import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Accounts: made, changed and removed, by the operator or by their owners.
extension Sessions {
    /// A command that concerns accounts; nil if it concerns something else.
    public mutating func handle(_ command: Command, _ turn: Turn) -> CommandAnswer? {
        switch command {
        case .addUser(let jid, let keys):
            guard isAcceptable(jid, turn) else { return .refused("\(jid) is not an account address at a domain of this site") }
            guard accountNumber(of: jid, turn) == nil else { return .refused("\(jid) exists") }
            addAccount(jid, AccountRow(keys, generation: 0), turn)
            return .done("\(jid) was added")
        case .changePassword(let jid, let keys):
            guard let number = accountNumber(of: jid, turn) else { return .refused("\(jid) does not exist") }
            changeKeys(number, jid, AccountRow(keys, generation: 0), turn)
            return .done("the password of \(jid) was changed")
        case .removeUser(let jid):
            guard let number = accountNumber(of: jid, turn) else { return .refused("\(jid) does not exist") }
            removeAccount(jid, number, turn)
            return .done("\(jid) was removed")
        case .listUsers:
            return .users(userRows(turn))
        default:
            return nil
        }
    }

    private func isAcceptable(_ jid: JID, _ turn: Turn) -> Bool {
        jid.localpart != nil && jid.isBare && turn.policy.serves(jid.domainpart)
    }

    private func userRows(_ turn: Turn) -> [UserRow] {
        var rows: [UserRow] = []
        for number in AccountTable.all(in: turn.store) {
            let jid = AddressTable.address(number, in: turn.store)
            let sessions = accounts.place(of: jid).map { accounts[$0].sessions.count } ?? 0
            let waiting =
                mailboxCounts[number]
                ?? MailboxTable.count(of: number, upTo: turn.policy.mailboxMessages, in: turn.store)
            rows.append(UserRow(account: jid.description, sessions: sessions, waiting: waiting))
        }
        return rows.sorted { $0.account < $1.account }
    }

    /// Makes an account that does not exist.
    mutating func addAccount(_ jid: JID, _ row: AccountRow, _ turn: Turn) {
        var row = row
        // Never a generation that a removed account of this name had.
        row.generation = UInt64(max(1, turn.wall.milliseconds))
        AccountTable.put(AddressTable.makeNumber(of: jid, in: turn.store), row, in: turn.store)
        countAccounts(1)
        turn.note(.accountChanged(jid, what: "added"))
    }

    /// Gives an account another password.
    func changeKeys(_ number: AddressNumber, _ jid: JID, _ row: AccountRow, _ turn: Turn) {
        var row = row
        let old = AccountTable.row(number, in: turn.store)?.generation ?? 0
        row.generation = max(old + 1, UInt64(max(1, turn.wall.milliseconds)))
        AccountTable.put(number, row, in: turn.store)
        turn.note(.accountChanged(jid, what: "password changed"))
    }

    /// Removes an account with everything it has: contacts lose it, senders of messages that nobody read are told
    /// (XEP-0077 §3.2).
    mutating func removeAccount(_ jid: JID, _ number: AddressNumber, _ turn: Turn) {
        AccountTable.remove(number, in: turn.store)
        if let place = accounts.place(of: jid) {
            for id in accounts[place].sessions { end(id, because: .streamError(StreamError(.notAuthorized)), turn) }
        }
        for ended in ClientSessionTable.sessions(of: number, in: turn.store) {
            ClientSessionTable.remove(number, ended.session, in: turn.store)
        }
        for (contact, row) in RosterTable.contacts(of: number, in: turn.store) {
            let to = AddressTable.address(contact, in: turn.store)
            if !row.flags.isDisjoint(with: [.to, .pendingOut]) {
                turn.route(Stanza(.presence, from: jid, to: to, type: "unsubscribe"))
            }
            if row.flags.contains(.from) { turn.route(Stanza(.presence, from: jid, to: to, type: "unsubscribed")) }
            let domain = AddressTable.makeNumber(of: to.domain, in: turn.store)
            RosterTable.remove(number, contact, domain: domain, in: turn.store)
        }
        RosterTable.removeVersion(of: number, in: turn.store)
        for (contact, request) in PendingSubscriptionTable.requests(to: number, in: turn.store) {
            if let from = request.from { turn.route(Stanza(.presence, from: jid, to: from, type: "unsubscribed")) }
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
        mailboxCounts[number] = nil
        departures[number] = nil
        countAccounts(-1)
        turn.note(.accountChanged(jid, what: "removed"))
    }
}

extension AccountRow {
    /// The row for the keys of a password.
    init(_ keys: PasswordKeys, generation: UInt64) {
        self.init(generation: generation, sha1: Keys(keys.sha1), sha256: Keys(keys.sha256))
    }
}

extension AccountRow.Keys {
    init(_ keys: PasswordKeys.Keys) {
        self.init(
            salt: keys.salt, iterations: keys.iterations, storedKey: keys.storedKey, serverKey: keys.serverKey)
    }
}
