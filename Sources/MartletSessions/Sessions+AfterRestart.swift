import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What a client that resumes its session after a restart of the server may have missed. Messages are on disk; roster pushes,
/// subscription requests and availability are not, and some of them may have been committed and never sent. The client does
/// not ask for them again, as after a login, so it is told how things are. What it knows already does no harm.
extension Sessions {
    /// Tells a session that was resumed from the store.
    mutating func tellWhatWasMissed(_ id: SessionID, _ turn: Turn) {
        let account = sessions[id].accountNumber
        if sessions[id].isInterested { pushRecentChanges(account, to: id, turn) }
        guard sessions[id].isAvailable else { return }
        noteReady(id, turn)
        showRequests(id, turn)
        for contact in RosterTable.contacts(of: account, with: .to, in: turn.store) {
            let jid = AddressTable.address(contact, in: turn.store)
            // Contacts of other domains are asked at every start.
            if turn.policy.serves(jid.domainpart) { tellAvailability(of: jid, to: id, turn) }
        }
    }

    private mutating func pushRecentChanges(_ account: AddressNumber, to id: SessionID, _ turn: Turn) {
        let changes = RosterTable.recentChanges(of: account, in: turn.store)
        var contacts = changes.map(\.contact)
        // So many of late that others may stand behind them: then everything.
        if changes.count == RosterTable.recentLimit, let first = changes.first,
            turn.now - first.at < SessionLimits.recentRosterChanges
        {
            let removed = contacts.filter { RosterTable.row(account, $0, in: turn.store) == nil }
            contacts = removed + RosterTable.contacts(of: account, in: turn.store).map(\.contact)
        }
        for contact in contacts {
            let jid = AddressTable.address(contact, in: turn.store)
            let item = RosterTable.row(account, contact, in: turn.store).map { RosterItem.element(jid, $0) }
            // What went may be an item of everybody's now, of which sessions are told apart.
            if item == nil, shared.item(jid, for: account, in: turn.store) != nil { continue }
            push(item ?? RosterItem.removal(jid), to: id, turn)
        }
    }

    private mutating func tellAvailability(of contact: JID, to id: SessionID, _ turn: Turn) {
        let present = online.place(of: contact).map { place in
            online[place].sessions.compactMap { sessions[$0].presence }
        }
        for presence in present ?? [] {
            var copy = presence
            copy.to = sessions[id].jid
            send(copy, to: id, turn)
        }
        if present?.isEmpty ?? true {
            send(Stanza(.presence, from: contact, to: sessions[id].jid, type: "unavailable"), to: id, turn)
        }
    }
}
