import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// What a client that resumes its session after a restart of the server may have missed. Messages are on disk; roster pushes,
/// subscription requests and availability are not, and some of them may have been committed and never sent. The client does
/// not ask for them again, as after a login, so it is told how things are. What it knows already does no harm.
extension Sessions {
    /// Tells a session for which something was not kept, once it has read everything else.
    mutating func tellIfMissed(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].hasMissed, sessions[id].connection != nil, sessions[id].outbox.sent.isEmpty,
            sessions[id].outbox.waiting.isEmpty,
            sessions[id].showing.isEmpty, turn.now >= sessions[id].toldMissed + SessionLimits.missedPause
        else { return }
        sessions[id].toldMissed = turn.now
        tellWhatWasMissed(id, asksOthers: true, turn)
        // What was too much for it now would be so again.
        sessions[id].hasMissed = false
    }

    /// Tells a session that was resumed from the store, or missed something else. Contacts of other domains are asked at every start;
    /// else with `asksOthers`.
    mutating func tellWhatWasMissed(_ id: SessionID, asksOthers: Bool = false, _ turn: Turn) {
        let account = sessions[id].accountNumber
        if sessions[id].isInterested { pushRecentChanges(account, to: id, turn) }
        guard sessions[id].isAvailable else { return }
        noteReady(id, turn)
        tellCapabilities(of: id, .arrived, turn)
        show(.availability(after: AddressNumber(0), asksOthers: asksOthers), to: id, turn)
        show(.requests(after: AddressNumber(0)), to: id, turn)
    }

    private mutating func pushRecentChanges(_ account: AddressNumber, to id: SessionID, _ turn: Turn) {
        let changes = RosterTable.recentChanges(of: account, in: turn.store)
        let contacts = changes.map(\.contact)
        guard changes.count == RosterTable.recentLimit, let first = changes.first,
            turn.now - first.at < SessionLimits.recentRosterChanges
        else { return pushItems(of: contacts, to: id, turn) }
        // So many of late that others may stand behind them: then everything.
        let removed = contacts.filter { RosterTable.row(account, $0, in: turn.store) == nil }
        pushItems(of: removed, to: id, turn)
        show(.items(after: AddressNumber(0)), to: id, turn)
    }
}
