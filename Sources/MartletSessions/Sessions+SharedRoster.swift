import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Roster pushes under way because shared items changed, session by session.
struct SharedPushes {
    /// Items that sessions may still have, by their source.
    var before: [SharedRosterItem]
    /// The slot of the next session.
    var nextSlot: UInt32 = 0
    /// Tells its timers from those of an earlier change.
    var generation: UInt64
}

/// Where the roster's sources meet (RFC 6121 §2): own items, and items that no account owns, added to what each account has.
extension Sessions {
    /// A source of roster items says anew what it has, at a start or because the configuration changed.
    public mutating func sharedItemsChanged(_ source: RosterSource, _ items: [SharedRosterItem], _ turn: Turn) {
        let hasRoom = turn.admits(.state, bytes: items.count * SessionLimits.sharedItemBytes)
        guard let before = shared.change(source, items, isWritten: hasRoom, in: turn.store) else { return }
        let generation = (sharedPushes?.generation ?? 0) + 1
        // Of a change that is still under way some sessions have the items before that.
        sharedPushes = SharedPushes(before: sharedPushes?.before ?? before, generation: generation)
        continueSharedPushes(generation, turn)
        endDoomed(turn)
    }

    /// One slice of pushes: one item each (RFC 6121 §2.1.6). Only the last of a session carries the version, so that a client
    /// that is interrupted asks for everything at its next login.
    mutating func continueSharedPushes(_ generation: UInt64, _ turn: Turn) {
        guard var pushes = sharedPushes, pushes.generation == generation else { return }
        let current = shared.items
        let gone = pushes.before.filter { old in !current.contains { $0.jid == old.jid } }
        let items =
            gone.map { ($0.jid, RosterItem.removal($0.jid)) }
            + current.filter { !pushes.before.contains($0) }.map { ($0.jid, RosterItem.element($0)) }
        var budget = SessionLimits.presenceSlice
        for id in sessions.ids where id.slot >= pushes.nextSlot {
            guard budget >= items.count || budget == SessionLimits.presenceSlice else { break }
            pushes.nextSlot = id.slot + 1
            guard sessions[id].isInterested else { continue }
            if !jobs.noteSharedChange(of: sessions[id].accountNumber, for: id) { push(items, to: id, turn) }
            budget -= items.count
            noteReady(id, turn)
        }
        let isDone = sessions.ids.last.map { $0.slot < pushes.nextSlot } ?? true
        sharedPushes = isDone ? nil : pushes
        if !isDone { turn.schedule(.session(.sharedItems(generation: generation)), after: SessionLimits.presencePause) }
    }

    private mutating func push(_ items: [(JID, Element)], to id: SessionID, _ turn: Turn) {
        let account = sessions[id].accountNumber
        let visible = items.filter { !RosterTable.hasContact($0.0, of: account, in: turn.store) }
        for (index, (_, item)) in visible.enumerated() { push(item, to: id, isLast: index == visible.count - 1, turn) }
    }

    /// A session is available and has the roster, or has just got it anew.
    func noteReady(_ id: SessionID, isRestored: Bool = false, _ turn: Turn) {
        guard sessions[id].isAvailable, sessions[id].isInterested else { return }
        let account = AccountName(sessions[id].jid.bare, sessions[id].accountNumber)
        turn.notify(.sessionBecameReady(id, sessions[id].jid, account, isRestored: isRestored))
    }

    /// The version that clients see: the account's own, and that of the shared items.
    func rosterVersion(of account: AddressNumber, _ turn: Turn) -> String {
        let own = RosterTable.version(of: account, in: turn.store)
        return shared.version.map { "\(own)+\($0)" } ?? own
    }

    /// A client tries to change or remove a shared item. RFC 6121 leaves the condition open; `not-allowed` (RFC 6120 §8.3.3.10)
    /// because nobody may, and a push to that client alone, since some show their change without waiting for the answer.
    mutating func refuseChange(of item: SharedRosterItem, by id: SessionID, _ turn: Turn) -> StanzaError {
        if sessions[id].isInterested { push(RosterItem.element(item), to: id, turn) }
        return StanzaError(.notAllowed, text: "This contact is the same for everybody")
    }
}
