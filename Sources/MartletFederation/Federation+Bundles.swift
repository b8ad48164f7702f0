import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Bundles: entries that travel on a stick instead of a stream. The number is in the stanza, so the stick is one carrier
/// more (`Docs/relay-protocol.md` §4): importing is R1 and may race a live link.
extension Federation {
    /// Bytes in one part: a turn is short.
    private static let partBytes = 256 << 10
    /// Entries in one part.
    private static let partEntries = 256

    /// What waits for `peer` behind `cursor`, from `local` where several domains of ours have a link with it and something waits on more
    /// than one. From now on it may have arrived, whatever becomes of the stick.
    public mutating func exportPart(
        _ peer: JID, from local: JID? = nil, after cursor: EntryName?, _ turn: Turn
    ) -> CommandAnswer {
        let slot: LinkID
        switch chosen(peer, from: local, among: { $0.waiting > 0 }) {
        case .success(let link): slot = link
        case .failure(let unknown): return .refused(unknown.words)
        }
        let pair = links[slot].pair
        var part = BundlePart(origin: pair.local.description, destination: pair.peer.description)
        var left = Self.partBytes
        var seen: EntryName?
        for index in links[slot].lanes.indices {
            guard let id = links[slot].lanes[index].id, let entries = links[slot].lanes[index].entries,
                var row = links[slot].lanes[index].row
            else { continue }
            if row.isStopped { return .refused("the lane to \(peer) is stopped: martlet link resync \(peer) comes first") }
            var first = row.acked + 1
            if let cursor {
                if id.value < cursor.lane { continue }
                if id.value == cursor.lane { first = max(first, cursor.number + 1) }
            }
            var last = first - 1
            var after = predecessor(of: first, entries, row, links[slot].lanes[index], turn)
            if first > row.assigned { continue }
            EntryTable.forEach(entries, from: first, in: turn.store) { number, entry in
                guard left > 0, part.records.count < Self.partEntries else {
                    part.next = seen
                    return false
                }
                let mark = RelayMark(
                    lane: row.laneClass, epoch: row.epoch, number: number, tag: entry.tag, after: after)
                after = entry.tag
                let record = record(entry, mark, pair, &part.stanzas, turn)
                left -= record.count
                part.records.append(record)
                last = number
                seen = EntryName(lane: id.value, number: number)
                return true
            }
            links[slot].lanes[index].carried(upTo: last)
            if last > row.offered {
                row.offered = last
                links[slot].lanes[index].row = row
                LaneTable.update(id, row, in: turn.store)
            }
            if part.next != nil { break }
        }
        if part.next == nil {
            let have = haveRecords(pair, turn)
            part.records += have
            turn.note(.queueChanged(pair, what: "exported", entries: part.stanzas))
        }
        return .bundle(part)
    }

    /// The tag that entry `number` has to name: of the entry before, or for the first one of what the peer has of a numbering
    /// before, as far as it has said so since the start.
    private func predecessor(
        of number: UInt64, _ entries: LaneEntries, _ row: LaneRow, _ lane: OutgoingLane, _ turn: Turn
    ) -> UInt64? {
        if number == 1 { return lane.replacedTag }
        return number - 1 == row.acked ? row.ackedTag : EntryTable.entry(entries, number - 1, in: turn.store)?.tag
    }

    private func record(
        _ entry: EntryRow, _ mark: RelayMark, _ pair: DomainPair, _ stanzas: inout Int, _ turn: Turn
    ) -> [UInt8] {
        guard entry.state == .waiting, let logged = StanzaLog.stanza(entry.logSequence, in: turn.store) else {
            return relayNonza("void", pair, mark)
        }
        stanzas += 1
        return logged.stanza.serialized(relayMark: mark, delay: (from: pair.local, stamp: logged.acceptedAt))
    }

    /// What we have of the peer's lanes: for the peer, on the way back.
    private mutating func haveRecords(_ pair: DomainPair, _ turn: Turn) -> [[UInt8]] {
        var records: [[UInt8]] = []
        for laneClass in LaneClass.allCases {
            let lane = IncomingLane(pair: pair, laneClass: laneClass)
            guard let row = (haves[lane] ?? loaded(lane, turn)).row else { continue }
            let mark = RelayMark(lane: laneClass, epoch: row.epoch, number: row.number, tag: row.tag, after: nil)
            records.append(relayNonza("have", pair, mark))
        }
        return records
    }

    /// Takes records of a bundle over, whose signature has proven `pair.peer`.
    public mutating func importRecords(_ records: [CarriedRecord], _ pair: DomainPair, _ turn: Turn) -> CommandAnswer {
        if let reason = refusal(of: pair, turn) { return .refused(reason) }
        var outcome = ImportOutcome()
        // What was taken over is delivered, and written, behind the last of them.
        var beside = 0
        for record in records {
            let entry: (mark: RelayMark, content: NumberedContent)
            switch record {
            case .stanza(let mark, let stanza): entry = (mark, .stanza(stanza))
            case .void(let mark): entry = (mark, .void)
            case .have(let mark):
                learn(mark, pair, &outcome, turn)
                continue
            }
            let before = outcome.taken
            // R4 on a stick: what is counted is kept. What was taken over before is here already when the file comes again.
            guard turn.admits(.message, bytes: entry.content.bytes, beside: beside + Self.rowsBeside) else {
                return .refused(
                    before == 0
                        ? "the disk is nearly full: nothing is taken over"
                        : "the disk is nearly full: \(before) entries were taken over; import the file again when there is room"
                )
            }
            take(entry.mark, entry.content, pair, &outcome, turn)
            if outcome.taken > before { beside += Self.rowsBeside + entry.content.bytes }
        }
        return .imported(outcome)
    }

    /// R1, without a stream.
    private mutating func take(
        _ mark: RelayMark, _ content: NumberedContent, _ pair: DomainPair, _ outcome: inout ImportOutcome, _ turn: Turn
    ) {
        let lane = IncomingLane(pair: pair, laneClass: mark.lane)
        var have = haves[lane] ?? loaded(lane, turn)
        defer { haves[lane] = have }
        switch have.verdict(on: mark) {
        case .next:
            take(mark, content, lane, &have, from: .bundle(pair), turn)
            outcome.taken += 1
        case .first(let replacing):
            if replacing { turn.note(.newEpoch(pair, lane: mark.lane.name)) }
            take(mark, content, lane, &have, from: .bundle(pair), turn)
            outcome.taken += 1
        case .gap(let expected):
            if outcome.missing == 0 { outcome.missing = expected }
            outcome.behindGap += 1
        case .duplicate, .ended:
            outcome.duplicates += 1
        }
    }

    /// A have that came on a stick is old by nature: it acknowledges, or it says nothing. It never stops a lane.
    private mutating func learn(_ mark: RelayMark, _ pair: DomainPair, _ outcome: inout ImportOutcome, _ turn: Turn) {
        let index = Int(mark.lane.rawValue)
        guard let slot = links.id(of: pair), let entries = links[slot].lanes[index].entries,
            let row = links[slot].lanes[index].row, !row.isStopped, mark.epoch == row.epoch, mark.number > row.acked,
            mark.number <= row.assigned,
            EntryTable.entry(entries, mark.number, in: turn.store)?.tag == mark.tag
        else {
            outcome.ignoredHaves += 1
            return
        }
        outcome.acknowledged += Int(clamping: mark.number - row.acked)
        acknowledge(slot, mark.lane, upTo: mark.number, by: .have, turn)
    }
}
