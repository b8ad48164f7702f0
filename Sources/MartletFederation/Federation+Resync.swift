import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Lanes that stopped because one of the two stores went back in time, further than both sides know
/// (`Docs/relay-protocol.md` §3, S2), and their new beginning.
///
/// - The *peer* went back, further than what is kept here (``Federation/goBack(_:_:to:tag:_:)`` is what happens else). What waits here is
///   not there, so nothing of it is uncertain, and what is kept is sent again.
/// - *We* went back, further than the peer remembers tags. What our backup brought
///   along may have been delivered in the time that we forgot: those entries are uncertain. What was accepted since this
///   process began is not: no stream has carried the lane since.
///
/// In each case the lane goes on under a new epoch with numbers from 1, which the receiver takes as a new origin (R1). What
/// waits stays where it is, however much that is (``LaneEntries``).
extension Federation {
    /// Entries looked at to say how many wait and how many of them are uncertain; those behind are counted by their numbers,
    /// voids among them.
    private static let looked = 2000

    /// What stands still with `peer`, for the operator to decide.
    public func resyncRows(_ peer: JID, _ turn: Turn) -> [ResyncRow] {
        var rows: [ResyncRow] = []
        for slot in links.ids where links[slot].pair.peer == peer {
            for lane in links[slot].lanes {
                guard let row = lane.row, let stop = row.stop, stop.decision == nil else { continue }
                let (count, uncertain) = uncertainEntries(lane, turn)
                rows.append(
                    ResyncRow(
                        lane: lane.laneClass.name, reason: stop.reason, wasOurStore: stop.side == .site, waiting: count,
                        uncertain: uncertain, oldestAge: oldestAcceptance(lane, turn).map { turn.now - $0 } ?? 0,
                        lost: Int(clamping: stop.lost)))
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
        for slot in links.ids where links[slot].pair.peer == peer {
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

    /// Begins one stopped lane anew: at once, or when the last uncertain entry was answered or held.
    mutating func resync(_ slot: LinkID, _ index: Int, _ choice: UncertainChoice, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, let row = links[slot].lanes[index].row, let stop = row.stop,
            stop.decision == nil
        else { return }
        let (_, uncertain) = uncertainEntries(links[slot].lanes[index], turn)
        turn.note(
            .laneResynced(
                links[slot].pair, lane: row.laneClass.name, uncertain: uncertain,
                choice: uncertain == 0 ? "none" : choice.rawValue))
        guard choice != .resend, stop.uncertainUpTo > row.acked else { return beginAnew(slot, index, behind: row.acked, turn) }
        links[slot].lanes[index].row?.stop?.decision = choice == .drop ? .drop : .hold
        if let row = links[slot].lanes[index].row { LaneTable.update(id, row, in: turn.store) }
        links[slot].lanes[index].decidedUpTo = row.acked
        carryOut(slot, index, turn)
    }

    /// The next slice of a decision about uncertain entries, which leave the lane; then it begins anew. Meanwhile it stays
    /// stopped. A restart begins at the first that is left.
    mutating func carryOut(_ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let entries = links[slot].lanes[index].entries, let row = links[slot].lanes[index].row, let stop = row.stop,
            let decision = stop.decision
        else { return }
        let last = min(stop.uncertainUpTo, row.assigned)
        var slice: [(UInt64, EntryRow)] = []
        EntryTable.forEach(entries, from: links[slot].lanes[index].decidedUpTo + 1, in: turn.store) { number, entry in
            guard number <= last, slice.count < Self.entriesPerSlice else { return false }
            slice.append((number, entry))
            return true
        }
        for (number, entry) in slice {
            if entry.state == .waiting, decision == .hold {
                let reason = "may have been delivered before this site's store went back in time"
                let held = HeldRow(
                    entry, lane: entries.lane, number: number, now: turn.now, mayHaveArrived: true, reason: reason)
                HeldTable.insert(held, in: turn.store)
                links[slot].held += 1
                turn.store.delete(.entry, EntryTable.key(entries, number))
            } else {
                if entry.state == .waiting { answer(entry, Self.unconfirmedText, turn) }
                EntryTable.remove(entries, number, in: turn.store)
            }
            links[slot].lanes[index].decidedUpTo = number
        }
        if slice.count == Self.entriesPerSlice { return continueLater(slot, turn) }
        beginAnew(slot, index, behind: last, turn)
    }

    /// Everything is decided: the lane has a new numbering and goes on. Where the peer's store went back, with what is kept of what it
    /// lacks.
    private mutating func beginAnew(_ slot: LinkID, _ index: Int, behind number: UInt64, _ turn: Turn) {
        guard let row = links[slot].lanes[index].row, let stop = row.stop else { return }
        if number > row.acked { links[slot].lanes[index].row?.tookOut(upTo: number) }
        renumber(slot, index, behind: stop.side == .peer ? row.floor : row.base + number, turn)
        // The peer answers with what it has of the old numbering, which opens the lane.
        if case .up(let connection) = links[slot].state, links[slot].isRelayed {
            turn.perform(.send(askNonza(links[slot].pair, turn)), on: connection)
            expectAnswer(slot, turn)
        } else if links[slot].isUp {
            links[slot].lanes[index].isOpen = true
            links.touch(slot)
        } else {
            retry(slot, turn)
        }
    }

    /// What is told to the sender of an entry that nobody can know about.
    static let unconfirmedText = "Not confirmed, may have arrived: the server's records were restored from a backup"

    /// What stands behind `place` is 1, 2, 3 … of a new epoch, whatever the peer has of others.
    mutating func renumber(_ slot: LinkID, _ index: Int, behind place: UInt64, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, var row = links[slot].lanes[index].row else { return }
        row.renumber(Epoch(high: turn.random.next(), low: turn.random.next()), behind: place)
        row.isDecided = true
        LaneTable.update(id, row, in: turn.store)
        links[slot].lanes[index].renumbered(row, isDecided: true)
        links[slot].lanes[index].isOpen = false
        // The numbers of a round of warnings mean something else now; the next one begins where the last one has ended.
        links[slot].warnings = nil
        findLeftovers(slot, index, turn)
        countLoad(slot, index, turn)
        if links[slot].census != nil { beginCensus(slot, turn) }
    }

    /// Stanzas that wait in a lane, and how many of them may have been delivered.
    private func uncertainEntries(_ lane: OutgoingLane, _ turn: Turn) -> (waiting: Int, uncertain: Int) {
        guard let entries = lane.entries, let row = lane.row else { return (0, 0) }
        let limit = row.stop.map { min($0.uncertainUpTo, row.assigned) } ?? 0
        var waiting = 0
        var uncertain = 0
        var looked = 0
        var last = lane.firstUnsettled - 1
        EntryTable.forEach(entries, from: last + 1, in: turn.store) { number, entry in
            guard looked < Self.looked else { return false }
            looked += 1
            last = number
            guard entry.state == .waiting else { return true }
            waiting += 1
            if number <= limit { uncertain += 1 }
            return true
        }
        if looked < Self.looked { return (waiting, uncertain) }
        return (waiting + Int(row.assigned - last), uncertain + Int(limit - min(limit, last)))
    }
}
