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
    func hasRoom(_ slot: Int, _ index: Int, _ turn: Turn) -> Bool {
        let lanes = links[slot].lanes
        if links[slot].isDoubtful { return lanes.allSatisfy { $0.inFlight == 0 } }
        if lanes[index].inFlight == 0 { return true }
        let bytes = lanes[...index].reduce(0) { $0 + $1.bytesInFlight }
        return lanes[index].inFlight < turn.policy.windowEntries
            && bytes < min(links[slot].window.bytes, turn.policy.windowBytes)
    }

    /// As many entries are noted as offered with one row. What is noted and not written is taken for written if the stream
    /// breaks: its sender is told that it may have arrived, and it cannot be held.
    private static let offeredAtOnce = 256

    /// Entries up to `number` are about to be written, which is noted durably before, for many at once.
    private mutating func offer(_ number: UInt64, _ slot: Int, _ index: Int, _ turn: Turn) {
        guard let id = links[slot].lanes[index].id, var row = links[slot].lanes[index].row, number > row.offered else { return }
        row.offered = min(row.assigned, number + UInt64(min(Self.offeredAtOnce, turn.policy.windowEntries)) - 1)
        LaneTable.update(id, row, in: turn.store)
        links[slot].lanes[index].row = row
    }

    /// Entries read from disk and written in one turn: some milliseconds.
    private static let writtenPerTurn = 256

    /// Fills the windows of a link from disk, urgent lanes first (`Docs/relay-protocol.md` §3, S3).
    mutating func pump(_ slot: Int, _ turn: Turn) {
        guard links[slot].isUp else { return }
        var voids = 0
        var written = 0
        for index in links[slot].lanes.indices {
            while links[slot].lanes[index].isOpen, links[slot].lanes[index].hasUnsent, hasRoom(slot, index, turn) {
                guard let lane = links[slot].lanes[index].entries else { break }
                let number = links[slot].lanes[index].nextToSend
                guard let entry = EntryTable.entry(lane, number, in: turn.store) else {
                    preconditionFailure("lane \(lane.lane.value) has no entry \(number)")
                }
                offer(number, slot, index, turn)
                if entry.state == .waiting {
                    guard written < Self.writtenPerTurn else { return continueLater(slot, turn) }
                    written += 1
                    guard let logged = StanzaLog.stanza(entry.logSequence, in: turn.store) else {
                        preconditionFailure("entry \(lane.lane.value)/\(number) has no stanza \(entry.logSequence)")
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
        _ logged: LoggedStanza, _ entry: EntryRow, _ number: UInt64, _ slot: Int, _ index: Int, isLate: Bool, _ turn: Turn
    ) {
        guard case .up(let connection, let carrier) = links[slot].state, let row = links[slot].lanes[index].row else { return }
        let pair = links[slot].pair
        var bytes: [UInt8] = []
        bytes.reserveCapacity(logged.stanza.content.count + 400)
        let delay = isLate ? (from: pair.local, stamp: logged.acceptedAt) : nil
        switch carrier {
        case .relay:
            let mark = RelayMark(
                lane: row.laneClass, epoch: row.epoch, number: number, tag: entry.tag, after: links[slot].lanes[index].after)
            logged.stanza.write(to: &bytes, relayMark: mark, delay: delay)
        case .foreign(var foreign):
            logged.stanza.write(to: &bytes, relayMark: nil, delay: delay)
            foreign.wrote(.entry(row.laneClass, number))
            links[slot].state = .up(connection, .foreign(foreign))
        }
        links[slot].lanes[index].wrote(bytes: bytes.count, tag: entry.tag, at: turn.now)
        links[slot].unheardBytes += bytes.count
        turn.perform(.send(bytes), on: connection)
        expectAnswer(slot, turn)
        touch(slot)
    }

    /// A void keeps the numbers whole for a Martlet; a foreign server sees nothing (S5).
    private mutating func writeVoid(_ entry: EntryRow, _ number: UInt64, _ slot: Int, _ index: Int, _ turn: Turn) {
        guard case .up(let connection, let carrier) = links[slot].state, let row = links[slot].lanes[index].row else { return }
        let after = links[slot].lanes[index].after
        links[slot].lanes[index].wrote(bytes: 0, tag: entry.tag, at: turn.now)
        switch carrier {
        case .relay:
            let mark = RelayMark(lane: row.laneClass, epoch: row.epoch, number: number, tag: entry.tag, after: after)
            turn.perform(.send(relayNonza("void", links[slot].pair, mark)), on: connection)
            expectAnswer(slot, turn)
        case .foreign(var foreign):
            foreign.wrote(.void(row.laneClass, number))
            let proven = foreign.proved(0)
            links[slot].state = .up(connection, .foreign(foreign))
            for (laneClass, number) in proven {
                acknowledge(slot, laneClass, upTo: number, by: foreign.fence == nil ? .count : .fence, turn)
            }
        }
        touch(slot)
    }

    /// Writes an unnumbered stanza.
    mutating func writeBeside(_ stanza: Stanza, _ slot: Int, _ turn: Turn) {
        guard case .up(let connection, let carrier) = links[slot].state else { return }
        if case .foreign(var foreign) = carrier {
            foreign.wrote(.beside)
            links[slot].state = .up(connection, .foreign(foreign))
        }
        if stanza.iqType?.isRequest == true, stanza.kind == .iq { remember(request: stanza, slot) }
        let bytes = stanza.serialized()
        links[slot].unheardBytes += bytes.count
        turn.perform(.send(bytes), on: connection)
        expectAnswer(slot, turn)
        touch(slot)
    }

    private mutating func remember(request stanza: Stanza, _ slot: Int) {
        guard let id = stanza.id, let from = stanza.from, let to = stanza.to else { return }
        if links[slot].requests.count == PeerLink.requestLimit { links[slot].requests.removeFirst() }
        links[slot].requests.append(PeerLink.Request(id: id, from: from, to: to))
    }

    /// At the end of a batch: foreign servers are asked to prove what they got (§6).
    mutating func requestProof(_ slot: Int, _ turn: Turn) {
        guard case .up(let connection, .foreign(var foreign)) = links[slot].state, foreign.unprovenCount > 0 else { return }
        if foreign.fence == nil {
            guard !foreign.wasRequested else { return }
            foreign.wasRequested = true
            turn.perform(.send(Array("<r xmlns='\(Namespaces.streamManagement)'/>".utf8)), on: connection)
        } else {
            guard foreign.fence?.outstanding == nil else { return }
            raiseFence(&foreign, slot, connection, turn)
        }
        links[slot].state = .up(connection, .foreign(foreign))
    }

    /// XEP-0199 between the domains of this stream, with an unguessable id: the answer, on whichever stream it
    /// returns, proves that everything before was parsed (rung 2).
    func raiseFence(_ foreign: inout ForeignCarrier, _ slot: Int, _ connection: ConnectionID, _ turn: Turn) {
        let id = "fence-" + turn.random.identifier()
        foreign.fence?.outstanding = (id, foreign.unprovenCount)
        let pair = links[slot].pair
        let ping = Stanza(
            .iq, from: pair.local, to: pair.peer, id: id, type: "get", payloads: [Element("ping", Namespaces.ping)])
        turn.perform(.send(ping.serialized()), on: connection)
    }

    /// From now on the peer owes a sign of life.
    mutating func expectAnswer(_ slot: Int, _ turn: Turn) {
        guard links[slot].owedSince == nil else { return }
        links[slot].owedSince = turn.now
        links[slot].owedBytes = links[slot].unheardBytes
        links[slot].wasAsked = false
        armSilence(slot, at: turn.now + patience(slot, turn) / 2, turn)
    }

    /// The peer gave a sign of life.
    mutating func heard(_ slot: Int, _ turn: Turn) {
        links[slot].owedSince = nil
        links[slot].wasAsked = false
        links[slot].failures = 0
        if links[slot].isUpUntold {
            links[slot].isUpUntold = false
            noteUp(slot, turn)
        }
        links[slot].unheardBytes = links[slot].lanes.reduce(0) { $0 + $1.bytesInFlight }
        // A lane that waits to be opened waits for its own `<have/>`: that of another lane says nothing about it.
        if links[slot].lanes.contains(where: { $0.inFlight > 0 || $0.awaitsOpening }) { expectAnswer(slot, turn) }
    }

    private mutating func armSilence(_ slot: Int, at instant: Instant, _ turn: Turn) {
        guard !links[slot].isSilenceArmed else { return }
        links[slot].isSilenceArmed = true
        turn.schedule(.linkSilence(LinkID(slot: UInt32(slot)), generation: links[slot].generation), at: instant)
    }

    /// How long silence is borne: longer with more in flight, as if the line carried 1 kB a second (S4).
    private func patience(_ slot: Int, _ turn: Turn) -> Int64 {
        turn.policy.silenceTimeout + Int64(links[slot].owedBytes)
    }

    /// The silence timer fired: ask once, then give the stream up (S4). TCP alone would wait for a quarter of an hour.
    mutating func silenceNoticed(_ slot: Int, _ turn: Turn) {
        links[slot].isSilenceArmed = false
        if case .closing(let connection, _) = links[slot].state {
            turn.perform(.abort, on: connection)
            return streamLost(slot, "the peer did not close its stream", turn)
        }
        guard case .up(let connection, let carrier) = links[slot].state, let since = links[slot].owedSince else { return }
        let patience = patience(slot, turn)
        if links[slot].wasAsked {
            guard turn.now - since >= patience else { return armSilence(slot, at: since + patience, turn) }
            return peerIsSilent(slot, connection, carrier, turn)
        }
        guard turn.now - since >= patience / 2 else { return armSilence(slot, at: since + patience / 2, turn) }
        links[slot].wasAsked = true
        ask(slot, connection, carrier, turn)
        armSilence(slot, at: since + patience, turn)
    }

    /// Asks for a sign of life on a stream that owes none, and begins to wait for it.
    mutating func probe(_ slot: Int, _ turn: Turn) {
        guard case .up(let connection, let carrier) = links[slot].state, links[slot].owedSince == nil else { return }
        ask(slot, connection, carrier, turn)
        expectAnswer(slot, turn)
    }

    private mutating func ask(_ slot: Int, _ connection: ConnectionID, _ carrier: Carrier, _ turn: Turn) {
        switch carrier {
        case .relay:
            turn.perform(.send(relayNonza("ask", links[slot].pair, nil)), on: connection)
        case .foreign(var foreign):
            if foreign.fence == nil {
                turn.perform(.send(Array("<r xmlns='\(Namespaces.streamManagement)'/>".utf8)), on: connection)
            } else if foreign.fence?.outstanding == nil {
                raiseFence(&foreign, slot, connection, turn)
            }
            links[slot].state = .up(connection, .foreign(foreign))
        }
    }

    private mutating func peerIsSilent(_ slot: Int, _ connection: ConnectionID, _ carrier: Carrier, _ turn: Turn) {
        if case .foreign(var foreign) = carrier, foreign.fence != nil, !isProbablyDead(connection, of: slot) {
            foreign.fence?.unanswered += 1
            if (foreign.fence?.unanswered ?? 0) < 3 {
                raiseFence(&foreign, slot, connection, turn)
                links[slot].state = .up(connection, .foreign(foreign))
                links[slot].owedSince = turn.now
                links[slot].wasAsked = true
                return armSilence(slot, at: turn.now + patience(slot, turn), turn)
            }
            // Rung 3: the peer's closing tag after ours proves everything.
            links[slot].state = .closing(connection, .foreign(foreign))
            turn.perform(.close(nil), on: connection)
            return armSilence(slot, at: turn.now + patience(slot, turn), turn)
        }
        turn.perform(.abort, on: connection)
        streamLost(slot, "no answer for \((turn.policy.silenceTimeout + 999) / 1000) seconds", turn)
    }

    /// `<ask/>`, `<have/>`, `<void/>`: nonzas of the relay protocol. They name the pair, since a stream may carry several.
    func relayNonza(_ name: String, _ pair: DomainPair, _ mark: RelayMark?) -> [UInt8] {
        var element = Element(name, Namespaces.relay, [("from", pair.local.description), ("to", pair.peer.description)])
        for (attribute, value) in mark?.attributes ?? [] { element[attribute] = value }
        return element.serialized(within: Namespaces.client)
    }
}
