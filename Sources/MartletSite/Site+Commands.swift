import MartletBus
import MartletStore
import XMPPAddress

/// What an operator asks of the whole site.
extension Site {
    /// Carries out a command, or has the part do it that it concerns.
    mutating func answer(_ command: Command, _ turn: Turn) -> CommandAnswer {
        switch command {
        case .accounts(let command): return accounts.handle(command, turn)
        case .links(let command) where command.isChange && !turn.admits(.upkeep):
            return .refused("the disk is full: nothing can be changed. Make room on the disk of the store, then try again")
        case .links(let command): return federation.handle(command, turn)
        case .archive(let command): return archive.handle(command, turn)
        case .uploads(let command): return uploads.handle(command, turn)
        case .listUsers: return .users(userRows(turn))
        case .status:
            return .status(status(turn))
        case .clear(let jid, let what, let after, let isRehearsal):
            guard let number = AccountTable.number(of: jid, in: turn.store) else {
                return .refused("there is no account \(jid)")
            }
            return .cleared(
                sessions.clear(what, of: AccountName(jid, number), after: after, isRehearsal: isRehearsal, turn))
        case .karma: return .karma(karmaReport(turn))
        case .drain(let otherHost):
            sessions.drain(to: otherHost, turn)
            return .done("clients were told to reconnect at \(otherHost)")
        case .explain(let from, let to): return .explanation(explanation(from: from, to: to, turn))
        }
    }

    /// So many are shown who hold most of the memory.
    private static let holdersShown = 5

    func status(_ turn: Turn) -> StatusRow {
        let figures = federation.figures
        var row = StatusRow(
            domains: policy.peoplesDomains.map(\.domainpart), accounts: accounts.count, sessions: sessions.sessionCount,
            links: figures.links, waitingEntries: figures.waiting)
        (row.components, row.connectedComponents) = federation.componentCounts(turn)
        row.heldBytes = turn.memory.total
        row.memoryCeiling = policy.limits.memoryCeiling
        row.holders = turn.memory.largest(Self.holdersShown).map {
            StatusRow.HolderRow(owner: words(for: $0.party, turn), bytes: $0.bytes)
        }
        return row
    }

    private func words(for party: Party, _ turn: Turn) -> String {
        switch party {
        case .account(let number): AddressTable.address(number, in: turn.store).description
        case .peer(let domain): domain.description
        case .address(let address): "\(address)"
        case .site: "the site itself"
        }
    }

    private func userRows(_ turn: Turn) -> [UserRow] {
        let rows = AccountTable.all(in: turn.store).map { number in
            var row = sessions.userRow(AccountName(AddressTable.address(number, in: turn.store), number), turn)
            row.isDisabled = accounts.disabled.contains(number)
            return row
        }
        return rows.sorted { $0.account < $1.account }
    }

    /// The way of a stanza in words, one step a line.
    private func explanation(from: JID, to: JID, _ turn: Turn) -> [String] {
        let isOurs = policy.houses(from.domainpart)
        let isComponents = policy.isComponent(from.domainpart)
        var lines = ["\(from) \(isOurs ? "is at this site" : isComponents ? "is a component's" : "is at another server")"]
        if !isOurs, !isComponents, let objection = objection(to: from) {
            return lines + ["\(objection): nothing of it is let in"]
        }
        lines += explanation(at: isOurs ? .fromClient : .fromPeer)
        for (who, whom) in [(from, to), (to, from)] where blocking.blocks(whom, for: who.bare) {
            return lines + ["\(who.bare) has blocked \(whom): nothing passes between them"]
        }
        let owner = policy.owner(of: to)
        lines += explanation(at: owner.isElsewhere ? .toPeer : .toAccount)
        switch owner {
        case .session, .account:
            guard let number = sessions.accountNumber(of: to.bare, turn) else {
                return lines + ["\(to.bare) has no account here: the sender gets an error"]
            }
            let count = sessions.userRow(AccountName(to.bare, number), turn).sessions
            let whose = "\(to.bare) has an account here and \(count) \(count == 1 ? "session" : "sessions")"
            lines.append(
                owner == .account
                    ? "\(whose): they get it, its mailbox keeps it, services answer for it"
                    : "\(whose): the one of that resource gets it; if there is none, a message is for the account")
        case .host(let host): lines.append("\(to) is a host of this site (\(host.kind.rawValue)): services answer for it")
        case .component: lines.append("\(to.domain) is a component's: it goes over the link to it, and waits while it is away")
        case .peer:
            lines.append(
                objection(to: to).map { "\($0): the sender gets an error" }
                    ?? "\(to) is at another server: it goes over the link to \(to.domain)")
        }
        return lines
    }

    /// Why nothing is exchanged with a domain.
    private func objection(to peer: JID) -> String? {
        if !policy.federation.isEnabled { return "this site exchanges nothing with other servers (federation.enabled)" }
        return policy.federation.blockedPeers.contains(peer.domain)
            ? "\(peer.domain) is blocked (federation.blocked_domains)" : nil
    }

    private func explanation(at checkpoint: Checkpoint) -> [String] {
        let rules = interceptors.rules(at: checkpoint)
        if rules.isEmpty { return ["\(checkpoint.rawValue): no rule is in force"] }
        return rules.map {
            "\(checkpoint.rawValue): \($0.kind.rawValue) looks at it (has stopped \($0.stopped) since the start)"
        }
    }
}
