import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// A stream on which another server sends us stanzas: one that it opened and on which at least one pair of domains was asked
/// for, or (XEP-0288) one that we opened. It may be what carries a link at the same time.
struct InboundStream {
    /// Pairs proven on this stream.
    var pairs: [DomainPair] = []
    /// It is a component's, with its domain: it may speak for everybody there, to anybody.
    var component: JID?
    /// We opened it, for our link.
    var isOurs = false
    /// Numbers were dropped on it below the disk reserve: with any answer the peer would believe that it lost none.
    var isDeaf = false
    /// XEP-0198 is enabled for what the peer sends.
    var isManaged = false
    /// Stanzas taken over since then, modulo 2³².
    var handled: UInt32 = 0
    /// Numbers in a row that left a gap; three end the stream (`Docs/relay-protocol.md` R1).
    var gaps = 0
    /// From then on, what is heard here ends the pause of a link with one of its pairs.
    var wakesAt: Instant?
    /// Dialback keys that came here and are being verified, or wait for it.
    var verifications: [DialID] = []

    /// How the peer's clock stands to ours.
    var clock = PeerClock()
    /// The last moment of acceptance that a mark has told; what follows without one was accepted within ``PeerClock/grain`` after it.
    var toldMoment: WallTime?

    /// Pairs that may be proven on one stream: a host of many domains opens another one for the next. Each stanza looks for its own.
    static let pairLimit = 64
    /// So many gaps in a row end the stream.
    static let gapLimit = 3
}

/// What a number of a lane carries.
enum NumberedContent {
    /// A stanza to be delivered.
    case stanza(Stanza)
    /// A stanza that cannot be delivered: counted and answered (`Docs/relay-protocol.md` R3).
    case refused(Stanza, StanzaError)
    /// Nothing: the entry expired or was cancelled.
    case void
}

/// An incoming lane.
struct IncomingLane: Hashable {
    /// Whose lane: `peer` sends on it.
    var pair: DomainPair
    /// Which of them.
    var laneClass: LaneClass
}

/// What we have of an incoming lane, as in the store, and whether `<have/>` is due at the end of the batch.
struct HaveState {
    /// The number of the peer's address; nil while the store has none.
    var peer: AddressNumber?
    /// The number of our address; nil while the store has none.
    var local: AddressNumber?
    /// How far the lane has come; nil while nothing is known.
    var row: HaveRow?
    /// A `<have/>` is due at the end of the batch.
    var isDue = false
    /// The row is to be written at the end of the batch.
    var isUnwritten = false
    /// A numbering that the peer uses again although we have seen its end: said with the next have.
    var ended: Epoch?

    /// What a numbered entry means here (`Docs/relay-protocol.md` R1).
    enum Verdict: Equatable {
        /// The next one.
        case next
        /// The first of a new numbering; `replacing` if another existed.
        case first(replacing: Bool)
        /// Here already.
        case duplicate
        /// The peer uses a numbering again that it has replaced: its store went back in time.
        case ended
        /// Something before it is missing.
        case gap(expected: UInt64)
    }

    /// The rule for an entry with this mark.
    func verdict(on mark: RelayMark) -> Verdict {
        let isFirst = mark.number == 1
        guard let row else { return isFirst && mark.after == nil ? .first(replacing: false) : .gap(expected: 1) }
        let follows = mark.after == row.tag
        if mark.epoch == row.epoch {
            if mark.number <= row.number { return .duplicate }
            // With the right number behind another entry than ours, the origin went back in time: it learns it from our have.
            return mark.number == row.number + 1 && follows ? .next : .gap(expected: row.number + 1)
        }
        // Late bytes of an old socket must not bring an ended numbering back; they do not know what we have now.
        if row.retired.contains(mark.epoch) { return isFirst && follows ? .ended : .duplicate }
        return isFirst && follows ? .first(replacing: true) : .gap(expected: 1)
    }

    /// Records that the entry was taken over.
    mutating func took(_ mark: RelayMark) {
        if row == nil {
            row = HaveRow(epoch: mark.epoch, number: mark.number, tag: mark.tag)
        } else {
            row!.took(mark.epoch, mark.number, tag: mark.tag)
        }
    }
}
