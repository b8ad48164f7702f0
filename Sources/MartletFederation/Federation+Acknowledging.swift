import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

extension Federation {
    /// A nonza on the stream that carries a link, about what it carries: the only way in which entries are removed.
    mutating func linkHeard(_ nonza: Element, _ slot: LinkID, _ turn: Turn) {
        switch (nonza.name, nonza.namespace) {
        case ("have", Namespaces.relay): receivedHave(nonza, slot, turn)
        case ("a", Namespaces.streamManagement): receivedCount(nonza, slot, turn)
        case ("failed", Namespaces.streamManagement): streamManagementFailed(slot)
        default: break
        }
    }

    /// `<have/>`: checked against our records, then entries go (`Docs/relay-protocol.md` §3, S2 and S3).
    private mutating func receivedHave(_ nonza: Element, _ slot: LinkID, _ turn: Turn) {
        guard links[slot].isRelayed, let laneClass = nonza["lane"].flatMap(LaneClass.init(name:)) else {
            return
        }
        let index = Int(laneClass.rawValue)
        let mark = RelayMark(nonza).flatMap { $0.number == 0 ? nil : $0 }
        guard mark != nil || nonza["n"] == "0" else { return }
        guard links[slot].lanes[index].row?.isStopped != true else { return heard(slot, turn) }
        let lane = links[slot].lanes[index]
        if let epoch = lane.row?.epoch, nonza["ended"] == epoch.text {
            let reason = "we went back in time: the peer ended this numbering before"
            return stop(slot, index, lane.weWentBack(mark, uncertainUpTo: lane.row?.assigned ?? 0, reason), turn)
        }
        let verdict = lane.verdict(on: mark) { number in
            lane.entries.flatMap { EntryTable.entry($0, number, in: turn.store)?.tag }
        }
        switch verdict {
        case .upTo(let number):
            if number > 0 { acknowledge(slot, laneClass, upTo: number, by: .have, turn) }
            open(slot, index)
        case .newStore:
            if !links[slot].lanes[index].isOpen { turn.note(.newEpoch(links[slot].pair, lane: laneClass.name)) }
            links[slot].lanes[index].replaces(tag: mark?.tag)
            open(slot, index)
        case .stop(let stop):
            self.stop(slot, index, stop, turn)
        }
        heard(slot, turn)
    }

    private mutating func open(_ slot: LinkID, _ index: Int) {
        links[slot].lanes[index].isOpen = true
        links.touch(slot)
    }

    /// One of the two stores went back in time: nothing is removed, nothing is sent, the operator decides.
    private mutating func stop(_ slot: LinkID, _ index: Int, _ stop: LaneStop, _ turn: Turn) {
        links[slot].lanes[index].isOpen = false
        links[slot].lanes[index].row?.stop = stop
        if let id = links[slot].lanes[index].id, let row = links[slot].lanes[index].row {
            LaneTable.update(id, row, in: turn.store)
        }
        turn.note(.laneStopped(links[slot].pair, lane: links[slot].lanes[index].laneClass.name, reason: stop.reason))
        if turn.policy.federation.continuesAfterRollback { resync(slot, index, .resend, turn) }
    }

    /// XEP-0198 §4: the peer has handled `h` stanzas of this stream (rung 1).
    private mutating func receivedCount(_ nonza: Element, _ slot: LinkID, _ turn: Turn) {
        guard case .up(let connection) = links[slot].state, links[slot].stream?.foreign?.isManaged == true,
            let h = nonza["h"].flatMap({ UInt32($0) })
        else { return }
        let before = links[slot].stream?.foreign?.unprovenCount
        guard let entries = links[slot].stream?.foreign?.counted(h) else {
            let error = StreamError(.undefinedCondition, text: "You acknowledged more stanzas than were sent")
            streamEnds(.objection("it acknowledged more stanzas than were sent"), slot, turn)
            return turn.perform(.close(error), on: connection)
        }
        for (laneClass, number) in entries { acknowledge(slot, laneClass, upTo: number, by: .count, turn) }
        if let foreign = links[slot].stream?.foreign, foreign.isProven || foreign.unprovenCount != before {
            heard(slot, turn)
        } else {
            links[slot].stream?.life.answeredInVain(limit: turn.policy.federation.silenceTimeout)
        }
        links.touch(slot)
    }

    /// The peer offered XEP-0198 and refuses it now: the fence takes over.
    private mutating func streamManagementFailed(_ slot: LinkID) {
        guard links[slot].isUp, links[slot].stream?.foreign?.isManaged == true else { return }
        links[slot].stream?.foreign?.managementRefused()
        links.touch(slot)
    }

    /// An IQ answer from a peer's domain: true if it was the answer to a fence, which nobody else asked for.
    mutating func fenceAnswered(_ stanza: Stanza, _ pair: DomainPair, _ turn: Turn) -> Bool {
        guard let slot = links.id(of: pair), let id = stanza.id, stanza.from == pair.peer, stanza.to == pair.local,
            let fences = links[slot].stream?.foreign?.fences, !fences.isEmpty || id.hasPrefix("fence-")
        else { return false }
        guard let index = fences.firstIndex(where: { constantLengthEqual($0.id, id) }) else { return id.hasPrefix("fence-") }
        links[slot].pace.answered(after: turn.now - fences[index].raisedAt)
        links[slot].fenceReturned()
        let entries = links[slot].stream?.foreign?.fenceAnswered(index) ?? []
        for (laneClass, number) in entries { acknowledge(slot, laneClass, upTo: number, by: .fence, turn) }
        heard(slot, turn)
        links.touch(slot)
        return true
    }

    private func constantLengthEqual(_ left: String, _ right: String) -> Bool {
        left.utf8.count == right.utf8.count && zip(left.utf8, right.utf8).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// The peer closed after we did: it has parsed everything (rung 3).
    mutating func closeAnswered(_ slot: LinkID, _ turn: Turn) {
        guard case .closing = links[slot].state, let entries = links[slot].stream?.foreign?.closeAnswered() else { return }
        for (laneClass, number) in entries { acknowledge(slot, laneClass, upTo: number, by: .close, turn) }
        links[slot].closeAnswered(at: turn.now, limit: turn.policy.federation.windowBytes)
    }

    /// Entries up to `number` are the peer's. Removing them may be lost in a crash: the peer says it again.
    mutating func acknowledge(
        _ slot: LinkID, _ laneClass: LaneClass, upTo number: UInt64, by proof: EntryProof, _ turn: Turn
    ) {
        let index = Int(laneClass.rawValue)
        guard let id = links[slot].lanes[index].id, let entries = links[slot].lanes[index].entries,
            let row = links[slot].lanes[index].row, number > row.acked
        else { return }
        let tag = EntryTable.entry(entries, number, in: turn.store)?.tag ?? 0
        links[slot].entriesProven()
        turn.lazily {
            let isWanted = links[slot].lanes.contains { $0.hasUnsent }
            // What closing proves was there long before.
            if let carried = links[slot].lanes[index].acknowledged(upTo: number, tag: tag), proof != .close {
                let delay = turn.now - carried.writtenAt
                links[slot].pace.acknowledged(carried.bytes, after: delay, at: turn.now)
                links[slot].stream?.window.acknowledged(
                    carried.bytes, after: delay, isWanted: isWanted, limit: turn.policy.federation.windowBytes)
            }
            if proof != .have { links[slot].lanes[index].row?.provenOtherwise = true }
            links[slot].lanes[index].row?.proven[proof] += number - row.acked
            if let row = links[slot].lanes[index].row { LaneTable.update(id, row, in: turn.store) }
        }
        if turn.policy.tracesEntries {
            let name = EntryTrace(links[slot].pair, laneClass, number)
            turn.note(.entriesProven(name, first: row.acked + 1, by: proof.words))
        }
        removeAcknowledged(slot, index, Int(clamping: number - row.acked), turn)
        links.touch(slot)
    }
}
