import MartletBus
import MartletStore
import XMPPAddress
import XMPPStreams

/// Who is available, and what they want news of: resources of our accounts, and of their contacts elsewhere, as far as they say what they
/// can. Each stands here once, with the accounts that hear of it.
struct Entities {
    /// A resource.
    struct Entry {
        let jid: JID
        /// The number of its bare JID.
        let number: AddressNumber
        /// What it can.
        var capability: CapabilityPlace
        /// The accounts that were told that it is available, and in which life of the line to there; empty for our own.
        var viewers: [Viewer] = []
        let isOurs: Bool

        var bytes: Int { jid.bytes + 160 + viewers.count * 16 }
    }

    struct Viewer {
        let account: AddressNumber
        var life: UInt64
    }

    /// The line between two domains: in which life it is, and up to which one everybody was told that nobody is there.
    private struct Line {
        var life: UInt64 = 0
        var cut: UInt64 = 0
    }

    private var entries: [Entry?] = []
    private var free: [Int] = []
    /// Look-up only.
    private var places: [JID: Int] = [:]
    /// By the number of the bare JID. Look-up only.
    private var byNumber: [AddressNumber: [Int]] = [:]
    /// Look-up only.
    private var lines: [DomainPair: Line] = [:]

    /// How many are known.
    var count: Int { places.count }

    /// The resources of a bare JID that an account may send news to; of its own those that there are.
    func resources(of number: AddressNumber, seenBy account: AccountName) -> [(jid: JID, capability: CapabilityPlace)] {
        guard let all = byNumber[number] else { return [] }
        var found: [(jid: JID, capability: CapabilityPlace)] = []
        for place in all {
            guard let entry = entries[place] else { continue }
            if !entry.isOurs {
                guard let viewer = entry.viewers.first(where: { $0.account == account.number }),
                    viewer.life >= line(account.jid, entry.jid).cut
                else { continue }
            }
            found.append((entry.jid, entry.capability))
        }
        return found
    }

    /// Whether somebody is there.
    func isThere(_ jid: JID) -> Bool { places[jid] != nil }

    /// A resource of ours is there.
    mutating func ours(_ jid: JID, _ number: AddressNumber, _ capability: CapabilityPlace) -> CapabilityPlace? {
        if let place = places[jid] {
            let before = entries[place]?.capability
            entries[place]?.capability = capability
            return before
        }
        _ = insert(Entry(jid: jid, number: number, capability: capability, isOurs: true))
        return nil
    }

    /// What one more viewer was told of somebody elsewhere.
    enum Heard { case nothingNew, news(before: CapabilityPlace?), refused }

    /// An account was told that somebody elsewhere is available.
    mutating func heard(
        _ jid: JID, _ number: AddressNumber, _ capability: CapabilityPlace, by account: AccountName, _ turn: Turn
    ) -> Heard {
        let life = line(account.jid, jid).life
        let party = Party.peer(jid.domain)
        guard let place = places[jid] else {
            var entry = Entry(jid: jid, number: number, capability: capability, isOurs: false)
            entry.viewers = [Viewer(account: account.number, life: life)]
            guard byNumber[number]?.count ?? 0 < PubSubLimits.resources, Self.isWelcome(party, jid, turn) else {
                return .refused
            }
            turn.memory.changed(by: entry.bytes, for: party)
            _ = insert(entry)
            return .news(before: nil)
        }
        guard var entry = entries[place] else { return .refused }
        let before = entry.capability
        entry.capability = capability
        if let index = entry.viewers.firstIndex(where: { $0.account == account.number }) {
            let isKnown = entry.viewers[index].life == life && before == capability
            entry.viewers[index].life = life
            entries[place] = entry
            return isKnown ? .nothingNew : .news(before: before)
        }
        guard Self.isWelcome(party, jid, turn) else { return .refused }
        turn.memory.changed(by: 16, for: party)
        entry.viewers.append(Viewer(account: account.number, life: life))
        entries[place] = entry
        return .news(before: before)
    }

    /// Somebody elsewhere is gone, as an account was told. Gives what it could if nobody sees it any more.
    mutating func left(_ jid: JID, seenBy account: AddressNumber, _ turn: Turn) -> CapabilityPlace? {
        guard let place = places[jid], var entry = entries[place], !entry.isOurs,
            let index = entry.viewers.firstIndex(where: { $0.account == account })
        else { return nil }
        turn.memory.changed(by: -16, for: .peer(jid.domain))
        entry.viewers.remove(at: index)
        entries[place] = entry
        if !entry.viewers.isEmpty { return nil }
        turn.memory.changed(by: -entry.bytes, for: .peer(jid.domain))
        remove(place, entry)
        return entry.capability
    }

    /// All resources of a bare address elsewhere, for a presence that names none of them.
    func resources(of bare: JID, _ number: AddressNumber) -> [JID] {
        (byNumber[number] ?? []).compactMap { entries[$0]?.jid }
    }

    /// A resource of ours is gone. Gives what it could.
    mutating func oursLeft(_ jid: JID) -> CapabilityPlace? {
        guard let place = places[jid], let entry = entries[place], entry.isOurs else { return nil }
        remove(place, entry)
        return entry.capability
    }

    /// An account is gone; what it was told stays until it is told otherwise, since nobody reads it.
    mutating func forget(viewer: AddressNumber) {
        for place in byNumber[viewer] ?? [] {
            if let entry = entries[place], entry.isOurs { remove(place, entry) }
        }
    }

    /// A line went down: what is said on it when it is up again is news.
    mutating func lineLost(_ pair: DomainPair) { lines[pair, default: Line()].life += 1 }

    /// It was down for so long that nobody there counts as available.
    mutating func lineCut(_ pair: DomainPair) { if let line = lines[pair] { lines[pair]?.cut = line.life } }

    private func line(_ ours: JID, _ theirs: JID) -> Line {
        if lines.isEmpty { return Line() }
        return lines[DomainPair(local: ours.domain, peer: theirs.domain)] ?? Line()
    }

    private static func isWelcome(_ party: Party, _ jid: JID, _ turn: Turn) -> Bool {
        guard turn.memory.admits(party, ceiling: turn.policy.limits.memoryCeiling) else { return false }
        return turn.memory.bytes(of: party) < PubSubLimits.bytesPerPeer || turn.policy.isOffice(jid.domainpart)
    }

    private mutating func insert(_ entry: Entry) -> Int {
        let place: Int
        if let last = free.popLast() {
            place = last
            entries[place] = entry
        } else {
            place = entries.count
            entries.append(entry)
        }
        places[entry.jid] = place
        byNumber[entry.number, default: []].append(place)
        return place
    }

    private mutating func remove(_ place: Int, _ entry: Entry) {
        entries[place] = nil
        free.append(place)
        places[entry.jid] = nil
        byNumber[entry.number]?.removeAll { $0 == place }
        if byNumber[entry.number]?.isEmpty == true { byNumber[entry.number] = nil }
    }
}
