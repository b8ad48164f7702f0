import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Lanes that stopped because one of the two stores went back in time (`Docs/relay-protocol.md` §3, S2), and their new
/// beginning.
///
/// - The *peer* went back: it has less than it had acknowledged. What it lost was removed here and cannot be sent again.
///   What waits here is not there, so nothing of it is uncertain.
/// - *We* went back: the peer has more than we have numbered, or another stanza under our number. What our backup brought
///   along may have been delivered in the time that we forgot: those entries are uncertain. What was accepted since this
///   process began is not: no stream has carried the lane since.
///
/// In each case the lane goes on under a new epoch with numbers from 1, which the receiver takes as a new origin (R1).
extension Federation {
    /// What stands still with `peer`, for the operator to decide.
    public func resyncRows(_ peer: JID, _ turn: Turn) -> [ResyncRow] {
        var rows: [ResyncRow] = []
        for link in links where link.pair.peer == peer {
            for lane in link.lanes {
                guard let id = lane.id, let row = lane.row, let stop = row.stop else { continue }
                let (count, uncertain) = uncertainEntries(id, row, turn)
                let oldest = oldestAcceptance(id, row, turn).map { turn.now - $0 } ?? 0
                rows.append(
                    ResyncRow(
                        lane: lane.laneClass.name, reason: stop.reason, wasOurStore: stop.side == .site, waiting: count,
                        uncertain: uncertain, oldestAge: oldest,
                        lost: stop.side == .peer ? Int(clamping: row.acked - min(row.acked, stop.peerNumber)) : 0))
            }
        }
        return rows
    }

    /// Begins the stopped lanes with `peer` anew; words for the operator.
    public mutating func resync(_ peer: JID, uncertain choice: UncertainChoice?, _ turn: Turn) -> CommandAnswer {
        let rows = resyncRows(peer, turn)
        guard !rows.isEmpty else { return .refused("nothing stands still with \(peer)") }
        guard choice != nil || rows.allSatisfy({ $0.uncertain == 0 }) else {
            return .refused("say what becomes of the uncertain entries: resend, drop or hold")
        }
        for slot in links.indices where links[slot].pair.peer == peer {
            for index in links[slot].lanes.indices where links[slot].lanes[index].row?.isStopped == true {
                resync(slot, index, choice ?? .resend, turn)
            }
        }
        let waiting = rows.reduce(0) { $0 + $1.waiting }
        let uncertain = rows.reduce(0) { $0 + $1.uncertain }
        let what =
            switch (uncertain, choice) {
            case (0, _), (_, nil): ""
            case (_, .resend): "; \(uncertain) uncertain are sent again"
            case (_, .drop): "; the senders of \(uncertain) uncertain are told"
            case (_, .hold): "; \(uncertain) uncertain are held"
            }
        return .done("the lane to \(peer) begins anew, \(waiting) waited\(what)")
    }

    /// Begins one stopped lane anew. All in one turn: a disaster's size does not matter, its order does.
    mutating func resync(_ slot: Int, _ index: Int, _ choice: UncertainChoice, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, let row = links[slot].lanes[index].row, let stop = row.stop else { return }
        let (_, uncertain) = uncertainEntries(id, row, turn)
        if choice != .resend, stop.uncertainUpTo > row.acked {
            for number in row.acked + 1...min(stop.uncertainUpTo, row.assigned) {
                guard let entry = EntryTable.entry(id, number, in: turn.store), entry.state == .waiting else { continue }
                if choice == .drop {
                    answer(entry, Self.unconfirmedText, turn)
                    EntryTable.remove(id, number, in: turn.store)
                } else {
                    let reason = "may have been delivered before this site's store went back in time"
                    let held = HeldRow(
                        entry, lane: id, number: number, now: turn.now, mayHaveArrived: true, reason: reason)
                    HeldTable.insert(held, in: turn.store)
                    links[slot].held += 1
                    turn.store.delete(.entry, EntryTable.key(id, number))
                }
            }
        }
        renumber(slot, index, from: row.acked + 1, turn)
        let pair = links[slot].pair
        turn.note(
            .laneResynced(
                pair, lane: row.laneClass.name, uncertain: uncertain, choice: uncertain == 0 ? "none" : choice.rawValue))
        // The peer answers with what it has of the old numbering, which opens the lane.
        if case .up(let connection, .relay) = links[slot].state {
            turn.perform(.send(relayNonza("ask", pair, nil)), on: connection)
            expectAnswer(slot, turn)
        } else if case .up(_, .foreign) = links[slot].state {
            links[slot].lanes[index].isOpen = true
            touch(slot)
        } else {
            retry(slot, turn)
        }
    }

    /// What is told to the sender of an entry that nobody can know about.
    static let unconfirmedText = "Not confirmed, may have arrived: the server's records were restored from a backup"

    /// Numbers what waits from `first` on anew under a new epoch. Voids go: their numbers mean nothing any more.
    mutating func renumber(_ slot: Int, _ index: Int, from first: UInt64, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, var row = links[slot].lanes[index].row else { return }
        var waiting: [EntryRow] = []
        var old: [UInt64] = []
        var offered: UInt64 = 0
        var warned: UInt64 = 0
        EntryTable.forEach(id, from: first, in: turn.store) { number, entry in
            old.append(number)
            if entry.state == .waiting {
                waiting.append(entry)
                if number <= row.offered { offered = UInt64(waiting.count) }
                if number <= row.warned { warned = UInt64(waiting.count) }
            }
            return true
        }
        for number in old { turn.store.delete(.entry, EntryTable.key(id, number)) }
        row.renumber(
            Epoch(high: turn.random.next(), low: turn.random.next()), count: UInt64(waiting.count), offered: offered,
            warned: warned)
        var latest: Instant?
        for (offset, entry) in waiting.enumerated() {
            EntryTable.put(id, UInt64(offset) + 1, entry, in: turn.store)
            // The order of numbers does not find those that expire before one that stands before them.
            if let latest, entry.deadline < latest { expireEarly(id, UInt64(offset) + 1, at: entry.deadline, turn) }
            latest = max(latest ?? entry.deadline, entry.deadline)
        }
        LaneTable.update(id, row, in: turn.store)
        links[slot].lanes[index].loaded(id, row)
        if links[slot].census != nil { beginCensus(slot, turn) }
    }

    /// Stanzas that wait in a lane, and how many of them may have been delivered.
    private func uncertainEntries(_ id: LaneID, _ row: LaneRow, _ turn: Turn) -> (waiting: Int, uncertain: Int) {
        var waiting = 0
        var uncertain = 0
        EntryTable.forEach(id, from: row.acked + 1, in: turn.store) { number, entry in
            guard entry.state == .waiting else { return true }
            waiting += 1
            if let stop = row.stop, number <= stop.uncertainUpTo { uncertain += 1 }
            return true
        }
        return (waiting, uncertain)
    }

    private func oldestAcceptance(_ id: LaneID, _ row: LaneRow, _ turn: Turn) -> Instant? {
        var oldest: Instant?
        EntryTable.forEach(id, from: row.acked + 1, in: turn.store) { _, entry in
            oldest = StanzaLog.stanza(entry.logSequence, in: turn.store)?.acceptedInstant
            return oldest == nil
        }
        return oldest
    }
}
