import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Senders are told, once for each message, that it has waited for hours: what they do about it cannot wait for days.
extension Federation {
    /// Entries looked at in one turn; the rest follows in the next.
    private static let entriesPerTurn = 256

    /// What one sender is told.
    private struct Warning {
        var sender: JID
        var count = 0
        var since: WallTime
    }

    /// Sets the timer for the first message whose sender was not told yet.
    mutating func scheduleWarning(_ slot: Int, _ turn: Turn) {
        guard turn.policy.delayWarning > 0, !links[slot].isWarningArmed,
            let oldest = links[slot].lanes.compactMap({ firstUnwarned($0, turn) }).min()
        else { return }
        links[slot].isWarningArmed = true
        let due = max(oldest + turn.policy.delayWarning, turn.now + 1)
        turn.schedule(.delayWarning(LinkID(slot: UInt32(slot))), at: due)
    }

    private func firstUnwarned(_ lane: OutgoingLane, _ turn: Turn) -> Instant? {
        guard let id = lane.id, let row = lane.row, row.waiting > 0 else { return nil }
        var found: Instant?
        EntryTable.forEach(id, from: max(row.acked, row.warned) + 1, in: turn.store) { _, entry in
            guard entry.state == .waiting else { return true }
            found = StanzaLog.stanza(entry.logSequence, in: turn.store)?.acceptedInstant
            return false
        }
        return found
    }

    /// The timer fired: one message to each sender, however many of theirs wait.
    mutating func warnSenders(_ slot: Int, _ turn: Turn) {
        guard slot < links.count else { return }
        links[slot].isWarningArmed = false
        guard turn.policy.delayWarning > 0 else { return }
        var warnings: [Warning] = []
        var isUnfinished = false
        for index in links[slot].lanes.indices {
            isUnfinished = collect(&warnings, slot, index, turn) || isUnfinished
        }
        for warning in warnings { warn(warning, slot, turn) }
        if isUnfinished {
            links[slot].isWarningArmed = true
            turn.schedule(.delayWarning(LinkID(slot: UInt32(slot))), after: 1)
        } else if !warnings.isEmpty {
            // What comes from now on is told together, not one by one.
            links[slot].isWarningArmed = true
            turn.schedule(.delayWarning(LinkID(slot: UInt32(slot))), after: turn.policy.delayWarning)
        } else {
            scheduleWarning(slot, turn)
        }
    }

    /// Adds the senders of a lane's entries that are due; true if there are more than one turn takes.
    private mutating func collect(_ warnings: inout [Warning], _ slot: Int, _ index: Int, _ turn: Turn) -> Bool {
        guard let id = links[slot].lanes[index].id, var row = links[slot].lanes[index].row, row.waiting > 0 else {
            return false
        }
        var due: [LoggedStanza] = []
        var seen = 0
        EntryTable.forEach(id, from: max(row.acked, row.warned) + 1, in: turn.store) { number, entry in
            if entry.state == .waiting, let logged = StanzaLog.stanza(entry.logSequence, in: turn.store) {
                guard turn.now - logged.acceptedInstant >= turn.policy.delayWarning else { return false }
                due.append(logged)
            }
            row.warned = number
            seen += 1
            return seen < Self.entriesPerTurn
        }
        guard seen > 0 else { return false }
        LaneTable.update(id, row, in: turn.store)
        links[slot].lanes[index].row = row
        for logged in due {
            // Nobody is told about the fate of an error, nor about a subscription request, which may take days anyway.
            guard logged.stanza.kind == .message, logged.stanza.messageType != .error, let sender = logged.stanza.from?.bare
            else { continue }
            if let known = warnings.firstIndex(where: { $0.sender == sender }) {
                warnings[known].count += 1
            } else {
                warnings.append(Warning(sender: sender, count: 1, since: logged.acceptedAt))
            }
        }
        return seen == Self.entriesPerTurn
    }

    private func warn(_ warning: Warning, _ slot: Int, _ turn: Turn) {
        let pair = links[slot].pair
        let lifetime = turn.policy.entryLifetime(of: pair.peer)
        let end = WallTime(milliseconds: warning.since.milliseconds + lifetime)
        let what =
            warning.count == 1 ? "Your message to \(pair.peer) has" : "\(warning.count) of your messages to \(pair.peer) have"
        let text =
            "\(what) been waiting since \(Self.minute(warning.since)), because that server cannot be reached. "
            + "Nothing is lost: delivery goes on as soon as it can be reached, and what could not be delivered "
            + "by \(Self.minute(end)) comes back to you."
        let body = Element("body", Namespaces.client, [], [.text(text)])
        turn.route(
            Stanza(
                .message, from: pair.local, to: warning.sender, id: turn.random.identifier(), type: "normal", payloads: [body]))
    }

    /// `2026-11-22 10:32 UTC`
    private static func minute(_ time: WallTime) -> String {
        let text = time.description
        return "\(text.prefix(10)) \(text.dropFirst(11).prefix(5)) UTC"
    }
}
