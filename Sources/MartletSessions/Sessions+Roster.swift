import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The roster (RFC 6121 §2).
extension Sessions {
    /// For the own account; a contact is told that somebody else's roster is none of his (RFC 6121 §2.3.3). To a stranger it is as if
    /// there were no account.
    public static let roster = ServiceDeclaration(
        "Roster",
        requests: [.init("query", Namespaces.roster, [.get, .set], to: [.ownAccount, .contact])])

    /// A roster get or set.
    public mutating func answerRoster(_ request: Request, _ turn: Turn) -> Answer {
        guard request.scope == .ownAccount, let id = request.session?.session, sessions.contains(id) else {
            return .error(StanzaError(.forbidden))
        }
        if request.type == .get { return rosterGet(request, by: id, turn) }
        do throws(StanzaError) {
            let item = try RosterItem(request.payload)
            if item.isRemoval {
                try removeItem(item.jid, by: id, turn)
            } else {
                try setItem(item, by: id, turn)
            }
            return .result()
        } catch {
            return .error(error)
        }
    }

    /// RFC 6121 §2.1.3, §2.6.
    private mutating func rosterGet(_ request: Request, by id: SessionID, _ turn: Turn) -> Answer {
        let account = sessions[id].accountNumber
        if !sessions[id].isInterested {
            sessions[id].isInterested = true
            if sessions[id].isResumable { turn.lazily { putRow(id, turn) } }
        }
        // §2.6.2: the client has this version already.
        if let known = request.payload["ver"], !known.isEmpty, known == rosterVersion(of: account, turn) {
            noteReady(id, turn)
            return .result()
        }
        guard mayAskForRoster(id) else {
            return .error(RosterAnswer.unread)
        }
        if !sessions[id].isLeaving { begin(.roster(RosterAnswer(to: request.stanza, of: id)), of: account, turn) }
        return .later
    }

    /// RFC 6121 §2.3, §2.4.
    private mutating func setItem(_ item: RosterItem, by id: SessionID, _ turn: Turn) throws(StanzaError) {
        let account = sessions[id].accountNumber
        guard item.jid != sessions[id].jid.bare else { throw StanzaError(.notAllowed) }
        if let item = shared.item(item.jid, for: account, in: turn.store) { throw refuseChange(of: item, by: id, turn) }
        let known = AddressTable.number(of: item.jid, in: turn.store).flatMap { RosterTable.row(account, $0, in: turn.store) }
        guard turn.admits(.state, bytes: LimitsPolicy.rosterItemBytes) else { throw .diskNearlyFull }
        var row = known ?? RosterRow()
        row.name = item.name
        row.groups = item.groups
        guard RosterItem.size(item.jid, row) <= LimitsPolicy.rosterItemBytes else {
            throw StanzaError(.notAcceptable)  // §2.3.3
        }
        if let objection = objection(to: row, replacing: known, item.jid, account, turn) { throw objection }
        let number = AddressTable.makeNumber(of: item.jid, in: turn.store)
        saveRow(row, item.jid, number, account, sessions[id].account, turn)
    }

    /// RFC 6121 §2.5: the contact goes, and with it what it was allowed to see and was seen of it.
    private mutating func removeItem(_ contact: JID, by id: SessionID, _ turn: Turn) throws(StanzaError) {
        let account = sessions[id].accountNumber
        if let item = shared.item(contact, for: account, in: turn.store) { throw refuseChange(of: item, by: id, turn) }
        guard let number = AddressTable.number(of: contact, in: turn.store),
            let row = RosterTable.row(account, number, in: turn.store)
        else { throw StanzaError(.itemNotFound) }
        guard turn.admits(.upkeep) else { throw .diskNearlyFull }
        let bare = sessions[id].jid.bare
        if !row.flags.isDisjoint(with: [.to, .pendingOut]) {
            turn.route(Stanza(.presence, from: bare, to: contact, type: "unsubscribe"), from: .account)
        }
        if row.flags.contains(.from) {
            sendUnavailable(sessions[id].account, to: contact, turn)
            turn.route(Stanza(.presence, from: bare, to: contact, type: "unsubscribed"), from: .account)
        }
        let domain = AddressTable.makeNumber(of: contact.domain, in: turn.store)
        noteSize(nil, replacing: row, contact, account, turn)
        RosterTable.remove(account, number, domain: domain, in: turn.store)
        // What was a contact of the account's own may be one of everybody's now.
        let item = shared.item(contact).map(RosterItem.element)
        push(item ?? RosterItem.removal(contact), number, account, sessions[id].account, turn)
        turn.notify(.contactRemoved(AccountName(bare, account), contact: contact))
    }

    /// Stores a contact and pushes it.
    mutating func saveRow(
        _ row: RosterRow, _ contact: JID, _ number: AddressNumber, _ account: AddressNumber, _ place: OnlinePlace?, _ turn: Turn
    ) {
        let domain = AddressTable.makeNumber(of: contact.domain, in: turn.store)
        noteSize(row, replacing: RosterTable.row(account, number, in: turn.store), contact, account, turn)
        RosterTable.put(account, number, domain: domain, row, in: turn.store)
        push(RosterItem.element(contact, row), number, account, place, turn)
    }

    /// A roster push to every interested resource (RFC 6121 §2.1.6), under a new version.
    private mutating func push(
        _ item: Element, _ contact: AddressNumber, _ account: AddressNumber, _ place: OnlinePlace?, _ turn: Turn
    ) {
        let tag = UInt32(truncatingIfNeeded: turn.random.next())
        RosterTable.changeVersion(of: account, tag: tag, contact: contact, at: turn.now, in: turn.store)
        guard let place else { return }
        for id in online[place].sessions where sessions[id].isInterested {
            if !jobs.noteChange(of: contact, of: account, for: id) { push(item, to: id, turn) }
        }
    }

    /// A roster push to one session, with the version if it is the last of several.
    mutating func push(_ item: Element, to id: SessionID, isLast: Bool = true, _ turn: Turn) {
        var query = Element("query", Namespaces.roster, elements: [item])
        if isLast { query["ver"] = rosterVersion(of: sessions[id].accountNumber, turn) }
        let push = Stanza(.iq, to: sessions[id].jid, id: turn.random.identifier(), type: "set", payloads: [query])
        send(push, to: id, turn)
    }
}
