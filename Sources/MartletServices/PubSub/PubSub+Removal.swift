import MartletBus
import MartletPrimitives
import MartletStore
import XMPPStanzas

/// What leaves nodes in slices: everything of one that was deleted, what was purged, what is too much, and what was to go by itself.
extension PubSub {
    /// Rows of a node are to be removed.
    mutating func addSweep(_ node: NodeNumber, _ owner: AddressNumber, _ turn: Turn) {
        PubSubNodeTable.noteSweep(node, in: turn.store)
        jobs.add(.sweep(node), of: owner)
        scheduleWork(turn)
    }

    /// One slice. True if nothing is left to be removed.
    func sweep(_ node: NodeNumber, _ slice: inout NewsSlice, _ turn: Turn) -> Bool {
        guard let row = PubSubNodeTable.row(node, in: turn.store) else {
            PubSubNodeTable.forgetSweep(node, in: turn.store)
            return true
        }
        let end = row.isDeleted ? UInt64.max : row.removedUpTo
        while let first = PubSubItemTable.first(node, from: 0, in: turn.store), first.place <= end {
            guard !slice.isSpent else { return false }
            slice.remove()
            PubSubItemTable.remove(node, first.place, first.row, in: turn.store)
        }
        if row.isDeleted {
            while !slice.isSpent {
                slice.remove()
                guard PubSubMemberTable.removeFirst(node, of: row.owner, in: turn.store) else {
                    PubSubNodeTable.remove(node, in: turn.store)
                    PubSubNodeTable.forgetSweep(node, in: turn.store)
                    return true
                }
            }
            return false
        }
        return trim(node, row, &slice, turn)
    }

    /// A node has more items than its configuration allows.
    private func trim(_ number: NodeNumber, _ row: NodeRow, _ slice: inout NewsSlice, _ turn: Turn) -> Bool {
        var node = Node(number: number, row: row, affiliation: .none)
        var owner = PubSubNodeTable.owner(row.owner, in: turn.store)
        let most = row.configuration.mostItems(turn.policy.pubsub)
        while node.row.items > most, !slice.isSpent,
            let first = PubSubItemTable.first(number, from: row.removedUpTo + 1, in: turn.store)
        {
            slice.remove()
            remove(first.row, at: first.place, of: &node, &owner, turn)
        }
        if node.row != row {
            PubSubNodeTable.put(number, node.row, in: turn.store)
            PubSubNodeTable.put(row.owner, owner, in: turn.store)
        }
        guard node.row.items <= most else { return false }
        PubSubNodeTable.forgetSweep(number, in: turn.store)
        return true
    }

    /// The item that gets the next place goes by itself (§16.4.4, `item_expire`).
    mutating func expire(_ node: Node, _ turn: Turn) {
        let lifetime = node.configuration.itemLifetime
        guard lifetime > 0, lifetime != NodeConfiguration.unbounded else { return }
        PubSubItemTable.expire(node.number, node.row.nextPlace, at: turn.now + Int64(lifetime) * 1000, in: turn.store)
        scheduleExpiry(turn)
    }

    /// Sees to it that the next item that is to go does.
    mutating func scheduleExpiry(_ turn: Turn) {
        guard let first = PubSubItemTable.firstExpiry(in: turn.store) else { return }
        if let nextExpiry, nextExpiry <= first.deadline { return }
        nextExpiry = first.deadline
        turn.schedule(.pubsub(.expiry), at: first.deadline)
    }

    /// Some items may have to go.
    mutating func expiryDue(_ turn: Turn) {
        var slice = NewsSlice()
        while !slice.isSpent, let first = PubSubItemTable.firstExpiry(in: turn.store), first.deadline <= turn.now {
            slice.remove()
            PubSubItemTable.forgetExpiry(first.key, in: turn.store)
            guard let row = PubSubNodeTable.row(first.node, in: turn.store), !row.isDeleted, first.place > row.removedUpTo,
                let item = PubSubItemTable.row(first.node, first.place, in: turn.store)
            else { continue }
            var node = Node(number: first.node, row: row, affiliation: .none)
            var owner = PubSubNodeTable.owner(row.owner, in: turn.store)
            remove(item, at: first.place, of: &node, &owner, turn)
            PubSubNodeTable.put(first.node, node.row, in: turn.store)
            PubSubNodeTable.put(row.owner, owner, in: turn.store)
        }
        nextExpiry = nil
        scheduleExpiry(turn)
    }
}
