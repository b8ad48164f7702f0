/// How much of something that is shared may be had at a time by each group of parties, and by each party: attempts, lookups,
/// connections, pieces of work.
///
/// Each group has a *reserved* part that no other group can take, and a bound on what it may have at *most*; what is reserved for nobody
/// goes to whoever asks first. Within its group one party gets no more than is left for the others: alone it ends at half of
/// what there is, two at a third each, without a number for each party. Many parties together can take all of it; then it is for
/// the owner to have somebody wait (``FairLine``) or give way (``pass(from:to:of:)``).
///
/// What was taken is given back by the same group and party, in any order. A core: no clock, and dictionaries for look-up only.
public struct Shares<Group: RawRepresentable & CaseIterable & Sendable, Owner: Hashable & Sendable>: Sendable
where Group.RawValue == UInt8 {
    /// What one group may have.
    public struct Part: Sendable, Equatable {
        /// So much nobody else can take.
        public var reserved: Int
        /// And more than this it never has.
        public var most: Int

        /// A part.
        public init(reserved: Int, most: Int) {
            self.reserved = reserved
            self.most = most
        }
    }

    /// Somebody in a group: who is known to be more than he was counted as holds something in two.
    private struct Holder: Hashable, Sendable {
        var group: UInt8
        var owner: Owner
    }

    /// What there is in all.
    public let total: Int
    private var parts: [Part] = []
    private var counts: [Int] = []
    /// Look-up only.
    private var held: [Holder: Int] = [:]

    /// `total` of something, divided as `part` says; what is reserved must be there.
    public init(total: Int, part: (Group) -> Part) {
        self.total = total
        for group in Group.allCases {
            require(Int(group.rawValue) == parts.count, "the groups count from 0")
            let part = part(group)
            require(part.reserved <= part.most, "a group may have what is reserved for it")
            parts.append(part)
            counts.append(0)
        }
        require(parts.reduce(0) { $0 + $1.reserved } <= total, "no more is reserved than there is")
    }

    /// What the group could take now, all its parties together.
    public func left(for group: Group) -> Int {
        let index = Int(group.rawValue)
        var common = total
        for (other, part) in parts.enumerated() { common -= max(counts[other], part.reserved) }
        let own = max(0, parts[index].reserved - counts[index])
        return max(0, min(parts[index].most - counts[index], own + common))
    }

    /// Whether `owner` could take one now.
    public func admits(_ owner: Owner, of group: Group) -> Bool { held(by: owner, of: group) < left(for: group) }

    /// Takes one; false where there is none left for the group, or for this party in it.
    public mutating func take(_ owner: Owner, of group: Group) -> Bool {
        guard admits(owner, of: group) else { return false }
        counts[Int(group.rawValue)] += 1
        held[Holder(group: group.rawValue, owner: owner), default: 0] += 1
        return true
    }

    /// Gives back one that was taken.
    public mutating func giveBack(_ owner: Owner, of group: Group) {
        let holder = Holder(group: group.rawValue, owner: owner)
        guard let count = held[holder] else { ourFault("what is given back was taken") }
        held[holder] = count > 1 ? count - 1 : nil
        counts[Int(group.rawValue)] -= 1
    }

    /// One that `owner` has is `other`'s from now on, whatever that one has already: for whoever decides who gives way to whom.
    public mutating func pass(from owner: Owner, to other: Owner, of group: Group) {
        giveBack(owner, of: group)
        counts[Int(group.rawValue)] += 1
        held[Holder(group: group.rawValue, owner: other), default: 0] += 1
    }

    /// What one party has.
    public func held(by owner: Owner, of group: Group) -> Int { held[Holder(group: group.rawValue, owner: owner)] ?? 0 }

    /// What the parties of a group have.
    public func taken(by group: Group) -> Int { counts[Int(group.rawValue)] }

    /// What everybody has.
    public var taken: Int { counts.reduce(0, +) }
    /// How many parties have something.
    public var holders: Int { held.count }
}
