import MartletBus
import MartletPrimitives
import MartletStore
import XMPPStanzas

/// What was acknowledged is kept for a while, in case the peer's store goes back in time (`Docs/relay-protocol.md` S2). It waits for
/// nobody: it is an insurance, and the first to go when the disk is nearly full.
///
/// An acknowledgement removes nothing then; runs of entries (``KeptRun``) go together, in slices (``Federation/work(_:_:)``).
extension Federation {
    /// How much is kept for the peer of a link: something only for the offices that configuration names. Whoever stole the name of
    /// another domain would else be given what was delivered there before by saying that he has nothing.
    func keepLimit(_ slot: LinkID, _ turn: Turn) -> KeepLimit {
        let federation = turn.policy.federation
        return federation.knownPeers.contains(links[slot].pair.peer) ? federation.keep : KeepLimit(time: 0, bytes: 0)
    }

    /// Entries up to the lane's last acknowledged one were proven; `before` is the row from before that, and `carried` the size of
    /// those that this stream carried. Changes the row and writes nothing: it is part of the lazy write of the acknowledgement.
    mutating func keep(
        _ slot: LinkID, _ index: Int, since before: LaneRow, _ carried: (entries: Int, bytes: Int), by proof: EntryProof,
        _ turn: Turn
    ) {
        let limit = keepLimit(slot, turn)
        // Who proves by other means never says that something is missing.
        guard proof == .have, limit.keepsAnything, turn.admits(.note) else {
            links[slot].lanes[index].row?.keepNothing()
            links[slot].lanes[index].hasLeftovers = true
            return
        }
        var bytes = UInt64(carried.bytes)
        if let row = links[slot].lanes[index].row, let id = links[slot].lanes[index].id {
            let others = row.acked - before.acked - min(row.acked - before.acked, UInt64(carried.entries))
            if others > 0 { bytes += size(of: others, in: id, behind: before.ackedPlace, turn) }
        }
        links[slot].lanes[index].row?.keepAcknowledged(bytes, at: turn.now, limit)
    }

    /// Entries that are looked at to know how long those are that no stream of ours has carried.
    private static let sizesRead: UInt64 = 64

    /// How long entries are that another stream has carried, or a stick: a few are looked at and stand for the others.
    private func size(of count: UInt64, in lane: LaneID, behind place: UInt64, _ turn: Turn) -> UInt64 {
        let entries = LaneEntries(lane, base: 0)
        let looked = min(count, Self.sizesRead)
        var bytes: UInt64 = 0
        for number in place + 1...place + looked {
            guard let row = EntryTable.entry(entries, number, in: turn.store), row.logSequence != 0 else { continue }
            bytes += UInt64(StanzaLog.size(row.logSequence, in: turn.store))
        }
        return bytes / looked * count
    }

    /// What is too old or too much goes, the oldest first.
    mutating func trim(_ slot: LinkID, _ turn: Turn) {
        let limit = keepLimit(slot, turn)
        var changed: [Int] = []
        while let index = oldestKept(slot), isOver(slot, index, limit, turn) {
            links[slot].lanes[index].row?.dropOldestRun()
            links[slot].lanes[index].hasLeftovers = true
            if !changed.contains(index) { changed.append(index) }
        }
        for index in changed { writeTrimmed(slot, index, turn) }
        scheduleTrim(slot, limit, turn)
    }

    /// The lane of a link with the oldest kept run.
    private func oldestKept(_ slot: LinkID) -> Int? {
        var oldest: (index: Int, since: Instant)?
        for index in links[slot].lanes.indices {
            guard let since = links[slot].lanes[index].row?.kept.first?.since else { continue }
            if let found = oldest, found.since <= since { continue }
            oldest = (index, since)
        }
        return oldest?.index
    }

    private func isOver(_ slot: LinkID, _ index: Int, _ limit: KeepLimit, _ turn: Turn) -> Bool {
        guard limit.keepsAnything, turn.admits(.note), let end = links[slot].lanes[index].row?.keptUntil(limit) else {
            return true
        }
        return end <= turn.now || links[slot].lanes.reduce(0) { $0 + ($1.row?.keptBytes ?? 0) } > limit.bytes
    }

    private mutating func writeTrimmed(_ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, let row = links[slot].lanes[index].row else { return }
        turn.lazily { LaneTable.update(id, row, in: turn.store) }
        removeBehindFloor(slot, index, turn)
    }

    /// Sets the timer for the oldest run: also of a lane on which nothing is sent any more.
    private mutating func scheduleTrim(_ slot: LinkID, _ limit: KeepLimit, _ turn: Turn) {
        guard !links[slot].timers.trim, let index = oldestKept(slot), let end = links[slot].lanes[index].row?.keptUntil(limit)
        else { return }
        links[slot].timers.trim = true
        turn.schedule(.link(.trim(slot)), at: max(end, turn.now + 1))
    }

    /// The timer fired.
    mutating func trimDue(_ slot: LinkID, _ turn: Turn) {
        guard links.contains(slot) else { return }
        links[slot].timers.trim = false
        trim(slot, turn)
    }

    /// The limits changed, the disk's reserve was reached, or a process begins.
    public mutating func trimAll(_ turn: Turn) {
        for slot in links.ids { trim(slot, turn) }
    }
}
