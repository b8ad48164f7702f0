import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Senders are told, once for each message, that it has waited for hours: what they do about it cannot wait for days.
struct WarningRound {
    /// What one sender is told.
    struct Warning {
        /// To whom, by the bare address.
        var sender: JID
        /// How many of their messages wait.
        var count = 0
        /// Since when the first of them does.
        var since: WallTime
    }

    /// Senders counted in one round, at some hundred bytes each; those of a longer queue are told in several.
    static let senderLimit = 10_000

    /// The next number to look at, for each lane.
    var next: [UInt64]
    /// Those who are to be told, in the order of their first message.
    private(set) var warnings: [Warning] = []
    /// How many of them were told.
    var told = 0
    /// Look-up only.
    private var places: [JID: Int] = [:]

    /// Begins behind the last message whose sender knows.
    init(_ lanes: [OutgoingLane]) {
        next = lanes.map { max($0.row?.warned ?? 0, $0.firstUnsettled - 1) + 1 }
    }

    /// Whether this many senders are enough for now.
    var isFull: Bool { warnings.count >= Self.senderLimit }

    /// Counts a message.
    mutating func count(_ sender: JID, since: WallTime) {
        if let place = places[sender] {
            warnings[place].count += 1
        } else {
            places[sender] = warnings.count
            warnings.append(Warning(sender: sender, count: 1, since: since))
        }
    }
}

/// A round goes through what waits in slices and then tells each sender once, however many of theirs wait. It is noted on
/// disk when everybody was told: after a crash in between somebody may be told twice.
extension Federation {
    /// Entries looked at, or senders told, in one turn; the rest follows in the next.
    private static let entriesPerTurn = 256
    /// Milliseconds until it is tried again on a disk that is nearly full.
    private static let pauseWithoutRoom: Int64 = 60_000
    /// Milliseconds between two slices.
    private static let warningPause: Int64 = 20

    /// Sets the timer for the first message whose sender was not told yet.
    mutating func scheduleWarning(_ slot: LinkID, _ turn: Turn) {
        guard turn.policy.federation.delayWarning > 0, !links[slot].timers.warning,
            let oldest = links[slot].lanes.compactMap({ firstUnwarned($0, turn) }).min()
        else { return }
        armWarning(slot, at: max(oldest + turn.policy.federation.delayWarning, turn.now + 1), turn)
    }

    private mutating func armWarning(_ slot: LinkID, at instant: Instant, _ turn: Turn) {
        links[slot].timers.warning = true
        turn.schedule(.link(.delayWarning(slot)), at: instant)
    }

    /// When the first message was accepted of which its sender was not told; the distant past where many voids hide it, which
    /// a round then leaves behind.
    private func firstUnwarned(_ lane: OutgoingLane, _ turn: Turn) -> Instant? {
        guard let entries = lane.entries, let row = lane.row, row.waiting > 0 else { return nil }
        let first = max(row.warned + 1, lane.firstUnsettled)
        var found: Instant?
        var looked = 0
        EntryTable.forEach(entries, from: first, in: turn.store) { _, entry in
            looked += 1
            if entry.state == .waiting {
                found = StanzaLog.stanza(entry.logSequence, in: turn.store)?.acceptedInstant
            } else if looked == Self.entriesPerTurn {
                found = Instant(milliseconds: 0)
            }
            return found == nil
        }
        return found
    }

    /// The timer fired: the next slice.
    mutating func warnSenders(_ slot: LinkID, _ turn: Turn) {
        guard links.contains(slot) else { return }
        links[slot].timers.warning = false
        guard turn.policy.federation.delayWarning > 0 else { return links[slot].warnings = nil }
        // They are told when there is room for it.
        guard turn.admits(.message) else { return armWarning(slot, at: turn.now + Self.pauseWithoutRoom, turn) }
        var round = links[slot].warnings ?? WarningRound(links[slot].lanes)
        links[slot].warnings = nil
        if round.told == 0, collect(&round, slot, turn) {
            links[slot].warnings = round
            return armWarning(slot, at: turn.now + Self.warningPause, turn)
        }
        for warning in round.warnings[round.told...].prefix(Self.entriesPerTurn) {
            warn(warning, slot, turn)
            round.told += 1
        }
        if round.told < round.warnings.count {
            links[slot].warnings = round
            return armWarning(slot, at: turn.now + Self.warningPause, turn)
        }
        noteTold(round, slot, turn)
        if round.isFull {
            armWarning(slot, at: turn.now + Self.warningPause, turn)
        } else if !round.warnings.isEmpty {
            // What comes from now on is told together, not one by one.
            armWarning(slot, at: turn.now + turn.policy.federation.delayWarning, turn)
        } else {
            scheduleWarning(slot, turn)
        }
    }

    /// Adds the senders of the next entries that are due; true if there are more than one turn takes.
    private func collect(_ round: inout WarningRound, _ slot: LinkID, _ turn: Turn) -> Bool {
        var looked = 0
        for index in links[slot].lanes.indices {
            let lane = links[slot].lanes[index]
            guard let entries = lane.entries, lane.waiting > 0 else { continue }
            var isUnfinished = false
            EntryTable.forEach(entries, from: max(round.next[index], lane.firstUnsettled), in: turn.store) { number, entry in
                guard looked < Self.entriesPerTurn else {
                    isUnfinished = true
                    return false
                }
                looked += 1
                if entry.state == .waiting, let logged = StanzaLog.stanza(entry.logSequence, in: turn.store) {
                    guard turn.now - logged.acceptedInstant >= turn.policy.federation.delayWarning, !round.isFull else {
                        return false
                    }
                    // Nobody is told about the fate of an error, nor about a subscription request, which may take days anyway. Of
                    // what a component or somebody elsewhere has written the error at the end is all that they hear.
                    if logged.stanza.kind == .message, logged.stanza.messageType != .error,
                        let sender = logged.stanza.from?.bare, turn.policy.houses(sender.domainpart)
                    {
                        round.count(sender, since: logged.acceptedAt)
                    }
                }
                round.next[index] = number + 1
                return true
            }
            if isUnfinished { return true }
        }
        return false
    }

    /// Everybody was told.
    private mutating func noteTold(_ round: WarningRound, _ slot: LinkID, _ turn: Turn) {
        for index in links[slot].lanes.indices {
            guard let id = links[slot].lanes[index].id, let row = links[slot].lanes[index].row,
                round.next[index] - 1 > row.warned, round.next[index] - 1 <= row.assigned
            else { continue }
            links[slot].lanes[index].row?.warned = round.next[index] - 1
            if let row = links[slot].lanes[index].row { LaneTable.update(id, row, in: turn.store) }
        }
    }

    private func warn(_ warning: WarningRound.Warning, _ slot: LinkID, _ turn: Turn) {
        let pair = links[slot].pair
        let lifetime = turn.policy.federation.entryLifetime(of: pair.peer)
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
                .message, from: pair.local, to: warning.sender, id: turn.random.identifier(), type: "normal", payloads: [body]),
            from: .service)
    }

    /// `2026-11-22 10:32 UTC`
    private static func minute(_ time: WallTime) -> String {
        let text = time.description
        return "\(text.prefix(10)) \(text.dropFirst(11).prefix(5)) UTC"
    }
}
