import MartletBus
import MartletPrimitives
import MartletStore
import XMPPStanzas

/// What a link did by itself after one of the two stores went back in time: for the operator, until it is a day old or the process
/// ends.
struct Healing {
    /// In words.
    var words: String
    /// When.
    var at: WallTime

    /// It is shown for so long, milliseconds: whoever put the backup back has looked by then.
    static let shownFor: Int64 = 86_400_000
}

/// One of the two stores went back in time, and what both sides know is enough to go on (`Docs/relay-protocol.md` §3, S2).
extension Federation {
    /// The peer has less of this numbering than it had: what it lacks is kept, and sent again under the same numbers.
    mutating func goBack(_ slot: LinkID, _ index: Int, to number: UInt64, tag: UInt64, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, let before = links[slot].lanes[index].row else { return }
        links[slot].lanes[index].goBack(to: number, tag: tag)
        if let row = links[slot].lanes[index].row { LaneTable.update(id, row, in: turn.store) }
        noteSentAgain(before.acked - number, lost: 0, slot, index, turn)
        waitsAgain(slot, index, turn)
    }

    /// The peer has everything up to `place` and nothing behind it, and knows another numbering, or none: what it lacks is sent under a
    /// new one, whose first entry names what the peer has.
    mutating func goOn(_ slot: LinkID, _ index: Int, behind place: UInt64, replacing tag: UInt64?, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, let before = links[slot].lanes[index].row else { return }
        if place > before.ackedPlace {
            acknowledge(slot, before.laneClass, upTo: place - before.base, by: .have, turn)
        }
        guard var row = links[slot].lanes[index].row else { return }
        if row.acked > 0 || row.base != place || links[slot].lanes[index].hasEnded {
            row.renumber(Epoch(high: turn.random.next(), low: turn.random.next()), behind: place)
            LaneTable.update(id, row, in: turn.store)
            links[slot].lanes[index].renumbered(row, isDecided: false)
            if place < before.ackedPlace {
                noteSentAgain(before.ackedPlace - place, lost: tag == nil ? before.floor : 0, slot, index, turn)
            } else if tag != nil {
                noteFound(place - before.ackedPlace, slot, index, turn)
            } else {
                noteSentAgain(0, lost: before.floor, slot, index, turn)
            }
            waitsAgain(slot, index, turn)
        }
        links[slot].lanes[index].replaces(tag: tag)
        open(slot, index)
    }

    /// What was acknowledged waits again: what is told and done about waiting entries is about these too.
    private mutating func waitsAgain(_ slot: LinkID, _ index: Int, _ turn: Turn) {
        links[slot].warnings = nil
        findLeftovers(slot, index, turn)
        countLoad(slot, index, turn)
        scheduleExpiry(slot, turn)
        if links[slot].census != nil { beginCensus(slot, turn) }
        links.touch(slot)
    }

    /// The peer's store went back.
    private mutating func noteSentAgain(_ count: UInt64, lost: UInt64, _ slot: LinkID, _ index: Int, _ turn: Turn) {
        let lane = links[slot].lanes[index].laneClass.name
        turn.note(.sentAgain(links[slot].pair, lane: lane, entries: Int(clamping: count), lost: Int(clamping: lost)))
        var words = "its store went back in time: \(count) that it had are sent again"
        if lost > 0 { words += ", \(lost) before them are not kept any more" }
        healed(words, ofPeer: true, slot, turn)
    }

    /// Our own store went back.
    private mutating func noteFound(_ count: UInt64, _ slot: LinkID, _ index: Int, _ turn: Turn) {
        let (lane, waiting) = (links[slot].lanes[index].laneClass.name, links[slot].lanes[index].waiting)
        turn.note(
            .historiesParted(links[slot].pair, lane: lane, delivered: Int(clamping: count), waiting: Int(clamping: waiting)))
        let words = "our store went back in time: \(count) that waited here were there, \(waiting) are sent"
        healed(words, ofPeer: false, slot, turn)
    }

    private mutating func healed(_ words: String, ofPeer: Bool, _ slot: LinkID, _ turn: Turn) {
        links[slot].healing = Healing(words: words, at: turn.wall)
        turn.notify(.linkChanged(LinkChange(links[slot].pair, .healed(ofPeer: ofPeer))))
    }

    /// What is told of it in the list of links; empty after a day.
    func healingWords(_ slot: LinkID, _ turn: Turn) -> String {
        guard let healing = links[slot].healing, turn.wall.milliseconds - healing.at.milliseconds < Healing.shownFor else {
            return ""
        }
        return "\(healing.words) (\(healing.at.description.prefix(16)) UTC)"
    }
}
