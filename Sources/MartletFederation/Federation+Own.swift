import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// What a sender may know and do about the own messages that wait for other offices.
extension Federation {
    /// Entries shown to one person: what fits into a form.
    private static let rowLimit = 100
    /// Entries looked through for one person where no census is at hand: a few milliseconds.
    private static let searchLimit = 2000
    /// How far the messages of one person on one link are counted.
    private static let countLimit = 1000

    // Counting

    /// The link went down: whose messages wait on it is counted, in slices.
    mutating func beginCensus(_ slot: LinkID, _ turn: Turn) {
        nextCensus += 1
        links[slot].census = QueueCensus(links[slot].lanes, generation: nextCensus)
        continueCensus(slot, turn)
    }

    /// One slice.
    mutating func continueCensus(_ slot: LinkID, _ turn: Turn) {
        guard var census = links[slot].census, !census.isComplete, !census.isFull else { return }
        var looked = 0
        for index in links[slot].lanes.indices {
            guard let entries = links[slot].lanes[index].entries else { continue }
            EntryTable.forEach(entries, from: census.next[index], in: turn.store) { number, entry in
                guard looked < QueueCensus.slice else { return false }
                looked += 1
                census.next[index] = number + 1
                if entry.state == .waiting, let stanza = StanzaLog.stanza(entry.logSequence, in: turn.store)?.stanza,
                    stanza.isSpoken, let sender = stanza.from
                {
                    census.count(number, lane: index, of: sender.bare)
                }
                return true
            }
        }
        census.isComplete = looked < QueueCensus.slice && !census.isFull
        links[slot].census = census
        if census.isComplete {
            turn.notify(.linkChanged(LinkChange(links[slot].pair, .counted(nil))))
        } else {
            turn.schedule(
                .link(.census(slot, generation: census.generation)), after: QueueCensus.pause)
        }
    }

    /// The timer of a census fired.
    mutating func censusDue(_ slot: LinkID, _ generation: UInt64, _ turn: Turn) {
        guard links.contains(slot), links[slot].census?.generation == generation else { return }
        continueCensus(slot, turn)
    }

    /// An entry was accepted. What people count is what somebody has written: no receipts, no subscriptions.
    mutating func noteAccepted(_ number: UInt64, _ slot: LinkID, _ index: Int, _ stanza: Stanza, _ turn: Turn) {
        guard links[slot].census?.isComplete == true, stanza.isSpoken, let sender = stanza.from?.bare else { return }
        links[slot].census?.count(number, lane: index, of: sender)
        turn.notify(.linkChanged(LinkChange(links[slot].pair, .counted(sender))))
    }

    /// Entries were voided: the numbers that people see are lower now.
    func noteCountChanged(_ slot: LinkID, of account: JID? = nil, _ turn: Turn) {
        guard links[slot].census?.isComplete == true else { return }
        turn.notify(.linkChanged(LinkChange(links[slot].pair, .counted(account))))
    }

    /// How many messages of an account wait for the peer, at most a thousand; nil where it is not known.
    public func ownWaiting(of account: JID, on pair: DomainPair, _ turn: Turn) -> Int? {
        guard let slot = links.id(of: pair), let census = links[slot].census, census.isComplete else { return nil }
        return census.entries(of: account).prefix(Self.countLimit).count { isWaiting($0, slot, turn) }
    }

    private func isWaiting(_ place: QueueCensus.Place, _ slot: LinkID, _ turn: Turn) -> Bool {
        guard let entries = links[slot].lanes[place.lane].entries, let row = links[slot].lanes[place.lane].row else {
            return false
        }
        return place.number > row.acked && EntryTable.entry(entries, place.number, in: turn.store)?.state == .waiting
    }

    // Showing

    /// The messages of an account that wait on all links.
    public func ownEntries(of account: JID, _ turn: Turn) -> OwnEntries {
        var result = OwnEntries()
        for slot in links.ids where mayHold(slot, of: account, turn) {
            if let census = links[slot].census, census.isComplete {
                // What was acknowledged meanwhile, by a stick, may be kept all the same.
                for place in census.entries(of: account) where !result.isCut && isWaiting(place, slot, turn) {
                    if let entries = links[slot].lanes[place.lane].entries {
                        show(entries, place.number, account, &result, turn)
                    }
                }
            } else {
                search(slot, account, &result, turn)
            }
        }
        return result
    }

    /// Whether something of an account may wait on a link.
    private func mayHold(_ slot: LinkID, of account: JID, _ turn: Turn) -> Bool {
        guard links[slot].waiting > 0 else { return false }
        return links[slot].pair.local.domainpart == account.domainpart || isComponent(links[slot].pair, turn)
    }

    private func search(_ slot: LinkID, _ account: JID, _ result: inout OwnEntries, _ turn: Turn) {
        for lane in links[slot].lanes {
            guard let entries = lane.entries, lane.waiting > 0 else { continue }
            var looked = 0
            EntryTable.forEach(entries, from: lane.firstUnsettled, in: turn.store) { number, _ in
                looked += 1
                if looked > Self.searchLimit { result.isCut = true }
                if !result.isCut { show(entries, number, account, &result, turn) }
                return !result.isCut
            }
        }
    }

    private func show(_ lane: LaneEntries, _ number: UInt64, _ account: JID, _ result: inout OwnEntries, _ turn: Turn) {
        guard let entry = EntryTable.entry(lane, number, in: turn.store), entry.state == .waiting,
            let logged = StanzaLog.stanza(entry.logSequence, in: turn.store), let to = logged.stanza.to,
            logged.stanza.from?.hasSameBare(as: account) == true, logged.stanza.isSpoken
        else { return }
        guard result.rows.count < Self.rowLimit else { return result.isCut = true }
        let words = Self.firstWords(logged.stanza.payload("body", Namespaces.client)?.text ?? "")
        result.rows.append(
            OwnEntry(id: "\(lane.lane.value)/\(number)", to: to, words: words, age: turn.now - logged.acceptedInstant))
    }

    /// The beginning of a message on one line, as long as a form's line can be.
    private static func firstWords(_ body: String) -> String {
        let limit = 40
        let line = body.prefix(4 * limit).split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return line.count <= limit && body.count <= 4 * limit ? line : line.prefix(limit - 1) + "…"
    }

    // Cancelling

    /// Cancels entries of an account, named `lane/number` (`Docs/relay-protocol.md` §3, S5). Whoever cancels knows, so no
    /// error follows.
    public mutating func cancel(_ ids: [String], of account: JID, _ turn: Turn) -> [Cancellation] {
        let outcomes = ids.map { cancel($0, of: account, turn) }
        for slot in links.ids { noteCountChanged(slot, of: account, turn) }
        return outcomes
    }

    private mutating func cancel(_ id: String, of account: JID, _ turn: Turn) -> Cancellation {
        let parts = id.split(separator: "/")
        guard parts.count == 2, let lane = UInt32(parts[0]).map({ LaneID($0) }), let number = UInt64(parts[1]),
            let (slot, index) = place(of: lane), let entries = links[slot].lanes[index].entries,
            let row = links[slot].lanes[index].row, number > row.acked, number <= row.assigned,
            var entry = EntryTable.entry(entries, number, in: turn.store), entry.state == .waiting,
            let logged = StanzaLog.stanza(entry.logSequence, in: turn.store),
            logged.stanza.from?.hasSameBare(as: account) == true
        else { return .notFound }
        let wasSent = links[slot].lanes[index].mayHaveArrived(number, entry)
        StanzaLog.release(entry.logSequence, in: turn.store)
        entry.logSequence = 0
        entry.state = .void
        EntryTable.put(entries, number, entry, in: turn.store)
        loadEmptied(slot, index, number, turn)
        return wasSent ? .mayHaveArrived : .cancelled
    }

    private func place(of lane: LaneID) -> (slot: LinkID, index: Int)? {
        for slot in links.ids {
            if let index = links[slot].lanes.firstIndex(where: { $0.id == lane }) { return (slot, index) }
        }
        return nil
    }
}
