import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress

/// What is too large for one turn is done in slices: whoever waits for something else never waits for a whole queue.
///
/// A slice leaves everything as a restart may find it, and the next one goes on where the store says.
extension Federation {
    /// Entries that one slice touches: a few milliseconds.
    static let entriesPerSlice = 512
    /// Milliseconds between two slices.
    private static let pause: Int64 = 20

    /// The next slice comes soon.
    mutating func continueLater(_ slot: LinkID, _ turn: Turn) {
        guard !links[slot].timers.work else { return }
        links[slot].timers.work = true
        turn.schedule(.link(.work(slot)), after: Self.pause)
    }

    /// The timer fired.
    mutating func work(_ slot: LinkID, _ turn: Turn) {
        guard links.contains(slot) else { return }
        links[slot].timers.work = false
        for index in links[slot].lanes.indices {
            removeBehindFloor(slot, index, turn)
            carryOut(slot, index, turn)
            continueLoad(slot, index, turn)
        }
        links.touch(slot)
    }

    /// Removes acknowledged entries that are not kept any more. A crash may bring them back: the peer says again what it has.
    mutating func removeBehindFloor(_ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, let row = links[slot].lanes[index].row,
            links[slot].lanes[index].hasLeftovers
        else { return }
        turn.lazily {
            let removed = EntryTable.removeFirst(
                Self.entriesPerSlice, of: LaneEntries(id, base: 0), before: row.floor + 1, in: turn.store)
            links[slot].lanes[index].hasLeftovers = removed == Self.entriesPerSlice
        }
        if links[slot].lanes[index].hasLeftovers { continueLater(slot, turn) }
    }

    /// After a start: goes on where the process before has ended.
    mutating func findLeftovers(_ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, let row = links[slot].lanes[index].row else { return }
        let entries = LaneEntries(id, base: 0)
        links[slot].lanes[index].hasLeftovers = EntryTable.hasEntries(entries, before: row.floor + 1, in: turn.store)
        if links[slot].lanes[index].hasLeftovers || row.stop?.decision != nil { continueLater(slot, turn) }
    }
}
