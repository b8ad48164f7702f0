import MartletPrimitives
import MartletBus
import XMPPAddress
import XMPPStreams

/// The links of a site, each in its place for as long as the process lives: a ``LinkID`` once given stays valid, also inside
/// timers.
///
/// Owned by ``Federation``. What finds a link, by its pair or by the connection that carries it, is kept here together with
/// the links, so that it cannot say anything else than they do. Links are changed in place.
struct PeerLinks {
    private var list: [PeerLink] = []
    /// Look-up only.
    private var byPair: [DomainPair: LinkID] = [:]
    /// Which link each stream in use carries. Look-up only.
    private(set) var byConnection: [ConnectionID: LinkID] = [:]
    /// Links with something to ask for at the end of the batch.
    private(set) var touched: [LinkID] = []

    /// The link in that place.
    subscript(id: LinkID) -> PeerLink {
        _read { yield list[Int(id.slot)] }
        _modify { yield &list[Int(id.slot)] }
    }

    /// How many there are.
    var count: Int { byPair.count }

    /// Whether there is none.
    var isEmpty: Bool { byPair.isEmpty }

    /// Every link, in the order in which they were made, without those that were forgotten. An array is made for each call: commands, not stanzas, go through
    /// all of them.
    var ids: [LinkID] { list.indices.filter { !list[$0].isForgotten }.map { LinkID(slot: UInt32($0)) } }

    /// Entries on disk without acknowledgement, on all links.
    var waiting: UInt64 { list.reduce(0) { $0 + $1.waiting } }

    /// Whether a timer's link exists.
    func contains(_ id: LinkID) -> Bool { Int(id.slot) < list.count && !self[id].isForgotten }

    /// Whether nothing has happened since that makes a timer of `generation` stale.
    func isCurrent(_ id: LinkID, _ generation: UInt64) -> Bool { contains(id) && self[id].generation == generation }

    /// The link of a pair.
    func id(of pair: DomainPair) -> LinkID? { byPair[pair] }

    /// The link that a stream carries.
    func id(on connection: ConnectionID) -> LinkID? { byConnection[connection] }

    /// A link was made; its pair has none yet.
    mutating func added(_ link: PeerLink) -> LinkID {
        require(byPair[link.pair] == nil, "\(link.pair.peer) has a link already")
        let id = LinkID(slot: UInt32(list.count))
        list.append(link)
        byPair[link.pair] = id
        return id
    }

    /// Nobody needs a link any more, and nothing is known of its peer. Its place stays empty until the process ends: timers may still
    /// name it.
    mutating func forgotten(_ id: LinkID) {
        byPair[self[id].pair] = nil
        self[id].wasForgotten()
    }

    /// An authenticated stream carries a link from now on (``PeerLink/streamBegan(on:openedBy:at:foreign:)``).
    mutating func streamBegan(
        _ id: LinkID, on connection: ConnectionID, openedBy opener: LinkStream.Opener, at now: Instant,
        foreign: ForeignCarrier?
    ) {
        byConnection[connection] = id
        self[id].streamBegan(on: connection, openedBy: opener, at: now, foreign: foreign)
    }

    /// The stream that carried a link is gone (``PeerLink/streamLost()``); nil if none did.
    mutating func streamLost(_ id: LinkID) -> LostStream? {
        guard let lost = self[id].streamLost() else { return nil }
        byConnection[lost.connection] = nil
        return lost
    }

    /// Something happened on a link: at the end of the batch its windows are filled and acknowledgements asked for.
    mutating func touch(_ id: LinkID) {
        guard !self[id].isTouched else { return }
        self[id].isTouched = true
        touched.append(id)
    }

    /// A touched link was looked after. It stays in ``touched`` until all are.
    mutating func lookedAfter(_ id: LinkID) { self[id].isTouched = false }

    /// All touched links were looked after.
    mutating func lookedAfterAll() { touched.removeAll(keepingCapacity: true) }
}
