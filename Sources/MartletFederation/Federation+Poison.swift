import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Stanzas at which a peer ends the stream (`Docs/relay-protocol.md` S7): without an end to it, one of them would come again
/// for ever, and nothing behind it would ever arrive.
extension Federation {
    /// Streams in a row that end over the same entry before it is taken aside: once may be chance, and the peer's next
    /// version may be better, but not while everybody waits.
    private static let strikes = 3

    /// Conditions that say nothing about what was sent (RFC 6120 §4.9.3).
    private static let blameless: [StreamError.Condition] = [
        .systemShutdown, .reset, .connectionTimeout, .conflict, .seeOtherHost, .resourceConstraint, .hostGone, .hostUnknown,
        .notAuthorized, .remoteConnectionFailed,
    ]

    /// The peer ended our stream with an error: the first entry that it did not take over is suspected.
    mutating func errorReceived(_ condition: String, _ slot: LinkID, _ turn: Turn) {
        if let known = StreamError.Condition(rawValue: condition), Self.blameless.contains(known) { return }
        for index in links[slot].lanes.indices where links[slot].lanes[index].inFlight > 0 {
            guard links[slot].lanes[index].suspect() >= Self.strikes else { continue }
            holdPoison(condition, slot, index, turn)
        }
    }

    /// The entry is held for a human, a void takes its place, and what waits behind it goes on.
    private mutating func holdPoison(_ condition: String, _ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, let entries = links[slot].lanes[index].entries,
            let row = links[slot].lanes[index].row,
            var entry = EntryTable.entry(entries, row.acked + 1, in: turn.store), entry.state == .waiting
        else { return }
        let number = row.acked + 1
        let reason = "the peer ended \(Self.strikes) streams over it, with \(condition)"
        HeldTable.insert(
            HeldRow(entry, lane: id, number: number, now: turn.now, mayHaveArrived: true, reason: reason), in: turn.store)
        entry.logSequence = 0
        entry.state = .void
        EntryTable.put(entries, number, entry, in: turn.store)
        links[slot].held += 1
        turn.note(.entryHeld(links[slot].pair, entry: "\(id.value)/\(number)", reason: reason))
    }
}
