import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

extension Federation {
    /// Entries that expire in one turn; the rest follows with the next timer.
    private static let expiriesPerTurn = 256

    /// Entries looked at in one turn, voids included.
    private static let expirySlice = 1024
    /// Milliseconds between two slices: a queue of a million expires in minutes and delays nobody.
    private static let expiryPause: Int64 = 50

    /// Sets the timer for the first entry that can expire.
    mutating func scheduleExpiry(_ slot: LinkID, _ turn: Turn) {
        guard !links[slot].timers.expiry else { return }
        var earliest: Instant?
        for index in links[slot].lanes.indices where links[slot].lanes[index].waiting > 0 {
            switch firstWaiting(slot, index, turn) {
            case .entry(_, let entry): earliest = min(earliest ?? entry.deadline, entry.deadline)
            case .notYet: earliest = min(earliest ?? turn.now, turn.now)
            case nil: break
            }
        }
        if let earliest { armExpiry(slot, at: max(earliest, turn.now + 1000), turn) }
    }

    private mutating func armExpiry(_ slot: LinkID, at instant: Instant, _ turn: Turn) {
        links[slot].timers.expiry = true
        turn.schedule(.link(.expiry(slot)), at: instant)
    }

    /// Where the first entry of a lane that waits is found.
    enum FirstWaiting {
        /// This one, by its number.
        case entry(UInt64, EntryRow)
        /// So many voids stand before it that another turn goes on looking.
        case notYet
    }

    /// The first entry that is no void; nil if there is none.
    mutating func firstWaiting(_ slot: LinkID, _ index: Int, _ turn: Turn) -> FirstWaiting? {
        let (found, settled) = lookForWaiting(links[slot].lanes[index], turn)
        if let settled { links[slot].lanes[index].settle(upTo: settled) }
        return found
    }

    private func lookForWaiting(_ lane: OutgoingLane, _ turn: Turn) -> (found: FirstWaiting?, settled: UInt64?) {
        guard let entries = lane.entries else { return (nil, nil) }
        var found: FirstWaiting?
        var settled: UInt64?
        var looked = 0
        EntryTable.forEach(entries, from: lane.firstUnsettled, in: turn.store) { number, entry in
            if entry.state == .waiting {
                found = .entry(number, entry)
                return false
            }
            settled = number
            looked += 1
            if looked == Self.expirySlice { found = .notYet }
            return looked < Self.expirySlice
        }
        return (found, settled)
    }

    /// Entries past their deadline become voids and are answered in the same transaction (`Docs/relay-protocol.md` S5).
    mutating func expire(_ slot: LinkID, _ turn: Turn) {
        guard links.contains(slot) else { return }
        links[slot].timers.expiry = false
        var expired = 0
        var looked = 0
        var isUnfinished = false
        for index in links[slot].lanes.indices {
            guard let entries = links[slot].lanes[index].entries else { continue }
            var due: [(UInt64, EntryRow)] = []
            EntryTable.forEach(entries, from: links[slot].lanes[index].firstUnsettled, in: turn.store) { number, entry in
                if entry.state == .waiting, entry.deadline > turn.now { return false }
                guard looked < Self.expirySlice, expired + due.count < Self.expiriesPerTurn else {
                    isUnfinished = true
                    return false
                }
                looked += 1
                if entry.state == .waiting { due.append((number, entry)) }
                links[slot].lanes[index].settle(upTo: number)
                return true
            }
            for (number, entry) in due {
                loadEmptied(slot, index, number, turn)
                guard !links[slot].lanes[index].wasAcknowledged(number) else {
                    voidInSilence(entries, number, entry, turn)
                    continue
                }
                let wasSent = links[slot].lanes[index].mayHaveArrived(number, entry)
                void(entries, number, entry, wasSent: wasSent, turn)
                turn.note(.entryExpired(links[slot].pair, entry: "\(entries.lane.value)/\(number)"))
            }
            expired += due.count
        }
        if expired > 0 { noteCountChanged(slot, turn) }
        if isUnfinished {
            armExpiry(slot, at: turn.now + Self.expiryPause, turn)
        } else if links[slot].waiting > 0 {
            scheduleExpiry(slot, turn)
        }
    }

    /// The entry's number stays, its stanza goes, and its sender hears of it, all in one transaction.
    func void(_ lane: LaneEntries, _ number: UInt64, _ entry: EntryRow, wasSent: Bool, _ turn: Turn) {
        if let logged = StanzaLog.stanza(entry.logSequence, in: turn.store) {
            let text = wasSent ? "Not confirmed within its lifetime, may have arrived" : "Not delivered within its lifetime"
            let isSilent = MessageExpiry(of: logged.stanza, acceptedAt: logged.acceptedAt).map {
                $0.isSilent && $0.at <= turn.wall
            }
            if isSilent != true { bounce(logged.stanza, StanzaError(.remoteServerTimeout, text: text), turn) }
        }
        voidInSilence(lane, number, entry, turn)
    }

    /// The same without a word: the peer had the entry once, its store went back, and the time of the entry is over.
    func voidInSilence(_ lane: LaneEntries, _ number: UInt64, _ entry: EntryRow, _ turn: Turn) {
        StanzaLog.release(entry.logSequence, in: turn.store)
        var entry = entry
        entry.logSequence = 0
        entry.state = .void
        EntryTable.put(lane, number, entry, in: turn.store)
    }

    /// Late bounces go to the sender's bare address: after days the full JID is gone (§5).
    func bounce(_ stanza: Stanza, _ error: StanzaError, _ turn: Turn) {
        guard var reply = stanza.errorReply(error) else { return }
        reply.to = reply.to?.bare
        turn.route(reply, from: .site)
    }

    /// When the oldest waiting entry of a link was taken over; nil also while many voids before it hide it.
    func oldestAcceptance(_ slot: LinkID, _ turn: Turn) -> Instant? {
        links[slot].lanes.compactMap { oldestAcceptance($0, turn) }.min()
    }

    /// The same for one lane.
    func oldestAcceptance(_ lane: OutgoingLane, _ turn: Turn) -> Instant? {
        guard lane.waiting > 0, case .entry(_, let entry) = lookForWaiting(lane, turn).found else { return nil }
        return StanzaLog.stanza(entry.logSequence, in: turn.store)?.acceptedInstant
    }
}
