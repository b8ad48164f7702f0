import MartletBus
import MartletStore
import XMPPAddress

/// What an operator asks of the whole site.
extension Site {
    /// Carries out a command, or has the part do it that it concerns.
    mutating func answer(_ command: Command, _ turn: Turn) -> CommandAnswer {
        switch command {
        case .accounts(let command): return accounts.handle(command, turn)
        case .links(let command): return federation.handle(command, turn)
        case .listUsers: return .users(userRows(turn))
        case .status:
            let figures = federation.figures
            return .status(
                StatusRow(
                    domains: policy.peoplesDomains.map(\.domainpart), accounts: accounts.count,
                    sessions: sessions.sessionCount, links: figures.links, waitingEntries: figures.waiting))
        case .drain(let otherHost):
            sessions.drain(to: otherHost, turn)
            return .done("clients were told to reconnect at \(otherHost)")
        case .explain(let from, let to): return .explanation(explanation(from: from, to: to))
        }
    }

    private func userRows(_ turn: Turn) -> [UserRow] {
        let rows = AccountTable.all(in: turn.store).map { number in
            sessions.userRow(AccountName(AddressTable.address(number, in: turn.store), number), turn)
        }
        return rows.sorted { $0.account < $1.account }
    }

    /// The way of a stanza in words, one step a line.
    private func explanation(from: JID, to: JID) -> [String] {
        let isOurs = policy.serves(from.domainpart)
        var lines = ["\(from) \(isOurs ? "is at this site" : "is at another server")"]
        lines += explanation(at: isOurs ? .fromClient : .fromPeer)
        let owner = policy.owner(of: to)
        lines += explanation(at: owner == .peer ? .toPeer : .toAccount)
        switch owner {
        case .session: lines.append("\(to) is a session of an account here, which gets it")
        case .account:
            lines.append("\(to) is an account here: its sessions get it, its mailbox keeps it, services answer for it")
        case .host(let host): lines.append("\(to) is a host of this site (\(host.kind.rawValue)): services answer for it")
        case .peer: lines.append("\(to) is at another server: it goes over the link to \(to.domain)")
        }
        return lines
    }

    private func explanation(at checkpoint: Checkpoint) -> [String] {
        let rules = interceptors.rules(at: checkpoint)
        if rules.isEmpty { return ["\(checkpoint.rawValue): no rule is in force"] }
        return rules.map {
            "\(checkpoint.rawValue): \($0.kind.rawValue) looks at it (has stopped \($0.stopped) since the start)"
        }
    }
}
