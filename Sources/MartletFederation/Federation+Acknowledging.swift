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
        case ("tags", Namespaces.relay): receivedTags(nonza, slot, turn)
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
        let lane = links[slot].lanes[index]
        let history = lane.isParting ? LaneHistory(nonza, tags: lane.tags) : nil
        // While the peer's tags are awaited, what it says otherwise comes before them and decides nothing.
        guard lane.row?.isStopped != true, !lane.isParting || history != nil else { return heard(slot, turn) }
        links[slot].lanes[index].isParting = false
        let tagAt = { (place: UInt64) in
            lane.id.flatMap { EntryTable.entry(LaneEntries($0, base: 0), place, in: turn.store)?.tag }
        }
        let hasEnded = lane.row.map { nonza["ended"] == $0.epoch.text } ?? false
        if hasEnded { links[slot].lanes[index].hasEnded = true }
        let verdict =
            if let history {
                lane.verdict(onHistory: history, mark, tagAt: tagAt)
            } else {
                lane.verdict(on: mark, hasEnded: hasEnded, keeps: keepLimit(slot, turn).keepsAnything, tagAt: tagAt)
            }
        follow(verdict, slot, index, mark, remembersTags: nonza["tags"] != nil, turn)
        heard(slot, turn)
    }

    /// Tags that the peer remembers: more of them, or the answer, follow.
    private mutating func receivedTags(_ nonza: Element, _ slot: LinkID, _ turn: Turn) {
        guard links[slot].isRelayed, let laneClass = nonza["lane"].flatMap(LaneClass.init(name:)) else { return }
        let index = Int(laneClass.rawValue)
        guard links[slot].lanes[index].isParting else { return }
        let runs = LaneHistory.runs(nonza)
        // More than a peer remembers is nonsense: it is neither kept in memory nor looked for.
        let count = ((links[slot].lanes[index].tags ?? []) + (runs ?? [])).reduce(0) { $0 + $1.tags.count }
        if let runs, count <= TagRun.limit {
            links[slot].lanes[index].tags?.append(contentsOf: runs)
        } else {
            links[slot].lanes[index].tags = nil
        }
        heard(slot, turn)
    }

    /// Carries a verdict out.
    private mutating func follow(
        _ verdict: OutgoingLane.Verdict, _ slot: LinkID, _ index: Int, _ mark: RelayMark?, remembersTags: Bool, _ turn: Turn
    ) {
        switch verdict {
        case .upTo(let number):
            let acked = links[slot].lanes[index].row?.acked ?? 0
            if number < acked {
                goBack(slot, index, to: number, tag: mark?.tag ?? 0, turn)
            } else if number > 0 {
                acknowledge(slot, links[slot].lanes[index].laneClass, upTo: number, by: .have, turn)
            }
            open(slot, index)
        case .behind(let place):
            goOn(slot, index, behind: place, replacing: mark?.tag, turn)
        case .newStore:
            if !links[slot].lanes[index].isOpen {
                turn.note(.newEpoch(links[slot].pair, lane: links[slot].lanes[index].laneClass.name))
            }
            links[slot].lanes[index].replaces(tag: mark?.tag)
            open(slot, index)
        case .part(let otherwise):
            // It has more of this numbering than we know, or something else: ours cannot go on under it.
            let lane = links[slot].lanes[index]
            if lane.row?.epoch == mark?.epoch { links[slot].lanes[index].hasEnded = true }
            guard remembersTags, case .up(let connection) = links[slot].state else {
                return follow(otherwise, slot, index, mark, remembersTags: false, turn)
            }
            links[slot].lanes[index].isOpen = false
            links[slot].lanes[index].isParting = true
            links[slot].lanes[index].tags = []
            turn.perform(
                .send(askNonza(links[slot].pair, turn, tagsOf: links[slot].lanes[index].laneClass)), on: connection)
            expectAnswer(slot, turn)
        case .stop(let stop):
            self.stop(slot, index, stop, turn)
        }
    }

    /// The lane carries what waits.
    mutating func open(_ slot: LinkID, _ index: Int) {
        links[slot].lanes[index].isOpen = true
        links.touch(slot)
    }

    /// One of the two stores went back in time, further than what is kept and remembered: nothing is removed, nothing is sent, the
    /// operator decides.
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
            let underWay = links[slot].lanes[index].inFlight
            let carried = links[slot].lanes[index].acknowledged(upTo: number, tag: tag)
            let entries = underWay - links[slot].lanes[index].inFlight
            // That a void is known there shows nothing.
            if let carried, carried.longest > 0 { links[slot].suspicion.arrived(longest: carried.longest) }
            // What closing proves was there long before.
            if let carried, proof != .close {
                let delay = turn.now - carried.writtenAt
                links[slot].pace.acknowledged(carried.bytes, after: delay, at: turn.now)
                links[slot].stream?.window.acknowledged(
                    carried.bytes, after: delay, isWanted: isWanted, limit: turn.policy.federation.windowBytes)
            }
            if proof != .have { links[slot].lanes[index].row?.provenOtherwise = true }
            links[slot].lanes[index].row?.proven[proof] += number - row.acked
            keep(slot, index, since: row, (entries, carried?.bytes ?? 0), by: proof, turn)
            if let row = links[slot].lanes[index].row { LaneTable.update(id, row, in: turn.store) }
        }
        if turn.policy.tracesEntries {
            let name = EntryTrace(links[slot].pair, laneClass, number)
            turn.note(.entriesProven(name, first: row.acked + 1, by: proof.words))
        }
        loadSettled(slot, index, turn)
        trim(slot, turn)
        removeBehindFloor(slot, index, turn)
        links.touch(slot)
    }
}
