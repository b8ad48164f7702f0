import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// What a session was last told of an office.
struct ShownOffice {
    let jid: JID
    /// The words; nil while the office is available.
    var status: String?
    var at: Instant
}

/// The other offices as contacts: everybody sees whether the line to them is there, and what of the own waits for it.
///
/// How much waits only federation knows. So a session that is to be told becomes a question, which the site carries there.
extension Sessions {
    /// Asks how much waits for the offices of which there is something to tell a session now. Of the others it is not asked: counting
    /// what waits for them costs a row for each message.
    private mutating func askWhatWaits(for id: SessionID, _ turn: Turn) {
        guard sessions[id].isAvailable, sessions[id].isInterested else { return }
        let account = sessions[id].jid.bare
        var pairs: [DomainPair] = []
        for office in visibleOffices(to: sessions[id].accountNumber, turn) {
            let pair = DomainPair(local: account.domain, peer: office.jid)
            if mayTell(id, of: pair, turn) { pairs.append(pair) }
        }
        if !pairs.isEmpty { turn.ask(.waitingMessages(id, of: account, on: pairs)) }
    }

    /// Whether a session may be told of an office now. Of one whose line is there as before there is nothing to say; and if the
    /// last time was a moment ago, a timer asks again.
    private mutating func mayTell(_ id: SessionID, of pair: DomainPair, _ turn: Turn) -> Bool {
        guard let shown = sessions[id].offices.first(where: { $0.jid == pair.peer }) else { return true }
        if shown.status == nil, cutSince(pair) == nil { return false }
        let next = shown.at + SessionLimits.officePause
        guard next > turn.now else { return true }
        if !sessions[id].hasOfficeTimer { turn.schedule(.officesAgain(id), at: next) }
        sessions[id].hasOfficeTimer = true
        return false
    }

    private func cutSince(_ pair: DomainPair) -> WallTime? { peerByPair[pair].flatMap { peers[$0].cutSince } }

    /// Tells a session of the offices whose state has changed for it. `waiting` counts the account's own messages for each.
    public mutating func showOffices(_ id: SessionID, waiting: [(pair: DomainPair, count: Int?)], _ turn: Turn) {
        guard sessions.contains(id) else { return }
        for (pair, count) in waiting {
            let status = cutSince(pair).map {
                CutWords.status(since: $0, now: turn.wall, utcOffset: turn.policy.utcOffset, waiting: count)
            }
            let index = sessions[id].offices.firstIndex { $0.jid == pair.peer }
            if let index, sessions[id].offices[index].status == status { continue }
            let shown = ShownOffice(jid: pair.peer, status: status, at: turn.now)
            if let index { sessions[id].offices[index] = shown } else { sessions[id].offices.append(shown) }
            send(presence(of: pair.peer, status: status, to: sessions[id].jid), to: id, turn)
        }
        endDoomed(turn)
    }

    private func presence(of office: JID, status: String?, to jid: JID) -> Stanza {
        var presence = Stanza(.presence, from: office, to: jid)
        guard let status else { return presence }
        presence.append(Element("show", Namespaces.client, text: "away"))
        presence.append(Element("status", Namespaces.client, text: status))
        return presence
    }

    /// The offices in an account's roster, without those that it has as contacts of its own.
    func visibleOffices(to account: AddressNumber, _ turn: Turn) -> [Office] {
        offices.filter { !hasContact($0.jid, account, turn) }
    }

    /// Whether an address is an office and nothing that the account put into its roster itself.
    func isOffice(_ jid: JID, to account: AddressNumber, _ turn: Turn) -> Bool {
        jid.isDomain && offices.contains { $0.jid == jid } && !hasContact(jid, account, turn)
    }

    /// Whether the account has put an address into its roster.
    func hasContact(_ jid: JID, _ account: AddressNumber, _ turn: Turn) -> Bool {
        guard let number = AddressTable.number(of: jid, in: turn.store) else { return false }
        return RosterTable.row(account, number, in: turn.store) != nil
    }

    // When

    /// A session is to be told of offices, soon.
    mutating func wantOffices(_ id: SessionID, _ turn: Turn) {
        guard !offices.isEmpty, sessions[id].isAvailable, sessions[id].isInterested, !sessions[id].isOfficeQueued else {
            return
        }
        sessions[id].isOfficeQueued = true
        officeQueue.append(id)
        scheduleOffices(turn)
    }

    /// All sessions of a domain, or of one account, are to be told.
    mutating func wantOffices(at local: JID, of account: JID?, _ turn: Turn) {
        guard !offices.isEmpty else { return }
        if let account {
            guard let place = accounts.place(of: account) else { return }
            for id in accounts[place].sessions { wantOffices(id, turn) }
        } else {
            for id in sessions.ids where sessions[id].jid.domainpart == local.domainpart { wantOffices(id, turn) }
        }
    }

    private mutating func scheduleOffices(_ turn: Turn) {
        guard !hasOfficesTimer else { return }
        hasOfficesTimer = true
        turn.schedule(.offices, after: SessionLimits.officeDelay)
    }

    /// The next slice of sessions is told.
    mutating func officesDue(_ turn: Turn) {
        hasOfficesTimer = false
        let slice = max(1, SessionLimits.officeSlice / max(1, offices.count))
        for _ in 0..<slice {
            guard let id = officeQueue.popFirst() else { return }
            guard sessions.contains(id) else { continue }
            sessions[id].isOfficeQueued = false
            askWhatWaits(for: id, turn)
        }
        if !officeQueue.isEmpty { scheduleOffices(turn) }
    }

    /// The pause of a session is over.
    mutating func officesDueAgain(_ id: SessionID, _ turn: Turn) {
        guard sessions.contains(id) else { return }
        sessions[id].hasOfficeTimer = false
        wantOffices(id, turn)
    }
}
