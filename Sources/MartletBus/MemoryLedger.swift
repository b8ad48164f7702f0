import XMPPAddress
import XMPPStanzas

/// One account of what waits in the process's memory, by whom it belongs to: who has caused it, or whose reader does not take it.
///
/// Everything that holds stanzas for later says here what it holds, in bytes and for whom. Below the ceiling nobody is refused for what
/// others hold. At the ceiling whoever holds most is refused first, and gives up first what can be had again (``LimitsPolicy/memoryCeiling``):
/// a part of the site that is about to hold more asks ``admits(_:ceiling:)``.
///
/// Owned by the site's driver; each turn has it while it lasts.
public struct MemoryLedger: Sendable {
    /// Somebody who holds something.
    public struct Holder: Sendable, Equatable {
        /// Who.
        public var party: Party
        /// How much.
        public var bytes: Int
    }

    /// What all hold.
    public private(set) var total = 0
    private var holders: [Holder] = []
    /// Look-up only.
    private var places: [Party: Int] = [:]

    /// Nobody holds anything.
    public init() {}

    /// What one holds.
    public func bytes(of party: Party) -> Int { places[party].map { holders[$0].bytes } ?? 0 }

    /// One holds so much more, or less, than before.
    public mutating func changed(by bytes: Int, for party: Party) {
        guard bytes != 0 else { return }
        guard let place = places[party] else {
            guard bytes > 0 else { return }
            places[party] = holders.count
            holders.append(Holder(party: party, bytes: bytes))
            total += bytes
            return
        }
        let before = holders[place].bytes
        let now = max(0, before + bytes)
        total += now - before
        holders[place].bytes = now
        if now == 0 { remove(place) }
    }

    /// Whether one may hold more. At the ceiling those may not who hold at least half of what the largest holds.
    public func admits(_ party: Party, ceiling: Int) -> Bool {
        guard total >= ceiling else { return true }
        let most = holders.reduce(0) { max($0, $1.bytes) }
        return 2 * bytes(of: party) < most
    }

    /// Who holds most, at most so many, the largest first.
    public func largest(_ count: Int) -> [Holder] {
        Array(holders.sorted { $0.bytes > $1.bytes }.prefix(count))
    }

    /// The last one takes the place of one who holds nothing any more.
    private mutating func remove(_ place: Int) {
        places[holders[place].party] = nil
        let last = holders.removeLast()
        guard place < holders.count else { return }
        holders[place] = last
        places[last.party] = place
    }
}

extension Stanza {
    /// What it takes in memory, about: its content, its id, and addresses and boxes at their usual size.
    public var memory: Int { content.count + (id?.utf8.count ?? 0) + 512 }
}

extension JID {
    /// The bytes of its parts.
    public var bytes: Int { (localpart?.utf8.count ?? 0) + domainpart.utf8.count + (resourcepart?.utf8.count ?? 0) }
}
