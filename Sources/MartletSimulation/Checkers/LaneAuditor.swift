import XMPPStanzas

/// Holds what is on the wire and on the disks against `Docs/relay-protocol.md` §9: numbers never change their stanza, and
/// acked ≤ emitted have ≤ have ≤ assigned.
struct LaneAuditor {
    /// A numbering of a lane.
    struct Key: Hashable {
        var origin: Int
        var destination: Int
        var lane: LaneClass
        var epoch: Epoch
    }

    private struct Numbering {
        /// Index n - 1; nil where the number was not seen on the wire yet.
        var tags: [UInt64?] = []
        /// Numbers of which the destination saw two stanzas, one of them from before its origin went back and late: which one it
        /// took, it says itself.
        var open: Set<Int> = []
        var emitted: UInt64 = 0

        mutating func allOpen() { open = Set(tags.indices) }
    }

    private var numberings: [Key: Numbering] = [:]
    /// Sites whose store went back in time: their records contradict each other by right.
    private var rolledBack: Set<Int> = []
    private(set) var faults: [Fault] = []
    let names: [String]

    init(names: [String]) {
        self.names = names
    }

    mutating func rollback(_ site: Int) {
        rolledBack.insert(site)
        // What it had said that it has, it may have no more.
        for key in numberings.keys where key.destination == site {
            numberings[key]?.emitted = 0
            // Nor which of two stanzas it took that a store of the other side had given one number.
            numberings[key]?.allOpen()
        }
    }

    private func words(_ key: Key, _ number: UInt64) -> String {
        "\(names[key.origin]) → \(names[key.destination]) \(key.lane.name) \(number)"
    }

    /// A numbered stanza or void reached its destination. `assigned` is what the origin has committed; nil where that
    /// numbering is not the origin's any more.
    mutating func arrived(_ key: Key, _ mark: RelayMark, assigned: UInt64?) {
        let index = Int(mark.number) - 1
        guard index >= 0, index < 1_000_000 else { return faults.append(Fault(.lanesDisagree, words(key, mark.number))) }
        var numbering = numberings[key] ?? Numbering()
        while numbering.tags.count <= index { numbering.tags.append(nil) }
        // A number that reached its destination and was never on its disk is free again for a store that went back behind it:
        // nobody can tell, and nobody has to.
        let isFree = rolledBack.contains(key.origin) && mark.number > numbering.emitted
        if let tag = numbering.tags[index], tag != mark.tag, !isFree {
            faults.append(Fault(.numberChanged, words(key, mark.number)))
        }
        if let tag = numbering.tags[index], tag != mark.tag, isFree { numbering.open.insert(index) }
        numbering.tags[index] = mark.tag
        numberings[key] = numbering
        if let assigned, mark.number > assigned, !rolledBack.contains(key.origin) {
            faults.append(
                Fault(.lanesDisagree, "\(words(key, mark.number)) arrived, numbers were given up to \(assigned)"))
        }
    }

    /// A site lets `<have/>` out. `assigned` as above.
    mutating func emitted(_ key: Key, _ mark: RelayMark, assigned: UInt64?) {
        numberings[key, default: Numbering()].emitted = max(numberings[key]?.emitted ?? 0, mark.number)
        if let assigned, mark.number > assigned, !rolledBack.contains(key.origin) {
            faults.append(Fault(.lanesDisagree, "have \(words(key, mark.number)), numbers were given up to \(assigned)"))
        }
        let index = Int(mark.number) - 1
        if numberings[key]?.open.remove(index) != nil {
            numberings[key]?.tags[index] = mark.tag
            return
        }
        if let tags = numberings[key]?.tags, tags.indices.contains(index), let tag = tags[index], tag != mark.tag {
            faults.append(Fault(.numberChanged, "have \(words(key, mark.number))"))
        }
    }

    /// A site committed what it believes to be acknowledged.
    mutating func committed(_ key: Key, acked: UInt64) {
        let emitted = numberings[key]?.emitted ?? 0
        if acked > emitted, !rolledBack.contains(key.origin), !rolledBack.contains(key.destination) {
            faults.append(Fault(.lanesDisagree, "\(words(key, acked)) counts as acknowledged, the peer said \(emitted)"))
        }
    }
}
