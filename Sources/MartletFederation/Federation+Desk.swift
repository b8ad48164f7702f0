import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// The queue desk: what an operator does with entries. Numbers stay whole (`Docs/relay-protocol.md` S5): an entry that is
/// taken out of its lane leaves a void.
extension Federation {
    /// Keeps entries aside. One that may have arrived stays where it is: held and released it would arrive twice.
    public mutating func hold(_ claims: [EntryClaim], _ turn: Turn) -> DeskOutcome {
        var outcome = DeskOutcome()
        let places = lanePlaces
        var changed: [LinkID] = []
        for claim in claims {
            guard let (slot, index) = places[claim.name.lane], let entries = links[slot].lanes[index].entries,
                let entry = entry(claim, slot, index, turn)
            else {
                outcome.gone += 1
                continue
            }
            let lane = LaneID(claim.name.lane)
            // One that was held before may be held again: nothing but its old number was ever written.
            guard entry.mayHaveArrived || !links[slot].lanes[index].mayHaveArrived(claim.name.number, entry) else {
                outcome.refuse(
                    claim.name, "was sent and is not acknowledged: it may have arrived. Hold what is behind it, or purge it")
                continue
            }
            let held = HeldRow(
                entry, lane: lane, number: claim.name.number, now: turn.now, mayHaveArrived: entry.mayHaveArrived,
                reason: "by the operator")
            HeldTable.insert(held, in: turn.store)
            putVoid(entries, claim.name.number, entry, turn)
            loadEmptied(slot, index, claim.name.number, turn)
            links[slot].held += 1
            changed.append(slot)
        }
        finish(&outcome, "held", changed, turn)
        return outcome
    }

    /// Puts held entries at the end of their lanes, with new numbers and the time at which they were accepted.
    public mutating func release(_ claims: [EntryClaim], _ turn: Turn) -> DeskOutcome {
        var outcome = DeskOutcome()
        let places = lanePlaces
        var changed: [LinkID] = []
        for claim in claims.sorted(by: { $0.name < $1.name }) {
            guard let held = heldRow(claim, turn), let (slot, index) = places[held.lane.value] else {
                outcome.gone += 1
                continue
            }
            HeldTable.remove(claim.name.number, in: turn.store)
            let entry = EntryRow(
                logSequence: held.logSequence, tag: turn.random.next(), deadline: turn.now + held.remaining,
                mayHaveArrived: held.mayHaveArrived)
            let (lane, number) = nextNumber(slot, index, isOffered: false, turn)
            EntryTable.put(lane, number, entry, in: turn.store)
            // It expires before what stands before it.
            expireEarly(lane, number, at: entry.deadline, turn)
            // There is an item for each number, also where the log has lost the stanza.
            let stanza = StanzaLog.stanza(held.logSequence, in: turn.store)?.stanza
            links[slot].lanes[index].items.append(stanza.map { takeRoom(for: $0, slot, turn) } ?? .none)
            if let stanza {
                noteAccepted(number, slot, index, stanza, turn)
            }
            links[slot].held -= 1
            changed.append(slot)
        }
        finish(&outcome, "released", changed, turn)
        for slot in Self.distinct(changed) {
            // Always: where only voids waited, no timer is set.
            noteFirstWaiting(slot, turn)
            links.touch(slot)
            dialIfResting(slot, turn)
        }
        return outcome
    }

    /// Cancels entries, waiting or held: each is answered to its sender in this transaction.
    public mutating func purge(_ claims: [EntryClaim], _ turn: Turn) -> DeskOutcome {
        var outcome = DeskOutcome()
        let places = lanePlaces
        var changed: [LinkID] = []
        for claim in claims {
            if let held = heldRow(claim, turn) {
                HeldTable.remove(claim.name.number, in: turn.store)
                answer(held.logSequence, Self.purgedText(held.mayHaveArrived), turn)
                StanzaLog.release(held.logSequence, in: turn.store)
                guard let (slot, _) = places[held.lane.value] else { continue }
                links[slot].held -= 1
                changed.append(slot)
            } else if let (slot, index) = places[claim.name.lane], let entries = links[slot].lanes[index].entries,
                let entry = entry(claim, slot, index, turn)
            {
                answer(entry, Self.purgedText(links[slot].lanes[index].mayHaveArrived(claim.name.number, entry)), turn)
                StanzaLog.release(entry.logSequence, in: turn.store)
                putVoid(entries, claim.name.number, entry, turn)
                loadEmptied(slot, index, claim.name.number, turn)
                changed.append(slot)
            } else {
                outcome.gone += 1
            }
        }
        finish(&outcome, "purged", changed, turn)
        return outcome
    }

    /// Dials now: `peer`, or every peer that waits for its next attempt.
    public mutating func retry(_ peer: JID?, _ turn: Turn) -> CommandAnswer {
        let slots = links.ids.filter { peer == nil || links[$0].pair.peer == peer }
        if let peer, slots.isEmpty { return .refused("there is no link to \(peer)") }
        var dialled: [String] = []
        for slot in slots where retry(slot, turn) { dialled.append(links[slot].pair.peer.description) }
        if !dialled.isEmpty { return .done("dialling \(dialled.joined(separator: ", "))") }
        guard let peer, let slot = slots.first else { return .done("nothing waits for its next attempt") }
        switch links[slot].state {
        case .up, .closing: return .done("the link to \(peer) is up")
        default: return .done("an attempt to reach \(peer) is under way")
        }
    }

    /// Dials a link that rests; true if it did.
    @discardableResult
    mutating func retry(_ slot: LinkID, _ turn: Turn) -> Bool {
        switch links[slot].state {
        case .backingOff:
            links[slot].pauseCutShort()
            dial(slot, turn)
            return true
        case .idle:
            dial(slot, turn)
            return true
        case .up:
            probe(slot, turn)
            return false
        case .dialling, .closing:
            return false
        }
    }

    // MARK: what the deeds share

    /// Answers an entry's stanza to its sender: late, hence to the bare address.
    func answer(_ entry: EntryRow, _ text: String, _ turn: Turn) { answer(entry.logSequence, text, turn) }

    private func answer(_ sequence: UInt64, _ text: String, _ turn: Turn) {
        guard let logged = StanzaLog.stanza(sequence, in: turn.store) else { return }
        bounce(logged.stanza, StanzaError(.remoteServerTimeout, .cancel, text: text), turn)
    }

    private static func purgedText(_ mayHaveArrived: Bool) -> String {
        mayHaveArrived
            ? "Cancelled by the administrator; not confirmed, may have arrived"
            : "Cancelled by the administrator before it was sent"
    }

    /// The waiting entry that a claim means, if it still is the same one.
    private func entry(_ claim: EntryClaim, _ slot: LinkID, _ index: Int, _ turn: Turn) -> EntryRow? {
        guard let row = links[slot].lanes[index].row, let entries = links[slot].lanes[index].entries,
            claim.name.number > row.acked, claim.name.number <= row.assigned,
            let entry = EntryTable.entry(entries, claim.name.number, in: turn.store),
            entry.state == .waiting, entry.tag == claim.tag
        else { return nil }
        return entry
    }

    private func heldRow(_ claim: EntryClaim, _ turn: Turn) -> HeldRow? {
        guard claim.name.lane == EntryName.held, let row = HeldTable.row(claim.name.number, in: turn.store),
            row.tag == claim.tag
        else { return nil }
        return row
    }

    /// A void takes the place of an entry whose stanza is somebody else's now.
    private func putVoid(_ lane: LaneEntries, _ number: UInt64, _ entry: EntryRow, _ turn: Turn) {
        var entry = entry
        entry.logSequence = 0
        entry.state = .void
        EntryTable.put(lane, number, entry, in: turn.store)
    }

    /// Where each lane is. Made per command: a site has a few dozen links.
    var lanePlaces: [UInt32: (slot: LinkID, index: Int)] {
        var places: [UInt32: (slot: LinkID, index: Int)] = [:]
        for slot in links.ids {
            for index in links[slot].lanes.indices {
                if let id = links[slot].lanes[index].id { places[id.value] = (slot, index) }
            }
        }
        return places
    }

    /// Counts what was done and tells the log, once per link.
    private mutating func finish(_ outcome: inout DeskOutcome, _ what: String, _ changed: [LinkID], _ turn: Turn) {
        outcome.done = changed.count
        for slot in Self.distinct(changed) {
            turn.note(.queueChanged(links[slot].pair, what: what, entries: changed.count { $0 == slot }))
            noteCountChanged(slot, turn)
        }
    }

    private static func distinct(_ slots: [LinkID]) -> [LinkID] {
        var result: [LinkID] = []
        for slot in slots.sorted(by: { $0.slot < $1.slot }) where result.last != slot { result.append(slot) }
        return result
    }

    /// After a start: how many entries of each link are held, and of which nobody was told yet.
    mutating func countHeld(_ turn: Turn) {
        let places = lanePlaces
        HeldTable.forEach(from: 1, in: turn.store) { place, row in
            guard let (slot, _) = places[row.lane.value] else { return true }
            links[slot].held += 1
            if row.isUntold { tellLater(place, slot, turn) }
            return true
        }
    }
}

extension DeskOutcome {
    /// The deed was refused for one entry; words for the operator.
    mutating func refuse(_ name: EntryName, _ words: String) {
        refused.append(Refusal(name: name, words: words))
    }
}
