import MartletBus
import XMPPStreams

/// What sessions know of peer domains: those whose links were up or tried since the start, each in its place for as long as the process
/// lives. Changed in place.
struct Peers {
    private var list: [PeerPresence] = []
    /// Look-up only.
    private var byPair: [DomainPair: PeerPlace] = [:]

    /// The peer in that place.
    subscript(_ place: PeerPlace) -> PeerPresence {
        _read { yield list[Int(place.slot)] }
        _modify { yield &list[Int(place.slot)] }
    }

    /// Whether a timer's peer exists.
    func contains(_ place: PeerPlace) -> Bool { Int(place.slot) < list.count }

    /// The place of a pair of domains, where there is one.
    func place(of pair: DomainPair) -> PeerPlace? { byPair[pair] }

    /// The place of a pair of domains, made if there is none.
    mutating func makePlace(of pair: DomainPair) -> PeerPlace {
        if let place = byPair[pair] { return place }
        let place = PeerPlace(slot: UInt32(list.count))
        list.append(PeerPresence(pair))
        byPair[pair] = place
        return place
    }
}
