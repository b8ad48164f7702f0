/// Who waits for his share of something (``Shares``): the most trusted group first, within a group one of each party in turn.
///
/// Whoever asks for much waits behind himself. What is reserved for one group stays free while another waits. A core: the owner
/// calls ``next()`` whenever something was added or ended, until nothing comes.
public struct FairLine<Group: RawRepresentable & CaseIterable & Sendable, Owner: Hashable & Sendable, Item: Sendable>: Sendable
where Group.RawValue == UInt8 {
    /// Something whose turn it is. It has its share until ``ended(_:_:)``.
    public struct Turn: Sendable {
        /// For whom.
        public var owner: Owner
        /// In which group.
        public var group: Group
        /// What.
        public var item: Item
    }

    /// Those of a group who wait.
    private struct Waiting: Sendable {
        /// In the order of their turns.
        var owners = ShiftingArray<Owner>()
        /// Look-up only.
        var items: [Owner: ShiftingArray<Item>] = [:]
        var count = 0
    }

    /// Who has how much now.
    public private(set) var shares: Shares<Group, Owner>
    private var waiting: [Waiting]
    private let waitingPerOwner: Int
    private let waitingPerGroup: Int

    /// A line for `shares`. So many may wait for one party, and for a group.
    public init(_ shares: Shares<Group, Owner>, waitingPerOwner: Int, waitingPerGroup: Int) {
        self.shares = shares
        self.waitingPerOwner = waitingPerOwner
        self.waitingPerGroup = waitingPerGroup
        waiting = Group.allCases.map { _ in Waiting() }
    }

    /// Puts something in the line; false where too much waits already. Of a group's line, too, one party gets no more than is left
    /// for others.
    public mutating func add(_ item: Item, _ owner: Owner, of group: Group) -> Bool {
        let index = Int(group.rawValue)
        let own = waiting[index].items[owner]?.count ?? 0
        guard own < min(waitingPerOwner, waitingPerGroup - waiting[index].count) else { return false }
        if own == 0 { waiting[index].owners.append(owner) }
        waiting[index].items[owner, default: ShiftingArray()].append(item)
        waiting[index].count += 1
        return true
    }

    /// The next whose turn it is; nil where nobody waits, or nobody who does can have a share now. Who is not ready with the first that
    /// he asked for is passed over.
    public mutating func next(where isReady: (Owner, Item) -> Bool = { _, _ in true }) -> Turn? {
        for group in Group.allCases where waiting[Int(group.rawValue)].count > 0 {
            let index = Int(group.rawValue)
            // Each is looked at once: who has too much already is passed over.
            for _ in 0..<waiting[index].owners.count {
                guard shares.left(for: group) > 0, let owner = waiting[index].owners.popFirst() else { break }
                let isReady = waiting[index].items[owner]?.first.map { isReady(owner, $0) } ?? false
                if isReady, shares.take(owner, of: group) { return Turn(owner: owner, group: group, item: take(owner, index)) }
                waiting[index].owners.append(owner)
            }
        }
        return nil
    }

    /// The first of what waits for `owner`, who stands behind all others then.
    private mutating func take(_ owner: Owner, _ index: Int) -> Item {
        guard let item = waiting[index].items[owner]?.popFirst() else { ourFault("who stands in the line waits for something") }
        waiting[index].count -= 1
        if waiting[index].items[owner]?.isEmpty == true {
            waiting[index].items[owner] = nil
        } else {
            waiting[index].owners.append(owner)
        }
        return item
    }

    /// Something whose turn it was is over.
    public mutating func ended(_ owner: Owner, of group: Group) { shares.giveBack(owner, of: group) }

    /// What waits in all, in no particular order, and no longer does.
    public mutating func removeAll() -> [Item] {
        var items: [Item] = []
        for index in waiting.indices {
            while let owner = waiting[index].owners.popFirst() {
                while let item = waiting[index].items[owner]?.popFirst() { items.append(item) }
            }
            waiting[index] = Waiting()
        }
        return items
    }

    /// How much waits.
    public var count: Int { waiting.reduce(0) { $0 + $1.count } }
}
