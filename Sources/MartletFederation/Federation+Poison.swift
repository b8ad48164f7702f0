import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

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

    /// It is what servers say of stanzas that are too long (RFC 6120 §13.12).
    var isOverSize: Bool {
        if case .error(StreamError.Condition.policyViolation.rawValue) = self { true } else { false }
    }
}

/// Stanzas at which streams end (`Docs/relay-protocol.md` S7): without an end to it, one of them would come again for ever, and
/// nothing behind it would ever arrive.
extension Federation {
    /// Streams in a row that end over the same entry before it is taken aside: once may be chance, and the peer's next
    /// version may be better, but not while everybody waits. Where it was alone on the last of them and long enough to be the reason,
    /// twice is enough.
    private static let strikes = 3
    /// The same for a stanza that is too long.
    private static let strikesOfLength = 2
    /// The most that the relay's mark, a stamp and tags add to a stanza.
    static let markBytes = 1_536

    /// Conditions that say nothing about what was sent (RFC 6120 §4.9.3).
    private static let blameless: [StreamError.Condition] = [
        .systemShutdown, .reset, .connectionTimeout, .conflict, .seeOtherHost, .resourceConstraint, .hostGone, .hostUnknown,
        .notAuthorized, .remoteConnectionFailed,
    ]

    /// The stream of a link ends: the first entry of each lane that was not taken over is suspected, once for each stream, unless it may
    /// have been something beside the lanes. That is found out on the next one (``StreamSuspicion``).
    mutating func streamEnds(_ end: SuspiciousEnd, _ slot: LinkID, _ turn: Turn) {
        if case .error(let condition) = end, let known = StreamError.Condition(rawValue: condition),
            Self.blameless.contains(known)
        {
            return
        }
        guard !isShuttingDown, links[slot].stream?.isBlamed == false else { return }
        links[slot].stream?.isBlamed = true
        let besides = links[slot].stream?.besides.underWay ?? []
        let entries = links[slot].lanes.reduce(0) { $0 + $1.stanzasInFlight }
        let refused = links[slot].suspicion.streamEnded(
            besides: besides, isOverSize: end.isOverSize, at: turn.now)
        if let refused { turn.note(.senderRefused(links[slot].pair, sender: refused, reason: end.words)) }
        guard besides.isEmpty else { return }
        for index in links[slot].lanes.indices where links[slot].lanes[index].inFlight > 0 {
            let bytes = links[slot].lanes[index].bytesInFlight
            let mayBeTooLong =
                entries == 1 && end.isOverSize && bytes > max(StreamSuspicion.bornByAll, links[slot].suspicion.longestTaken)
            let strikes = links[slot].lanes[index].suspect()
            guard strikes >= (mayBeTooLong ? Self.strikesOfLength : Self.strikes) else { continue }
            holdPoison("\(strikes) streams ended over it; the last time \(end.words)", slot, index, turn)
            if mayBeTooLong { links[slot].suspicion.provedTooLong(bytes, at: turn.now) }
        }
    }

    private mutating func holdPoison(_ reason: String, _ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let entries = links[slot].lanes[index].entries, let row = links[slot].lanes[index].row,
            let entry = EntryTable.entry(entries, row.acked + 1, in: turn.store), entry.state == .waiting
        else { return }
        hold(entry, entries, row.acked + 1, slot, index, mayHaveArrived: true, reason, turn)
    }

    /// The entry is held for a human, a void takes its place, and what waits behind it goes on. Its sender is told.
    mutating func hold(
        _ entry: EntryRow, _ entries: LaneEntries, _ number: UInt64, _ slot: LinkID, _ index: Int, mayHaveArrived: Bool,
        _ reason: String, _ turn: Turn
    ) {
        var row = HeldRow(
            entry, lane: entries.lane, number: number, now: turn.now, mayHaveArrived: mayHaveArrived, reason: reason)
        // Nobody waits for an error; in the lanes are messages and what people say about subscriptions.
        row.isUntold = StanzaLog.stanza(entry.logSequence, in: turn.store)?.stanza.isError == false
        let place = HeldTable.insert(row, in: turn.store)
        if row.isUntold { tellLater(place, slot, turn) }
        var entry = entry
        entry.logSequence = 0
        entry.state = .void
        EntryTable.put(entries, number, entry, in: turn.store)
        loadEmptied(slot, index, number, turn)
        links[slot].held += 1
        links.touch(slot)
        turn.note(.entryHeld(links[slot].pair, entry: "\(entries.lane.value)/\(number)", reason: reason))
    }

    /// An entry is not sent after all. Where it went to a Martlet before, nobody knows whether it has arrived, and released later it would
    /// arrive twice: it becomes a void, and its sender is told so. Every other one is held.
    mutating func takeOut(
        _ entry: EntryRow, _ entries: LaneEntries, _ number: UInt64, _ slot: LinkID, _ index: Int, _ reason: String,
        _ turn: Turn
    ) {
        // One that was held before may be held again, unless it was written under this number too.
        var fresh = entry
        fresh.mayHaveArrived = false
        let wasSent = links[slot].lanes[index].mayHaveArrived(number, fresh)
        guard wasSent, links[slot].isRelayed else {
            let mayHaveArrived = wasSent || entry.mayHaveArrived
            return hold(entry, entries, number, slot, index, mayHaveArrived: mayHaveArrived, reason, turn)
        }
        answer(entry, "Not confirmed, may have arrived; it is not sent again: \(reason)", turn)
        voidInSilence(entries, number, entry, turn)
        loadEmptied(slot, index, number, turn)
        noteCountChanged(slot, turn)
        turn.note(.entryRefused(links[slot].pair, entry: "\(entries.lane.value)/\(number)", reason: reason))
    }

    /// Why an entry is not sent to a peer; nil where nothing is against it.
    func objection(toSending stanza: Stanza, _ slot: LinkID, _ turn: Turn) -> String? {
        if let limit = links[slot].announcedBytes, stanza.objection(toMoreThan: limit, adding: Stanza.additions) != nil {
            return "the peer takes stanzas of \(limit) bytes at most, as it says"
        }
        if let limit = lengthLimit(slot, turn), isTooLong(stanza, limit, slot) {
            return "the peer ends streams over stanzas of \(limit) bytes"
        }
        return nil
    }

    /// Whether a stanza may reach the length over which a peer ends its streams, and is longer than what the peer has taken.
    func isTooLong(_ stanza: Stanza, _ limit: Int, _ slot: LinkID) -> Bool {
        stanza.objection(toMoreThan: limit - 1, adding: Self.markBytes) != nil
            && stanza.objection(toMoreThan: links[slot].suspicion.longestTaken, adding: 0) != nil
    }

    /// From which length on nothing is sent to a peer; nil where nothing was shown. COMPAT(Swift 6.3): of a copy, because without optimisation
    /// a method of a large part of a link that is yielded is called with one that was freed before (see ``Outbox``).
    func lengthLimit(_ slot: LinkID, _ turn: Turn) -> Int? {
        guard links[slot].suspicion.hasGrounds else { return nil }
        let suspicion = links[slot].suspicion
        return suspicion.limit(at: turn.now)
    }

    /// Whether what a sender says beside the lanes is refused for now.
    func refusesBeside(_ sender: JID, _ slot: LinkID, _ turn: Turn) -> Bool {
        guard links[slot].suspicion.hasGrounds else { return false }
        let suspicion = links[slot].suspicion
        return suspicion.refuses(sender, at: turn.now)
    }
}
