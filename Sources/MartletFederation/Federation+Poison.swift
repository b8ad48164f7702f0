import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// How a stream ended that may have been due to what was written to it. A connection that is lost, silence, a stream that is closed in
/// good order (also in answer to our own end of it) and whatever our site decided by itself say nothing about an entry.
enum SuspiciousEnd {
    /// The peer ended it with an error of this condition.
    case error(String)
    /// We ended it over what the peer said, perhaps in answer to an entry.
    case objection(String)

    /// For the operator, behind a number of streams.
    var words: String {
        switch self {
        case .error(let condition): "the peer ended it with \(condition)"
        case .objection(let words): "we ended it over what the peer sent: \(words)"
        }
    }
}

/// Stanzas at which streams end (`Docs/relay-protocol.md` S7): without an end to it, one of them would come again for ever, and
/// nothing behind it would ever arrive.
extension Federation {
    /// Streams in a row that end over the same entry before it is taken aside: once may be chance, and the peer's next
    /// version may be better, but not while everybody waits.
    private static let strikes = 3

    /// Conditions that say nothing about what was sent (RFC 6120 §4.9.3).
    private static let blameless: [StreamError.Condition] = [
        .systemShutdown, .reset, .connectionTimeout, .conflict, .seeOtherHost, .resourceConstraint, .hostGone, .hostUnknown,
        .notAuthorized, .remoteConnectionFailed,
    ]

    /// The stream of a link ends: the first entry of each lane that was not taken over is suspected, once for each stream.
    mutating func streamEnds(_ end: SuspiciousEnd, _ slot: LinkID, _ turn: Turn) {
        if case .error(let condition) = end, let known = StreamError.Condition(rawValue: condition),
            Self.blameless.contains(known)
        {
            return
        }
        guard !isShuttingDown, links[slot].stream?.isBlamed == false else { return }
        links[slot].stream?.isBlamed = true
        for index in links[slot].lanes.indices where links[slot].lanes[index].inFlight > 0 {
            guard links[slot].lanes[index].suspect() >= Self.strikes else { continue }
            holdPoison(end, slot, index, turn)
        }
    }

    /// The entry is held for a human, a void takes its place, and what waits behind it goes on.
    private mutating func holdPoison(_ end: SuspiciousEnd, _ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, let entries = links[slot].lanes[index].entries,
            let row = links[slot].lanes[index].row,
            var entry = EntryTable.entry(entries, row.acked + 1, in: turn.store), entry.state == .waiting
        else { return }
        let number = row.acked + 1
        let reason = "\(Self.strikes) streams ended over it; the last time \(end.words)"
        HeldTable.insert(
            HeldRow(entry, lane: id, number: number, now: turn.now, mayHaveArrived: true, reason: reason), in: turn.store)
        entry.logSequence = 0
        entry.state = .void
        EntryTable.put(entries, number, entry, in: turn.store)
        loadEmptied(slot, index, number, turn)
        links[slot].held += 1
        turn.note(.entryHeld(links[slot].pair, entry: "\(id.value)/\(number)", reason: reason))
    }
}
