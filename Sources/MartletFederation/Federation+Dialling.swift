import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

extension Federation {
    /// Addresses that worked are believed for a day when DNS is dead.
    private static let endpointLifetime: Int64 = 86_400_000

    /// Begins an attempt unless one is under way or due.
    mutating func dialIfResting(_ slot: Int, _ turn: Turn) {
        if case .idle = links[slot].state { dial(slot, turn) }
    }

    /// Begins an attempt; where the last one failed, a stream that the peer opened makes it needless.
    mutating func dial(_ slot: Int, _ turn: Turn) {
        guard joins(links[slot].pair, turn) else { return links[slot].state = .idle }
        guard !isShuttingDown, !adopt(slot, turn) else { return }
        let id = newDial(.link(slot))
        links[slot].state = .dialling(id)
        turn.perform(.dial(request(id, links[slot].pair, .link, turn)))
    }

    /// Whether a link joins one of our domains with another server's. It does not where a domain was given up, or taken over from
    /// another server: what waits on it stays until its lifetime ends.
    func joins(_ pair: DomainPair, _ turn: Turn) -> Bool {
        turn.policy.serves(pair.local.domainpart) && !turn.policy.serves(pair.peer.domainpart)
    }

    mutating func newDial(_ dial: Dial) -> DialID {
        let id = DialID(nextDial)
        nextDial += 1
        dials[id] = dial
        return id
    }

    func request(_ id: DialID, _ pair: DomainPair, _ purpose: DialRequest.Purpose, _ turn: Turn) -> DialRequest {
        let row = peerRow(pair.peer, turn)
        let isFresh = turn.now - row.endpointsSeen < Self.endpointLifetime
        let needsCertificate = requiresCertificate(pair.peer, row, turn)
        var request = DialRequest(
            id: id, pair: pair, purpose: purpose,
            remembered: isFresh ? row.endpoints.map(RememberedEndpoint.init) : [],
            requiresCertificate: purpose == .link && needsCertificate)
        request.rememberedAge = turn.now - row.endpointsSeen
        return request
    }

    func requiresCertificate(_ peer: JID, _ row: PeerRow, _ turn: Turn) -> Bool {
        !turn.policy.allowsDialback || row.showedCertificate || turn.policy.certificateRequired.contains(peer)
    }

    /// An attempt succeeded.
    public mutating func dialed(
        _ id: DialID, _ connection: ConnectionID, _ features: PeerFeatures, _ endpoints: [RememberedEndpoint], _ turn: Turn
    ) {
        guard case .link(let slot) = dials.removeValue(forKey: id), case .dialling(id) = links[slot].state, !isShuttingDown
        else {
            return turn.perform(.close(nil), on: connection)
        }
        links[slot].lastError = ""
        links[slot].cannotBeDialled = false
        links[slot].isOnPeersStream = false
        if features.isBidirectional { inbound[connection] = InboundStream(pairs: [links[slot].pair], isOurs: true) }
        remember(links[slot].pair.peer, features, endpoints, turn)
        begin(slot, connection, isRelay: features.relay, isManaged: features.streamManagement, turn)
        noteUp(slot, turn)
    }

    /// An authenticated stream carries the link from now on. `isManaged`: XEP-0198 may be asked for.
    mutating func begin(_ slot: Int, _ connection: ConnectionID, isRelay: Bool, isManaged: Bool, _ turn: Turn) {
        linkByConnection[connection] = slot
        links[slot].generation += 1
        links[slot].isSilenceArmed = false
        links[slot].absences = 0
        links[slot].isStranger = false
        links[slot].isUpUntold = false
        if isRelay { beginRelay(slot, connection, turn) } else { beginForeign(slot, connection, isManaged: isManaged, turn) }
        let volatile = links[slot].volatile
        links[slot].volatile = []
        for stanza in volatile { writeBeside(stanza, slot, turn) }
        touch(slot)
    }

    /// Between Martlets: ask what the peer has; each lane opens with the answer (S2). The question also tells the peer
    /// that we speak the relay protocol, which it must not assume of a stream that it did not open.
    private mutating func beginRelay(_ slot: Int, _ connection: ConnectionID, _ turn: Turn) {
        links[slot].state = .up(connection, .relay)
        for index in links[slot].lanes.indices where links[slot].lanes[index].row?.provenOtherwise == true {
            beginEpoch(slot, index, turn)
        }
        turn.perform(.send(relayNonza("ask", links[slot].pair, nil)), on: connection)
        expectAnswer(slot, turn)
    }

    private mutating func beginForeign(_ slot: Int, _ connection: ConnectionID, isManaged: Bool, _ turn: Turn) {
        links[slot].state = .up(connection, .foreign(ForeignCarrier(managed: isManaged)))
        if isManaged {
            turn.perform(.send(Array("<enable xmlns='\(Namespaces.streamManagement)'/>".utf8)), on: connection)
        }
        for index in links[slot].lanes.indices where links[slot].lanes[index].row?.isStopped != true {
            links[slot].lanes[index].isOpen = true
        }
    }

    /// A peer that was foreign is a Martlet now: it cannot know the numbers that were proven by other means, so what
    /// still waits is numbered anew under a new epoch.
    private mutating func beginEpoch(_ slot: Int, _ index: Int, _ turn: Turn) {
        guard let row = links[slot].lanes[index].row else { return }
        renumber(slot, index, behind: row.acked, turn)
    }

    private func remember(_ peer: JID, _ features: PeerFeatures, _ endpoints: [RememberedEndpoint], _ turn: Turn) {
        let number = AddressTable.makeNumber(of: peer, in: turn.store)
        let before = PeerTable.row(number, in: turn.store)
        var row = before
        row.wasReached = true
        row.showedCertificate = before.showedCertificate || features.peerCertificateVerified
        row.endpoints = endpoints.map {
            PeerRow.Endpoint(address: $0.address, port: $0.port, directTLS: $0.directTLS)
        }
        row.endpointsSeen = turn.now
        turn.lazily { PeerTable.update(number, row, in: turn.store) }
    }

    /// An attempt failed.
    public mutating func dialFailed(_ id: DialID, _ failure: DialFailure, _ turn: Turn) {
        guard let dial = dials[id] else { return }
        guard case .link(let slot) = dial else {
            return dialbackEnded(id, .error(.remoteServerTimeout, words: failure.words), turn)
        }
        dials[id] = nil
        guard case .dialling(id) = links[slot].state else { return }
        links[slot].cannotBeDialled = true
        links[slot].lastError = failure.words
        if adopt(slot, turn) { return }
        switch failure {
        case .noSuchDomain:
            links[slot].absences += 1
            // Somebody who has a stream to us exists, whatever DNS says of him.
            if links[slot].absences >= 2, links[slot].isStranger, provenStreams[links[slot].pair] == nil {
                return giveUp(slot, StanzaError(.remoteServerNotFound), failure.words, turn)
            }
        case .serviceNotOffered:
            if links[slot].isStranger { return giveUp(slot, StanzaError(.remoteServerNotFound), failure.words, turn) }
        case .unreachable, .refused:
            links[slot].absences = 0
        }
        // The first absence is asked about again before anybody is told.
        let isFirstAbsence = failure == .noSuchDomain && links[slot].absences == 1 && links[slot].isStranger
        if !isFirstAbsence { failVolatile(slot, StanzaError(.remoteServerTimeout), turn) }
        backOff(slot, failure.words, turn)
    }

    /// Waits with jitter: the second half of a pause that doubles up to its maximum.
    mutating func backOff(_ slot: Int, _ reason: String, _ turn: Turn) {
        links[slot].failures += 1
        links[slot].lastError = reason
        links[slot].generation += 1
        links[slot].isSilenceArmed = false
        let doubled = turn.policy.retryMinimum << Int64(min(links[slot].failures - 1, 20))
        let base = min(doubled, turn.policy.retryMaximum)
        let pause = base / 2 + Int64(turn.random.next() % UInt64(max(base / 2, 1)))
        links[slot].state = .backingOff(until: turn.now + pause)
        turn.schedule(.linkRetry(LinkID(slot: UInt32(slot)), generation: links[slot].generation), after: pause)
        turn.note(.linkDown(links[slot].pair, reason: reason, retryAfter: pause))
        noteFailing(slot, turn)
    }

    /// The stream that carried the link is gone; no repair exists but another stream (S4).
    mutating func streamLost(_ slot: Int, _ reason: String, _ turn: Turn) {
        guard let connection = links[slot].connection else { return }
        linkByConnection[connection] = nil
        forgetReturnWays(connection)
        for index in links[slot].lanes.indices { links[slot].lanes[index].streamLost() }
        links[slot].window = SendWindow()
        links[slot].unheardBytes = 0
        links[slot].owedSince = nil
        links[slot].generation += 1
        links[slot].isSilenceArmed = false
        links[slot].needsRefresh = true
        if case .up(_, .foreign(let foreign)) = links[slot].state, foreign.hasUnprovenEntry { links[slot].doubtfulStreams += 1 }
        links[slot].state = .idle
        let requests = links[slot].requests
        let excess = links[slot].failedRequests.count + requests.count - PeerLink.requestLimit
        if excess > 0 { links[slot].failedRequests.removeFirst(min(excess, links[slot].failedRequests.count)) }
        links[slot].requests = []
        for request in requests {
            let stanza = Stanza(.iq, from: request.from, to: request.to, id: request.id, type: "get")
            turn.bounce(stanza, StanzaError(.remoteServerTimeout))
            links[slot].failedRequests.append(request)
        }
        guard !isShuttingDown, !adopt(slot, turn) else { return }
        if links[slot].waiting > 0 || turn.policy.knownPeers.contains(links[slot].pair.peer) {
            backOff(slot, reason, turn)
        } else {
            links[slot].lastError = reason
            turn.note(.linkDown(links[slot].pair, reason: reason, retryAfter: 0))
            changes.append(LinkChange(links[slot].pair, .lost))
        }
    }

    /// The peer showed itself: no reason to wait any longer. Where a stream of ours is up, its process may be a new one that
    /// knows nothing of that stream: asking finds it out now instead of with the next message. An attempt that would end
    /// like the last one is not waited for where its new stream carries the link as well.
    mutating func peerShowedItself(_ pair: DomainPair, _ turn: Turn) {
        guard let slot = linkByPair[pair] else { return }
        switch links[slot].state {
        case .backingOff:
            links[slot].generation += 1
            dial(slot, turn)
        case .idle:
            if links[slot].needsRefresh || links[slot].waiting > 0 { dial(slot, turn) }
        case .up(let connection, _):
            // Nothing was heard on the stream that the link was put on last: the new one is the better guess.
            if links[slot].isUpUntold, let newest = returnWays[pair]?.last?.connection, newest != connection {
                return streamLost(slot, "the peer opened another stream", turn)
            }
            probe(slot, turn)
        case .dialling(let dial):
            guard adopt(slot, turn) else { return }
            dials[dial] = nil
            turn.perform(.cancelDial(dial))
        case .closing:
            break
        }
    }

    /// Ten minutes with a domain that never answered.
    mutating func strangerTimedOut(_ slot: Int, _ turn: Turn) {
        guard slot < links.count, links[slot].isStranger, !links[slot].isUp, links[slot].waiting > 0 else { return }
        let oldest = oldestAcceptance(slot, turn) ?? turn.now
        guard turn.now - oldest >= turn.policy.strangerTimeout else { return }
        giveUp(slot, StanzaError(.remoteServerTimeout), links[slot].lastError, turn)
    }
}

extension RememberedEndpoint {
    init(_ endpoint: PeerRow.Endpoint) {
        self.init(address: endpoint.address, port: endpoint.port, directTLS: endpoint.directTLS)
    }
}
