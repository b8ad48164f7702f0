import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

extension Federation {
    /// A stanza for another domain (`Docs/relay-protocol.md` §3, S1): taken over on disk, written to a stream, or
    /// refused with an error to its sender. What is taken over is acknowledged to the client by the same commit.
    /// `toComponent`: it is for a component of ours, and may be anybody's.
    public mutating func accept(_ envelope: Envelope, toComponent: Bool = false, _ turn: Turn) {
        let stanza = envelope.stanza
        guard let from = stanza.from, let to = stanza.to else { return }
        let pair = toComponent ? Self.componentPair(to.domain, turn) : DomainPair(local: from.domain, peer: to.domain)
        // Nobody here speaks for others: this is what is left of a domain that is not served any more.
        guard turn.policy.serves(pair.local.domainpart) else { return }
        guard toComponent || turn.policy.federation.isEnabled && !turn.policy.federation.blockedPeers.contains(pair.peer)
        else {
            return turn.bounce(stanza, StanzaError(.remoteServerNotFound))
        }
        if !toComponent, links.id(of: pair) == nil, !admitsStranger(pair.peer, from: from, turn) {
            return turn.bounce(stanza, StanzaError(.policyViolation, .wait, text: "Too many new domains, try later"))
        }
        let slot = slot(of: pair, turn)
        if let limit = links[slot].announcedBytes,
            let error = stanza.objection(toMoreThan: limit, adding: Stanza.additions)
        {
            return turn.bounce(stanza, error)
        }
        if let limit = lengthLimit(slot, turn), isTooLong(stanza, limit, slot) {
            let text = "\(pair.peer) ends connections over stanzas of \(limit) bytes"
            return turn.bounce(stanza, StanzaError(.policyViolation, text: text))
        }
        let carriage = envelope.isNews ? Carriage.beside(fails: false) : Carriage(of: stanza)
        guard carriage == .entry || !refusesBeside(from, slot, turn) else {
            if carriage == .beside(fails: true) {
                let text = "Connections to \(pair.peer) ended over what you sent; try later"
                turn.bounce(stanza, StanzaError(.policyViolation, .wait, text: text))
            }
            return
        }
        if !links[slot].isUp { links[slot].wanted(by: from) }
        switch carriage {
        case .entry:
            append(envelope, slot, turn)
        case .beside(let fails):
            if stanza.kind == .iq, stanza.iqType?.isRequest == true, stanza.id?.utf8.count ?? 0 > PeerRequests.idLimit {
                return turn.bounce(
                    stanza, StanzaError(.policyViolation, text: "The id has more than \(PeerRequests.idLimit) bytes"))
            }
            sendBeside(stanza, of: envelope.origin, slot, failing: fails, turn)
        case .fleeting:
            if links[slot].isUp {
                if !links[slot].keepsBesides { writeBeside(stanza, slot, turn) }
            } else if stanza.kind == .iq {
                holdAnswer(stanza, of: envelope.origin, slot, turn)
            }
        }
    }

    /// New domains are limited per account and hour; known ones never.
    private mutating func admitsStranger(_ peer: JID, from: JID, _ turn: Turn) -> Bool {
        if turn.policy.federation.knownPeers.contains(peer) || peerRow(peer, turn).wasReached { return true }
        return strangers.admits(from.bare, now: turn.now, perHour: turn.policy.federation.strangers.newDomainsPerHour)
    }

    /// S1: log, number, entry and lane in one transaction with the client's counter.
    private mutating func append(_ envelope: Envelope, _ slot: LinkID, _ turn: Turn) {
        let (stanza, origin, archives) = (envelope.stanza, envelope.origin, envelope.archives)
        guard turn.admits(writeKind(of: stanza, origin), bytes: stanza.content.count) else {
            return turn.bounce(stanza, .diskNearlyFull)
        }
        if links[slot].reach.isStranger, links[slot].waiting >= StrangerGate.waitingLimit {
            return turn.bounce(stanza, StanzaError(.resourceConstraint, text: "Too much waits for this domain"))
        }
        guard let item = needsRoom(stanza, origin) ? roomTaken(by: stanza, slot, turn) : takeRoom(for: stanza, slot, turn)
        else {
            return turn.bounce(stanza, StanzaError(.resourceConstraint, text: "Too much of you waits for this domain"))
        }
        let index = Int(laneClass(of: stanza, slot, turn).rawValue)
        if links[slot].isUp, links[slot].lanes[index].waiting >= WorkPrice.crowd { turn.bill.extra += WorkPrice.crowdedEntry }
        let logged = LoggedStanza(stanza: stanza, acceptedAt: turn.wall, acceptedInstant: turn.now)
        let sequence = StanzaLog.append(logged, holders: archives == nil ? 1 : 2, archives: archives, in: turn.store)
        if let archives { turn.noteArchived(stanza, archives, at: sequence) }
        let deadline = deadline(of: logged, slot, turn)
        let entry = EntryRow(logSequence: sequence, tag: turn.random.next(), deadline: deadline.at)
        let goesNow =
            links[slot].isUp && links[slot].lanes[index].isOpen && !links[slot].lanes[index].hasUnsent
            && hasRoom(slot, index, turn)
        let (lane, number) = nextNumber(slot, index, isOffered: goesNow, turn)
        EntryTable.put(lane, number, entry, in: turn.store)
        links[slot].lanes[index].items.append(item)
        if deadline.isEarly { expireEarly(lane, number, at: deadline.at, turn) }
        if !links[slot].timers.expiry { noteFirstWaiting(slot, turn) }
        noteAccepted(number, slot, index, stanza, turn)
        if turn.policy.tracesEntries {
            let name = EntryTrace(links[slot].pair, links[slot].lanes[index].laneClass, number)
            turn.note(.entryAccepted(name, id: stanza.id ?? ""))
        }

        if goesNow {
            write(logged, entry, number, slot, index, isLate: false, turn)
        } else {
            dialIfResting(slot, turn)
        }
    }

    /// Whether a stanza is refused where its sender's share is full. Of an error, and of what the site has to say, nobody could be told
    /// that it is lost; ``Bounces`` bounds how many there are.
    private func needsRoom(_ stanza: Stanza, _ origin: Origin) -> Bool {
        switch origin {
        case .site, .service: false
        case .session, .login, .account, .peer, .component, .bundle, .room: !stanza.isError
        }
    }

    /// An error has no sender who could be told, and nobody waits to be asked before he takes something back.
    private func writeKind(of stanza: Stanza, _ origin: Origin) -> WriteKind {
        if stanza.isError || origin == .service { return .bounce }
        let type = stanza.kind == .presence ? stanza.presenceType : nil
        return type == .unsubscribe || type == .unsubscribed ? .bounce : .message
    }

    /// The lane of a message. Rules that have changed wait until nothing else does: a pair of people whose class is another now
    /// would overtake what it has written before.
    private mutating func laneClass(of stanza: Stanza, _ slot: LinkID, _ turn: Turn) -> LaneClass {
        if links[slot].laneRules != turn.policy.federation.laneRules, links[slot].waiting == 0 {
            links[slot].laneRules = turn.policy.federation.laneRules
            let local = AddressTable.makeNumber(of: links[slot].pair.local, in: turn.store)
            let peer = AddressTable.makeNumber(of: links[slot].pair.peer, in: turn.store)
            LaneRulesTable.update(turn.policy.federation.laneRules, local: local, peer: peer, in: turn.store)
        }
        guard let from = stanza.from, let to = stanza.to else { return .chat }
        return links[slot].laneRules.laneClass(from, to)
    }

    /// When an entry expires: with its link's lifetime, or earlier if the message says so.
    private func deadline(of logged: LoggedStanza, _ slot: LinkID, _ turn: Turn) -> (at: Instant, isEarly: Bool) {
        let lifetime = turn.policy.federation.entryLifetime(of: links[slot].pair.peer)
        guard let expiry = MessageExpiry(of: logged.stanza, acceptedAt: turn.wall) else { return (turn.now + lifetime, false) }
        let left = max(0, expiry.at.milliseconds - turn.wall.milliseconds)
        return left < lifetime ? (turn.now + left, true) : (turn.now + lifetime, false)
    }

    /// Gives the next number of a lane, making the lane with its first entry. The lane's row is written at the end of the
    /// batch.
    mutating func nextNumber(_ slot: LinkID, _ index: Int, isOffered: Bool, _ turn: Turn) -> (LaneEntries, UInt64) {
        let pair = links[slot].pair
        var row =
            links[slot].lanes[index].row
            ?? LaneRow(
                local: AddressTable.makeNumber(of: pair.local, in: turn.store),
                peer: AddressTable.makeNumber(of: pair.peer, in: turn.store),
                laneClass: links[slot].lanes[index].laneClass,
                epoch: Epoch(high: turn.random.next(), low: turn.random.next()))
        row.assigned += 1
        if isOffered { row.offered = max(row.offered, row.assigned) }
        links[slot].lanes[index].row = row
        if let id = links[slot].lanes[index].id {
            if !links[slot].lanes[index].isUnwritten {
                links[slot].lanes[index].isUnwritten = true
                unwrittenLanes.append((slot, index))
            }
            return (LaneEntries(id, base: row.base), row.assigned)
        }
        let id = LaneTable.insert(row, in: turn.store)
        links[slot].lanes[index].id = id
        return (LaneEntries(id, base: row.base), row.assigned)
    }

    /// Something waits where nothing did: its lifetime begins, and a stranger's patience.
    mutating func noteFirstWaiting(_ slot: LinkID, _ turn: Turn) {
        scheduleExpiry(slot, turn)
        scheduleWarning(slot, turn)
        if links[slot].reach.isStranger {
            turn.schedule(.link(.strangerTimeout(slot)), after: turn.policy.federation.strangers.timeout)
        }
    }

    /// Unnumbered: goes now, waits for the attempt under way, or fails.
    private mutating func sendBeside(_ stanza: Stanza, of origin: Origin, _ slot: LinkID, failing: Bool, _ turn: Turn) {
        switch links[slot].state {
        case .up:
            if links[slot].keepsBesides || !links[slot].beside.isEmpty {
                hold(stanza, of: origin, slot, failing: failing, turn)
            } else {
                writeBeside(stanza, slot, turn)
            }
        case .idle where isComponent(links[slot].pair, turn):
            fail(stanza, slot, failing: failing, text: absenceWords(slot), turn)
        case .idle:
            hold(stanza, of: origin, slot, failing: failing, turn)
            dial(slot, turn)
        case .dialling:
            if links[slot].reach.failures == 0 {
                hold(stanza, of: origin, slot, failing: failing, turn)
            } else {
                fail(stanza, slot, failing: failing, turn)
            }
        case .closing, .backingOff:
            fail(stanza, slot, failing: failing, turn)
        }
    }

    /// Whoever asks first has a stream to us and none from us: his answer waits for the one that is opened for it. Where none comes, he has
    /// stopped waiting.
    private mutating func holdAnswer(_ stanza: Stanza, of origin: Origin, _ slot: LinkID, _ turn: Turn) {
        switch links[slot].state {
        case .idle where !isComponent(links[slot].pair, turn):
            if links[slot].beside.hold(stanza, of: origin.party, turn) { dial(slot, turn) }
        case .dialling where links[slot].reach.failures == 0: _ = links[slot].beside.hold(stanza, of: origin.party, turn)
        case .idle, .dialling, .up, .closing, .backingOff: break
        }
    }

    private mutating func hold(_ stanza: Stanza, of origin: Origin, _ slot: LinkID, failing: Bool, _ turn: Turn) {
        if !links[slot].beside.hold(stanza, of: origin.party, turn) { fail(stanza, slot, failing: failing, turn) }
    }

    private mutating func fail(
        _ stanza: Stanza, _ slot: LinkID, failing: Bool, text: String? = nil, _ turn: Turn
    ) {
        if failing {
            turn.bounce(stanza, StanzaError(.remoteServerTimeout, text: text))
        } else {
            links[slot].refreshWanted()
        }
    }
}
