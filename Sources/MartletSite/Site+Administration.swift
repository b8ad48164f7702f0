import MartletBus
import MartletServices
import MartletStore
import XMPPAddress
import XMPPStanzas

/// What administrators want with their clients (XEP-0133), done by the parts that it concerns.
extension Site {
    /// A command that was understood.
    mutating func administer(_ question: AdminQuestion, _ turn: Turn) {
        // It may have been read anew since.
        guard let asker = question.request.from?.bare, policy.admin.accounts.contains(asker) else {
            return turn.bounce(question.request, StanzaError(.itemNotFound))
        }
        switch question.wish {
        case .add, .changePassword, .each: administration.order(question, turn)
        case .announce, .announceAt, .setMessageOfTheDay, .deleteMessageOfTheDay, .showMessageOfTheDay:
            administration.tell(question, turn)
        case .count(let list): answer(question, .count(count(list)), turn)
        case .list(.online, let last, let limit):
            let page = sessions.onlineAccounts(after: last, limit: limit, bytes: Administration.pageBytes)
            answer(question, .page(page), turn)
        case .list(let list, let last, let limit):
            answer(question, .page(Administration.page(list, after: last, limit: limit, turn)), turn)
        case .user(let jid): answer(question, facts(of: jid, turn), turn)
        case .status: answer(question, .facts(figures(turn)), turn)
        }
    }

    private func answer(_ question: AdminQuestion, _ report: AdminReport, _ turn: Turn) {
        if let stanza = AdministrationCommands.answer(question, report) { turn.route(stanza, from: .service) }
    }

    private func count(_ list: AdminList) -> Int {
        switch list {
        case .registered: accounts.count
        case .disabled: accounts.disabled.count
        case .online: sessions.onlineAccountCount
        }
    }

    /// XEP-0133 §4.10.
    private func facts(of jid: JID, _ turn: Turn) -> AdminReport {
        guard let number = AccountTable.number(of: jid, in: turn.store) else { return .nobody }
        let roster = RosterTable.size(of: number, in: turn.store)
        let row = sessions.userRow(AccountName(jid, number), turn)
        var facts = [
            AdminReport.Fact("accountjid", "Account", [jid.description]),
            AdminReport.Fact("onlineresources", "Its sessions", sessions.resources(of: jid)),
            AdminReport.Fact("urn:martlet:waiting", "Messages that wait for it", [String(row.waiting)]),
            AdminReport.Fact("urn:martlet:disabled", "Disabled", [accounts.disabled.contains(number) ? "yes" : "no"]),
        ]
        if let roster { facts.append(AdminReport.Fact("rostersize", "Its contacts", [String(roster.items)])) }
        if let last = LastActivityTable.row(number, in: turn.store), !sessions.isOnline(number) {
            facts.append(AdminReport.Fact("urn:martlet:left", "Online until", [last.time.description]))
        }
        return .facts(facts)
    }

    private func figures(_ turn: Turn) -> [AdminReport.Fact] {
        let row = status(turn)
        return [
            AdminReport.Fact("urn:martlet:domains", "Domains", row.domains),
            AdminReport.Fact("registeredusersnum", "Accounts", [String(row.accounts)]),
            AdminReport.Fact("onlineusersnum", "Accounts that are online", [String(sessions.onlineAccountCount)]),
            AdminReport.Fact("urn:martlet:sessions", "Sessions", [String(row.sessions)]),
            AdminReport.Fact("urn:martlet:links", "Links to other servers", [String(row.links)]),
            AdminReport.Fact("urn:martlet:waiting", "Messages that wait for other servers", [String(row.waitingEntries)]),
            AdminReport.Fact("urn:martlet:memory", "Bytes that wait in memory for others", [String(row.heldBytes)]),
        ]
    }

    /// The next account of an order, or the next slice of an announcement.
    mutating func administrationDue(_ timer: AdministrationTimer, _ turn: Turn) {
        switch timer {
        case .orders:
            guard let next = administration.nextAct() else { return }
            turn.bill.payer = .account(next.admin)
            administration.acted(perform(next.act, turn), turn)
        case .announcements:
            guard let slice = administration.nextSlice(turn) else { return }
            turn.bill.payer = slice.payer
            let online = Set(slice.accounts.filter { sessions.isOnline($0) })
            administration.announce(slice, to: online, turn)
        }
    }

    private mutating func perform(_ act: Administration.AccountCommandOrEnd, _ turn: Turn) -> Administration.Outcome {
        switch act {
        case .endSessions(let jid):
            guard AccountTable.number(of: jid.bare, in: turn.store) != nil else {
                return Administration.Outcome(.itemNotFound, "\(jid.bare) does not exist")
            }
            let ended = sessions.endSessions(of: jid, turn)
            return Administration.Outcome(nil, "\(ended) \(ended == 1 ? "session" : "sessions") of \(jid) ended")
        case .command(let command):
            let condition = condition(ofRefusing: command, turn)
            switch accounts.handle(command, turn) {
            case .refused(let words): return Administration.Outcome(condition, words)
            case .done(let words): return Administration.Outcome(nil, words)
            default: return Administration.Outcome(nil, "")
            }
        }
    }

    /// What it would mean if that were refused.
    private func condition(ofRefusing command: AccountCommand, _ turn: Turn) -> StanzaError.Condition {
        switch command {
        case .add(let jid, _):
            if AccountTable.number(of: jid, in: turn.store) != nil { return .conflict }
            return policy.hasPeople(at: jid.domainpart) ? .resourceConstraint : .notAllowed
        case .changePassword(let jid, _), .remove(let jid), .disable(let jid), .enable(let jid):
            guard let number = AccountTable.number(of: jid, in: turn.store) else { return .itemNotFound }
            switch command {
            case .disable where accounts.disabled.contains(number), .enable where !accounts.disabled.contains(number):
                return .conflict
            default: return .resourceConstraint
            }
        case .invite: return .resourceConstraint
        }
    }
}
