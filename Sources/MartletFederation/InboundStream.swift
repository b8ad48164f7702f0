import MartletBus
import MartletStore
import XMPPStanzas
import XMPPStreams

/// A stream that another server opened to us and on which at least one pair of domains was asked for.
struct InboundStream {
    /// Pairs proven on this stream.
    var pairs: [DomainPair] = []
    /// The peer enabled XEP-0198 for what it sends.
    var isManaged = false
    /// Stanzas taken over since then, modulo 2³².
    var handled: UInt32 = 0
    /// Numbers in a row that left a gap; three end the stream (`Docs/relay-protocol.md` R1).
    var gaps = 0
    /// Entries were refused below the disk's reserve: only another stream brings them again.
    var hasRefused = false
    /// Dialback verifications under way.
    var pendingDialbacks = 0

    static let gapLimit = 3
}

/// An incoming lane.
struct IncomingLane: Hashable {
    var pair: DomainPair
    var laneClass: LaneClass
}

/// What we have of an incoming lane, as in the store, and whether `<have/>` is due at the end of the batch.
struct HaveState {
    var peer: AddressNumber?
    var local: AddressNumber?
    var row: HaveRow?
    var isDue = false

    /// What a numbered entry means here (`Docs/relay-protocol.md` R1).
    enum Verdict: Equatable {
        /// The next one.
        case next
        /// The first of a new numbering; `replacing` if another existed.
        case first(replacing: Bool)
        /// Here already.
        case duplicate
        /// Something before it is missing.
        case gap(expected: UInt64)
    }

    /// The rule for an entry with this mark.
    func verdict(on mark: RelayMark) -> Verdict {
        guard let row else { return mark.number == 1 ? .first(replacing: false) : .gap(expected: 1) }
        if mark.epoch == row.epoch {
            if mark.number == row.number + 1 { return .next }
            return mark.number <= row.number ? .duplicate : .gap(expected: row.number + 1)
        }
        // Late bytes of an old socket must not bring an ended numbering back.
        if row.retired.contains(mark.epoch) { return .duplicate }
        return mark.number == 1 ? .first(replacing: true) : .gap(expected: 1)
    }

    /// Records that the entry was taken over.
    mutating func took(_ mark: RelayMark) {
        guard var row else {
            return self.row = HaveRow(epoch: mark.epoch, number: mark.number, tag: mark.tag)
        }
        if row.epoch != mark.epoch {
            row.retired.append(row.epoch)
            row.retired = Array(row.retired.suffix(HaveRow.retiredLimit))
            row.epoch = mark.epoch
        }
        row.number = mark.number
        row.tag = mark.tag
        self.row = row
    }
}
