import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas

/// How much waits on each link, in bytes and by sender, so that a queue is bounded and nobody fills it alone. Kept as entries come and go;
/// after a start it is counted in slices.
extension Federation {
    /// What may wait on a link.
    private func loadLimit(_ slot: LinkID, _ turn: Turn) -> Portions<UInt32>.Amount {
        let federation = turn.policy.federation
        let isOffice = federation.knownPeers.contains(links[slot].pair.peer)
        // Each takes something, so that the number is bounded with the bytes.
        return Portions.Amount(count: .max / 2, bytes: isOffice ? federation.officeQueueBytes : federation.queueBytes)
    }

    /// What an entry takes: the stanza, and as much as the rows around it usually have.
    private func item(_ sender: JID?, bytes: Int, _ turn: Turn) -> LaneItems.Item {
        let mark = sender.map { UInt32(truncatingIfNeeded: senders.mark(of: $0, turn)) } ?? 0
        return LaneItems.Item(sender: mark, bytes: UInt32(clamping: bytes + 256))
    }

    /// Room in the queue of a link for a stanza: what it takes, or nil where that is more than its sender's share.
    mutating func roomTaken(by stanza: Stanza, _ slot: LinkID, _ turn: Turn) -> LaneItems.Item? {
        let item = item(stanza.from, bytes: stanza.content.count, turn)
        let limit = loadLimit(slot, turn)
        let lanes = links[slot].lanes
        let isTaken = links[slot].load.addIfAdmitted(Int(item.bytes), for: item.sender, of: limit) {
            var shares = Portions<UInt32>()
            for lane in lanes {
                for item in lane.items.all where item.bytes > 0 { shares.add(Int(item.bytes), for: item.sender) }
            }
            return shares
        }
        return isTaken ? item : nil
    }

    /// Entries of a lane are acknowledged, or gone in another way.
    mutating func loadSettled(_ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let place = links[slot].lanes[index].row?.ackedPlace else { return }
        let gone = links[slot].lanes[index].items.settle(upTo: place)
        if !gone.isEmpty { take(gone, off: slot, turn) }
    }

    /// Room for a stanza that was taken before, or that nobody could be told is refused, whatever there is.
    mutating func takeRoom(for stanza: Stanza, _ slot: LinkID, _ turn: Turn) -> LaneItems.Item {
        let item = item(stanza.from, bytes: stanza.content.count, turn)
        links[slot].load.add(Int(item.bytes), for: item.sender)
        return item
    }

    /// An entry of a lane became a void.
    mutating func loadEmptied(_ slot: LinkID, _ index: Int, _ number: UInt64, _ turn: Turn) {
        guard let base = links[slot].lanes[index].row?.base else { return }
        if let item = links[slot].lanes[index].items.emptied(base + number) { take([item], off: slot, turn) }
    }

    private mutating func take(_ items: some Sequence<LaneItems.Item>, off slot: LinkID, _ turn: Turn) {
        let limit = loadLimit(slot, turn)
        for item in items where item.bytes > 0 { links[slot].load.remove(Int(item.bytes), for: item.sender, of: limit) }
    }

    /// A lane was found in the store, or what was acknowledged waits again: it is counted anew.
    mutating func countLoad(_ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let row = links[slot].lanes[index].row else { return }
        take(links[slot].lanes[index].items.reset(row), off: slot, turn)
        if links[slot].lanes[index].items.uncounted != nil { continueLater(slot, turn) }
    }

    /// The next slice.
    mutating func continueLoad(_ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let lane = links[slot].lanes[index].id else { return }
        for _ in 0..<Self.entriesPerSlice {
            guard let place = links[slot].lanes[index].items.uncounted else { return }
            var found = LaneItems.Item.none
            let entry = EntryTable.entry(LaneEntries(lane, base: 0), place, in: turn.store)
            if let entry, entry.state == .waiting, let head = StanzaLog.head(entry.logSequence, in: turn.store) {
                found = item(head.sender, bytes: head.bytes, turn)
                links[slot].load.add(Int(found.bytes), for: found.sender)
            }
            links[slot].lanes[index].items.counted(found)
        }
        continueLater(slot, turn)
    }
}
