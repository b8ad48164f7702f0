import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStreams

/// Entries that expire before the lifetime of their link is over, because their sender said so (``MessageExpiry``).
extension Federation {
    /// Entries looked at in one turn; the rest follows in the next.
    private static let earlyExpiriesPerTurn = 256
    /// An entry that is on its way when it expires is looked at again after this long, milliseconds.
    private static let inFlightDelay: Int64 = 10_000

    /// The entry expires at `instant` unless it is acknowledged before.
    mutating func expireEarly(_ lane: LaneEntries, _ number: UInt64, at instant: Instant, _ turn: Turn) {
        DeadlineTable.put(.init(deadline: instant, lane: lane.lane, place: lane.base + number), in: turn.store)
        scheduleEarlyExpiry(turn)
    }

    /// Sets the timer for the soonest, if there is any.
    mutating func scheduleEarlyExpiry(_ turn: Turn) {
        guard let first = DeadlineTable.first(in: turn.store)?.deadline else { return }
        if let armed = earlyExpiry, armed <= first { return }
        earlyExpiry = first
        turn.schedule(.link(.earlyExpiry), at: max(first, turn.now + 1))
    }

    /// The timer fired.
    mutating func expireEarly(_ turn: Turn) {
        earlyExpiry = nil
        for _ in 0..<Self.earlyExpiriesPerTurn {
            guard let row = DeadlineTable.first(in: turn.store), row.deadline <= turn.now else { break }
            DeadlineTable.remove(row, in: turn.store)
            guard let (slot, index) = place(of: row.lane, turn), let lane = links[slot].lanes[index].row,
                let entries = links[slot].lanes[index].entries, row.place > lane.base + lane.acked
            else { continue }
            let number = row.place - lane.base
            guard let entry = EntryTable.entry(entries, number, in: turn.store), entry.state == .waiting,
                entry.deadline <= turn.now
            else { continue }
            if links[slot].isUp, number < links[slot].lanes[index].nextToSend {
                // It does not wait any more; the peer's answer or the end of the stream decides.
                let again = turn.now + Self.inFlightDelay
                DeadlineTable.put(.init(deadline: again, lane: row.lane, place: row.place), in: turn.store)
                continue
            }
            loadEmptied(slot, index, number, turn)
            if links[slot].lanes[index].wasAcknowledged(number) {
                voidInSilence(entries, number, entry, turn)
                noteCountChanged(slot, turn)
                continue
            }
            void(entries, number, entry, wasSent: links[slot].lanes[index].mayHaveArrived(number, entry), turn)
            noteCountChanged(slot, turn)
            turn.note(.entryExpired(links[slot].pair, entry: "\(row.lane.value)/\(number)"))
        }
        scheduleEarlyExpiry(turn)
    }

    /// The link and the place in it of a lane.
    func place(of lane: LaneID, _ turn: Turn) -> (slot: LinkID, index: Int)? {
        let row = LaneTable.row(lane, in: turn.store)
        let pair = DomainPair(
            local: AddressTable.address(row.local, in: turn.store), peer: AddressTable.address(row.peer, in: turn.store))
        return links.id(of: pair).map { ($0, Int(row.laneClass.rawValue)) }
    }
}
