import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Everything between this site and other servers: links with their durable queues, streams that others opened,
/// dialback, strangers. Part of the ``Site``; synchronous, without clocks and sockets.
///
/// In reading order: a stanza enters at `accept` (Federation+Accept), waits and is written (Federation+Sending), is
/// acknowledged (Federation+Acknowledging); streams come (Federation+Dialling), fall silent (Federation+Silence) and fail
/// (Federation+Failures); what others send enters at `received` (Federation+Receiving).
public struct Federation {
    /// Every link, each in its place.
    var links = PeerLinks()

    /// Attempts under way. Look-up only.
    var dials: [DialID: Dial] = [:]
    /// The number of the next attempt.
    var nextDial: UInt64 = 1

    /// Streams on which others send. Iterated in the order of their connections only.
    var inbound: [ConnectionID: InboundStream] = [:]
    /// How many streams that others opened are proven for a pair. Look-up only.
    var provenStreams: [DomainPair: Int] = [:]
    /// The stream on which another Martlet asked last about a pair. Look-up only.
    var relayStream: [DomainPair: ConnectionID] = [:]
    /// Streams that peers opened and that may carry our stanzas back, per pair, the newest last.
    var returnWays: [DomainPair: [ReturnWay]] = [:]
    /// What we have of the lanes on which something came since the start. Look-up only.
    var haves: [IncomingLane: HaveState] = [:]
    /// Lanes whose `<have/>` is due at the end of the batch.
    var dueHaves: [DueHave] = []
    /// Lanes that something came on in this batch.
    var unwrittenHaves: [IncomingLane] = []
    /// Lanes that gave numbers in this batch.
    var unwrittenLanes: [(slot: LinkID, index: Int)] = []
    /// From where wrong secrets of components were shown.
    var wrongSecretsShown = TokenBuckets<RemoteAddress>(
        burst: Self.wrongSecrets, interval: Self.wrongSecretInterval, bound: Self.wrongSecretAddresses)
    /// Dialback keys that others gave us to verify.
    var verifications = Verifications()

    /// Whose share of a queue a stanza is.
    var senders = SenderMarks()
    /// Counts the new domains that each account brings up.
    var strangers = StrangerGate()
    /// When the timer for early expiries is due; nil while none is set.
    var earlyExpiry: Instant?
    /// Counts censuses of queues, so that the timers of an earlier one meet nothing.
    var nextCensus: UInt64 = 0
    /// Every stream is being closed, and none begins any more.
    var isShuttingDown = false

    /// What an attempt is for.
    enum Dial {
        /// For a stream that carries the link.
        case link(LinkID)
        /// To ask whether a dialback key is genuine; or that is still to be done.
        case verify(Verification)
    }

    /// No links, no streams.
    public init() {}

    /// After a start: finds the lanes on disk and dials where something waits and where our other offices are.
    public mutating func boot(_ turn: Turn) {
        senders = SenderMarks(in: turn.store)
        for (_, row) in LaneTable.all(in: turn.store) {
            let pair = DomainPair(
                local: AddressTable.address(row.local, in: turn.store), peer: AddressTable.address(row.peer, in: turn.store))
            _ = slot(of: pair, turn)
        }
        countHeld(turn)
        trimAll(turn)
        prepareComponents(turn)
        for slot in links.ids { forgetLater(slot, turn) }
        dialKnownPeers(turn)
        for slot in links.ids where links[slot].waiting > 0 {
            // It was an office once: what waits keeps the lifetime with which it was accepted.
            if links[slot].waiting > StrangerGate.waitingLimit { links[slot].becameKnown() }
            dialIfResting(slot, turn)
            scheduleExpiry(slot, turn)
            scheduleWarning(slot, turn)
        }
        scheduleEarlyExpiry(turn)
    }

    /// The policy changed, or the certificate that we show: who would not be let in any more is sent away, newly named offices are
    /// dialled, and what has failed is tried anew at once, since that may be what was changed for it. Streams that are up go on.
    public mutating func policyChanged(_ turn: Turn) {
        prepareComponents(turn)
        endRefused(turn)
        trimAll(turn)
        dialKnownPeers(turn)
        for slot in links.ids { if case .backingOff = links[slot].state { retry(slot, turn) } }
    }

    /// Ends streams for pairs that the policy refuses now: a domain that is ours from now on must not be spoken for by the server that it
    /// was on.
    private mutating func endRefused(_ turn: Turn) {
        let streams = inbound.keys.sorted { ($0.loop, $0.slot, $0.generation) < ($1.loop, $1.slot, $1.generation) }
        for connection in streams {
            if let domain = inbound[connection]?.component {
                guard !turn.policy.isComponent(domain.domainpart), let slot = links.id(on: connection) else { continue }
                endComponent(connection, slot, StreamError(.hostGone), "\(domain) is no component any more", turn)
                continue
            }
            guard let reason = inbound[connection]?.pairs.compactMap({ refusal(of: $0, turn) }).first else { continue }
            for pair in inbound[connection]?.pairs ?? [] { turn.note(.peerRefused(pair, reason: reason)) }
            turn.perform(.close(StreamError(.policyViolation)), on: connection)
            inboundClosed(connection, turn)
            if let slot = links.id(on: connection) { streamLost(slot, reason, turn) }
        }
        for slot in links.ids {
            guard let reason = objection(to: links[slot].pair, turn) else { continue }
            if let connection = links[slot].connection {
                turn.perform(.close(nil), on: connection)
                streamLost(slot, reason, turn)
            } else if case .dialling(let dial) = links[slot].state {
                turn.perform(.cancelDial(dial))
                dialFailed(dial, .refused(reason), turn)
            }
        }
    }

    /// The end of a batch: haves are sent, windows filled, acknowledgements asked for.
    public mutating func endBatch(_ turn: Turn) {
        if verifications.isDue { verifyNext(turn) }
        sendDueHaves(turn)
        // What a link writes here touches it once more; it is being looked after already.
        for slot in links.touched {
            pump(slot, turn)
            requestProof(slot, turn)
            links.lookedAfter(slot)
        }
        links.lookedAfterAll()
    }

    /// After everything else in a batch: how far its lanes have come, one row for each, in the transaction of what they carry.
    public mutating func writeBatch(_ turn: Turn) {
        writeHaves(turn)
        for (slot, index) in unwrittenLanes {
            links[slot].lanes[index].isUnwritten = false
            guard let id = links[slot].lanes[index].id, let row = links[slot].lanes[index].row else { continue }
            LaneTable.update(id, row, in: turn.store)
        }
        unwrittenLanes.removeAll(keepingCapacity: true)
    }

    /// Every stream is closed; queues stay on disk.
    public mutating func shutdown(_ turn: Turn) {
        isShuttingDown = true
        for slot in links.ids {
            if let connection = links[slot].connection { turn.perform(.close(nil), on: connection) }
            if case .dialling(let dial) = links[slot].state { turn.perform(.cancelDial(dial)) }
        }
        let streams = inbound.keys.sorted { ($0.loop, $0.slot, $0.generation) < ($1.loop, $1.slot, $1.generation) }
        for connection in streams {
            turn.perform(.close(StreamError(.systemShutdown)), on: connection)
        }
    }

    /// A timer fired.
    public mutating func timerFired(_ timer: LinkTimer, _ turn: Turn) {
        switch timer {
        case .retry(let link, let generation):
            guard links.isCurrent(link, generation) else { return }
            if case .backingOff = links[link].state { dial(link, turn) }
        case .silence(let link, let generation):
            guard links.isCurrent(link, generation) else { return }
            silenceNoticed(link, turn)
        case .expiry(let link):
            if links.contains(link) { expire(link, turn) }
        case .earlyExpiry:
            expireEarly(turn)
        case .delayWarning(let link):
            if links.contains(link) { warnSenders(link, turn) }
        case .strangerTimeout(let link):
            strangerTimedOut(link, turn)
        case .dialbackTimeout(let dial):
            dialbackTimedOut(dial, turn)
        case .verificationsDue:
            verifications.timerFired()
        case .keepAlive(let link, let generation):
            guard links.isCurrent(link, generation) else { return }
            keepAlive(link, turn)
        case .forget(let link, let generation):
            guard links.isCurrent(link, generation) else { return }
            forget(link)
        case .census(let link, let generation):
            censusDue(link, generation, turn)
        case .work(let link):
            if links.contains(link) { work(link, turn) }
        case .heldNotice(let link):
            if links.contains(link) { tellHeld(link, turn) }
        case .trim(let link):
            trimDue(link, turn)
        }
    }

    /// The link of a pair, made if there is none, with the lanes that the store has of it.
    mutating func slot(of pair: DomainPair, _ turn: Turn) -> LinkID {
        if let slot = links.id(of: pair) { return slot }
        let remembered = peerRow(pair.peer, turn)
        let isStranger = !turn.policy.federation.knownPeers.contains(pair.peer) && !remembered.wasReached
        let slot = links.added(PeerLink(pair, isStranger: isStranger))
        links[slot].announcedBytes = remembered.announcedBytes.map { max(StreamLimits.leastBytes, Int($0)) }
        guard let local = AddressTable.number(of: pair.local, in: turn.store),
            let peer = AddressTable.number(of: pair.peer, in: turn.store)
        else { return slot }
        for laneClass in LaneClass.allCases {
            guard let id = LaneTable.lane(local: local, peer: peer, laneClass: laneClass, in: turn.store) else { continue }
            links[slot].lanes[Int(laneClass.rawValue)].loaded(id, LaneTable.row(id, in: turn.store))
            findLeftovers(slot, Int(laneClass.rawValue), turn)
            countLoad(slot, Int(laneClass.rawValue), turn)
        }
        links[slot].laneRules = LaneRulesTable.rules(local: local, peer: peer, in: turn.store)
        return slot
    }

    /// What the store remembers of a peer.
    func peerRow(_ peer: JID, _ turn: Turn) -> PeerRow {
        guard let number = AddressTable.number(of: peer, in: turn.store) else { return PeerRow() }
        return PeerTable.row(number, in: turn.store)
    }

    private mutating func dialKnownPeers(_ turn: Turn) {
        guard turn.policy.federation.isEnabled else { return }
        for local in turn.policy.peoplesDomains {
            for peer in turn.policy.federation.knownPeers where !turn.policy.serves(peer.domainpart) {
                let slot = slot(of: DomainPair(local: local, peer: peer), turn)
                links[slot].becameKnown()
                dialIfResting(slot, turn)
            }
        }
    }
}
