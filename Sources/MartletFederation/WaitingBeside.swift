import Collections
import MartletBus
import XMPPStanzas

/// Unnumbered stanzas that wait for the attempt under way: a login's worth of presence and queries. Owned by its ``PeerLink``.
///
/// Who asks a domain that answers nobody, and asks with long words, takes half of the room at most: others still ask beside him.
struct WaitingBeside {
    /// Bounds for the link: what a login of some hundred contacts says, at the size that presence and queries have.
    static let limit = Portions<Party>.Amount(count: 512, bytes: 1 << 20)

    private var stanzas: Deque<(stanza: Stanza, party: Party)> = []
    private var shares = Portions<Party>()

    /// Nothing waits.
    var isEmpty: Bool { stanzas.isEmpty }
    /// What waits.
    var count: Int { stanzas.count }
    /// The bytes that it takes.
    var bytes: Int { shares.total.bytes }

    /// Holds a stanza of that party; false where there is no room for it.
    mutating func hold(_ stanza: Stanza, of party: Party, _ turn: Turn) -> Bool {
        let bytes = stanza.memory
        guard shares.admits(bytes, for: party, of: Self.limit),
            turn.memory.admits(party, ceiling: turn.policy.limits.memoryCeiling)
        else { return false }
        shares.add(bytes, for: party)
        turn.memory.changed(by: bytes, for: party)
        stanzas.append((stanza, party))
        return true
    }

    /// Gives the first one back.
    mutating func takeFirst(_ turn: Turn) -> Stanza? {
        guard let (stanza, party) = stanzas.popFirst() else { return nil }
        turn.memory.changed(by: -stanza.memory, for: party)
        shares.remove(stanza.memory, for: party)
        return stanza
    }

    /// Gives everything back, in order.
    mutating func takeAll(_ turn: Turn) -> [Stanza] {
        for (stanza, party) in stanzas { turn.memory.changed(by: -stanza.memory, for: party) }
        defer {
            stanzas = []
            shares = Portions()
        }
        return stanzas.map(\.stanza)
    }
}
