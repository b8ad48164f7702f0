import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

extension Federation {
    /// Whether a lane may write one more entry to the stream. What is more urgent counts against its room, what is less does
    /// not; one entry at a time it may always write, so that it moves beside others that never end.
    func hasRoom(_ slot: LinkID, _ index: Int, _ turn: Turn) -> Bool {
        let lanes = links[slot].lanes
        if let most = links[slot].suspicion.entriesAtOnce, lanes.reduce(0, { $0 + $1.stanzasInFlight }) >= most { return false }
        if links[slot].isDoubtful { return lanes.allSatisfy { $0.inFlight == 0 } }
        if lanes[index].inFlight == 0 { return true }
        let bytes = lanes[...index].reduce(0) { $0 + $1.bytesInFlight }
        return lanes[index].inFlight < turn.policy.federation.windowEntries
            && bytes < min(links[slot].stream?.window.bytes ?? 0, turn.policy.federation.windowBytes)
    }

    /// As many entries are noted as offered with one row. What is noted and not written is taken for written if the process
    /// ends: its sender is told that it may have arrived, and it cannot be held.
    private static let offeredAtOnce = 256

    /// Entries up to `number` are about to be written, which is noted durably before, for many at once.
    private mutating func offer(_ number: UInt64, _ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, var row = links[slot].lanes[index].row, number > row.offered else { return }
        row.offered = min(row.assigned, number + UInt64(min(Self.offeredAtOnce, turn.policy.federation.windowEntries)) - 1)
        LaneTable.update(id, row, in: turn.store)
        links[slot].lanes[index].row = row
        links[slot].lanes[index].noted(from: number)
    }

    /// Entries read from disk and written in one turn: some milliseconds.
    private static let writtenPerTurn = 256

    /// Fills the windows of a link from disk, urgent lanes first (`Docs/relay-protocol.md` §3, S3).
    mutating func pump(_ slot: LinkID, _ turn: Turn) {
        guard links[slot].isUp else { return }
        if let began = links[slot].stream?.beganAt { links[slot].suspicion.streamLived(turn.now - began) }
        writeBesides(slot, turn)
        var voids = 0
        var written = 0
        for index in links[slot].lanes.indices {
            while links[slot].lanes[index].isOpen, links[slot].lanes[index].hasUnsent, hasRoom(slot, index, turn) {
                guard let lane = links[slot].lanes[index].entries else { break }
                let number = links[slot].lanes[index].nextToSend
                guard let entry = EntryTable.entry(lane, number, in: turn.store) else {
                    ourFault("lane \(lane.lane.value) has no entry \(number)")
                }
                offer(number, slot, index, turn)
                if entry.state == .waiting, links[slot].lanes[index].wasAcknowledged(number), entry.deadline <= turn.now {
                    // It was there in time; nobody has to learn that it is not sent again.
                    voidInSilence(lane, number, entry, turn)
                    loadEmptied(slot, index, number, turn)
                } else if entry.state == .waiting {
                    guard written < Self.writtenPerTurn else { return continueLater(slot, turn) }
                    written += 1
                    guard let logged = StanzaLog.stanza(entry.logSequence, in: turn.store) else {
                        ourFault("entry \(lane.lane.value)/\(number) has no stanza \(entry.logSequence)")
                    }
                    if let reason = objection(toSending: logged.stanza, slot, turn) {
                        takeOut(entry, lane, number, slot, index, reason, turn)
                        continue
                    }
                    write(logged, entry, number, slot, index, isLate: true, turn)
                } else {
                    // The window does not bound voids where a foreign server need not see them.
                    guard voids < Self.entriesPerSlice else { return continueLater(slot, turn) }
                    voids += 1
                    writeVoid(entry, number, slot, index, turn)
                }
            }
        }
    }

    /// Writes an entry to the stream that is up. Late ones say when they were taken over (S6).
    mutating func write(
        _ logged: LoggedStanza, _ entry: EntryRow, _ number: UInt64, _ slot: LinkID, _ index: Int, isLate: Bool, _ turn: Turn
    ) {
        guard case .up(let connection) = links[slot].state, let row = links[slot].lanes[index].row else { return }
        let pair = links[slot].pair
        var bytes: [UInt8] = []
        bytes.reserveCapacity(logged.stanza.content.count + 400)
        let delay = isLate && !logged.stanza.isStamped(by: pair.local) ? (from: pair.local, stamp: logged.acceptedAt) : nil
        if links[slot].isRelayed {
            let mark = RelayMark(
                lane: row.laneClass, epoch: row.epoch, number: number, tag: entry.tag, after: links[slot].lanes[index].after,
                acceptedAt: isLate ? nil : links[slot].stream?.momentToTell(logged.acceptedAt))
            logged.stanza.write(to: &bytes, relayMark: mark, delay: delay)
        } else {
            logged.stanza.write(to: &bytes, relayMark: nil, delay: delay)
            links[slot].stream?.foreign?.wrote(.entry(row.laneClass, number))
        }
        links[slot].lanes[index].wrote(bytes: bytes.count, tag: entry.tag, at: turn.now)
        links[slot].stream?.life.wrote(bytes: bytes.count)
        links[slot].stream?.besides.asked()
        turn.perform(.send(bytes), on: connection)
        expectAnswer(slot, turn)
        links.touch(slot)
    }

    /// A void keeps the numbers whole for a Martlet; a foreign server sees nothing (S5).
    private mutating func writeVoid(_ entry: EntryRow, _ number: UInt64, _ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard case .up(let connection) = links[slot].state, let row = links[slot].lanes[index].row else { return }
        let after = links[slot].lanes[index].after
        links[slot].lanes[index].wrote(bytes: 0, tag: entry.tag, at: turn.now)
        if links[slot].isRelayed {
            let mark = RelayMark(lane: row.laneClass, epoch: row.epoch, number: number, tag: entry.tag, after: after)
            turn.perform(.send(relayNonza("void", links[slot].pair, mark)), on: connection)
            expectAnswer(slot, turn)
        } else {
            let proof: EntryProof = links[slot].stream?.foreign?.isManaged == true ? .count : .fence
            for (laneClass, number) in links[slot].stream?.foreign?.skipped(row.laneClass, number) ?? [] {
                acknowledge(slot, laneClass, upTo: number, by: proof, turn)
            }
        }
        links.touch(slot)
    }

    /// Writes an unnumbered stanza.
    mutating func writeBeside(_ stanza: Stanza, _ slot: LinkID, _ turn: Turn) {
        guard case .up(let connection) = links[slot].state else { return }
        links[slot].stream?.foreign?.wrote(.beside)
        if stanza.iqType?.isRequest == true, stanza.kind == .iq { remember(request: stanza, slot) }
        let bytes = stanza.serialized()
        links[slot].stream?.life.wrote(bytes: bytes.count)
        if let from = stanza.from { links[slot].stream?.besides.wrote(from, bytes: bytes.count) }
        turn.perform(.send(bytes), on: connection)
        expectAnswer(slot, turn)
        links.touch(slot)
    }

    /// Writes what waited for the stream, as much as may go now.
    mutating func writeBesides(_ slot: LinkID, _ turn: Turn) {
        while !links[slot].beside.isEmpty, !links[slot].keepsBesides, let stanza = links[slot].beside.takeFirst(turn) {
            writeBeside(stanza, slot, turn)
        }
    }

    private mutating func remember(request stanza: Stanza, _ slot: LinkID) {
        guard let id = stanza.id, let from = stanza.from, let to = stanza.to else { return }
        links[slot].requests.wrote(PeerRequests.Request(id: id, from: from, to: to))
    }

    /// `<ask/>`, `<have/>`, `<void/>`: nonzas of the relay protocol. They name the pair, since a stream may carry several.
    func relayNonza(_ name: String, _ pair: DomainPair, _ mark: RelayMark?) -> [UInt8] {
        var element = Element(name, Namespaces.relay, [("from", pair.local.description), ("to", pair.peer.description)])
        for (attribute, value) in mark?.attributes ?? [] { element[attribute] = value }
        return element.serialized(within: Namespaces.client)
    }

    /// `<ask/>`: what do you have, or: are you there. It says what time it is here, by which the peer tells what is late (S6). With
    /// a lane it asks for the tags that the peer remembers of it.
    func askNonza(_ pair: DomainPair, _ turn: Turn, tagsOf lane: LaneClass? = nil) -> [UInt8] {
        var ask = Element(
            "ask", Namespaces.relay,
            [("from", pair.local.description), ("to", pair.peer.description), ("at", String(turn.wall.milliseconds))])
        if let lane { ask["lane"] = lane.name }
        return ask.serialized(within: Namespaces.client)
    }
}
