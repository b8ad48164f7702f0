import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

extension Federation {
    /// Entries that expire in one turn; the rest follows with the next timer.
    private static let expiriesPerTurn = 256

    /// Sets the timer for the first entry that can expire.
    mutating func scheduleExpiry(_ slot: Int, _ turn: Turn) {
        guard !links[slot].isExpiryArmed else { return }
        var earliest: Instant?
        for lane in links[slot].lanes {
            guard let id = lane.id, let row = lane.row, row.waiting > 0 else { continue }
            EntryTable.forEach(id, from: row.acked + 1, in: turn.store) { _, entry in
                guard entry.state == .waiting else { return true }
                earliest = min(earliest ?? entry.deadline, entry.deadline)
                return false
            }
        }
        if let earliest {
            links[slot].isExpiryArmed = true
            turn.schedule(.linkExpiry(LinkID(slot: UInt32(slot)), generation: 0), at: max(earliest, turn.now + 1000))
        }
    }

    /// Entries past their deadline become voids and are answered in the same transaction (`Docs/relay-protocol.md` S5).
    mutating func expire(_ slot: Int, _ turn: Turn) {
        guard slot < links.count else { return }
        links[slot].isExpiryArmed = false
        var expired = 0
        for index in links[slot].lanes.indices {
            guard let id = links[slot].lanes[index].id, let row = links[slot].lanes[index].row else { continue }
            var due: [(UInt64, EntryRow)] = []
            EntryTable.forEach(id, from: row.acked + 1, in: turn.store) { number, entry in
                if entry.state == .waiting {
                    guard entry.deadline <= turn.now else { return false }
                    due.append((number, entry))
                }
                return expired + due.count < Self.expiriesPerTurn
            }
            for (number, entry) in due {
                let wasSent = number <= row.offered
                void(id, number, entry, wasSent: wasSent, turn)
                turn.note(.entryExpired(links[slot].pair, entry: "\(id.value)/\(number)"))
            }
            expired += due.count
        }
        if expired > 0 { noteCountChanged(slot) }
        if links[slot].waiting > 0 { scheduleExpiry(slot, turn) }
    }

    /// The entry's number stays, its stanza goes, and its sender hears of it, all in one transaction.
    func void(_ lane: LaneID, _ number: UInt64, _ entry: EntryRow, wasSent: Bool, _ turn: Turn) {
        if let logged = StanzaLog.stanza(entry.logSequence, in: turn.store) {
            let text = wasSent ? "Not confirmed within its lifetime, may have arrived" : "Not delivered within its lifetime"
            let isSilent = MessageExpiry(of: logged.stanza, acceptedAt: logged.acceptedAt).map {
                $0.isSilent && $0.at <= turn.wall
            }
            if isSilent != true { bounce(logged.stanza, StanzaError(.remoteServerTimeout, text: text), turn) }
        }
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
        turn.route(reply)
    }

    /// Nothing can be delivered there: everything that waits is answered, and the lane begins anew if the domain ever
    /// appears.
    mutating func giveUp(_ slot: Int, _ error: StanzaError, _ reason: String, _ turn: Turn) {
        failVolatile(slot, error, turn)
        for index in links[slot].lanes.indices {
            guard let id = links[slot].lanes[index].id, var row = links[slot].lanes[index].row, row.waiting > 0 else {
                continue
            }
            for number in row.acked + 1...row.assigned {
                guard let entry = EntryTable.entry(id, number, in: turn.store) else { continue }
                if let logged = StanzaLog.stanza(entry.logSequence, in: turn.store) { bounce(logged.stanza, error, turn) }
                EntryTable.remove(id, number, in: turn.store)
            }
            row.acked = row.assigned
            row.provenOtherwise = true
            LaneTable.update(id, row, in: turn.store)
            links[slot].lanes[index].row = row
            links[slot].lanes[index].streamLost()
        }
        links[slot].generation += 1
        links[slot].isSilenceArmed = false
        links[slot].absences = 0
        links[slot].failures = 0
        links[slot].lastError = reason
        links[slot].state = .idle
        turn.note(.linkDown(links[slot].pair, reason: reason, retryAfter: 0))
    }

    /// When the oldest waiting entry of a link was taken over.
    func oldestAcceptance(_ slot: Int, _ turn: Turn) -> Instant? {
        var oldest: Instant?
        for lane in links[slot].lanes {
            guard let id = lane.id, let row = lane.row, row.waiting > 0 else { continue }
            EntryTable.forEach(id, from: row.acked + 1, in: turn.store) { _, entry in
                guard let logged = StanzaLog.stanza(entry.logSequence, in: turn.store) else { return true }
                oldest = min(oldest ?? logged.acceptedInstant, logged.acceptedInstant)
                return false
            }
        }
        return oldest
    }
}
