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
    /// How often it is written down that they still work, milliseconds: an hour is little of a day, and a row an hour costs nothing.
    private static let endpointNotice: Int64 = 3_600_000

    /// How long the operator can see what became of a domain that nobody waits for any more, milliseconds: long enough to look
    /// after a complaint.
    private static let forgettingTime: Int64 = 3_600_000

    /// A link that nobody may need any more rests: it is forgotten after a time.
    mutating func forgetLater(_ slot: LinkID, _ turn: Turn) {
        guard links[slot].isForgettable else { return }
        turn.schedule(.link(.forget(slot, generation: links[slot].generation)), after: Self.forgettingTime)
    }

    /// Nothing has happened on the link since then.
    mutating func forget(_ slot: LinkID) {
        if links[slot].isForgettable { links.forgotten(slot) }
    }

    /// Whether an address of the peer worked within the last day.
    func wasReachedLately(_ peer: JID, _ turn: Turn) -> Bool {
        let row = peerRow(peer, turn)
        return row.wasReached && turn.now - row.endpointsSeen < Self.endpointLifetime
    }

    /// Begins an attempt unless one is under way or due.
    mutating func dialIfResting(_ slot: LinkID, _ turn: Turn) {
        if case .idle = links[slot].state { dial(slot, turn) }
    }

    /// Begins an attempt; where the last one failed, a stream that the peer opened makes it needless.
    mutating func dial(_ slot: LinkID, _ turn: Turn) {
        if isComponent(links[slot].pair, turn) { return awaitComponent(slot, turn) }
        if let reason = objection(to: links[slot].pair, turn) {
            links[slot].rested(after: reason)
            return noteFailing(slot, turn)
        }
        guard !isShuttingDown, !adopt(slot, turn) else { return }
        let id = newDial(.link(slot))
        links[slot].attemptBegan(id)
        turn.perform(.dial(request(id, links[slot].pair, .link, by: cause(of: slot, turn), turn)))
    }

    /// Why a link joins no domain of ours with another server's any more: one was given up, or taken over from another server. What
    /// waits on it stays until its lifetime ends.
    func objection(to pair: DomainPair, _ turn: Turn) -> String? {
        if isComponent(pair, turn) { return nil }
        if !turn.policy.serves(pair.local.domainpart) { return "\(pair.local) is not served here" }
        return turn.policy.serves(pair.peer.domainpart) ? "\(pair.peer) is our own domain" : nil
    }

    /// A number for an attempt, under which its outcome comes back.
    mutating func newDial(_ dial: Dial) -> DialID {
        let id = DialID(nextDial)
        nextDial += 1
        dials[id] = dial
        return id
    }

    /// Whose doing an attempt for a link is: our offices come before people who wait for an answer, and these before servers that
    /// were let in before. Of an account there may be many domains that do not answer.
    private func cause(of slot: LinkID, _ turn: Turn) -> Cause {
        let link = links[slot]
        if turn.policy.federation.knownPeers.contains(link.pair.peer) { return Cause(.office, .peer(link.pair.peer)) }
        if let account = link.wantedBy, let number = AddressTable.number(of: account, in: turn.store) {
            return Cause(.person, .account(number))
        }
        // What waited before the start was somebody's.
        return Cause(link.waiting > 0 || !link.beside.isEmpty ? .person : .knownPeer, .peer(link.pair.peer))
    }

    /// What the network needs to know to make an attempt.
    func request(
        _ id: DialID, _ pair: DomainPair, _ purpose: DialRequest.Purpose, by cause: Cause, _ turn: Turn
    ) -> DialRequest {
        let row = peerRow(pair.peer, turn)
        let isFresh = wasReachedLately(pair.peer, turn)
        let needsCertificate = requiresCertificate(pair.peer, row, turn)
        var request = DialRequest(
            id: id, pair: pair, purpose: purpose,
            remembered: isFresh ? row.endpoints.map(RememberedEndpoint.init) : [],
            requiresCertificate: purpose == .link && needsCertificate, cause: cause)
        request.rememberedAge = turn.now - row.endpointsSeen
        request.segmentLimit = segmentLimit(of: row, turn)
        request.patience = patience(with: pair, turn)
        return request
    }

    /// How long an attempt to reach one of our offices may hang; nil for all others.
    private func patience(with pair: DomainPair, _ turn: Turn) -> Int64? {
        guard turn.policy.federation.knownPeers.contains(pair.peer) else { return nil }
        guard let slot = links.id(of: pair) else { return LinePace.shortest }
        // COMPAT(Swift 6.3): of copies, as in ``lengthLimit(_:_:)``.
        let reach = links[slot].reach
        let pace = links[slot].pace
        return reach.patience(of: pace)
    }

    /// Whether a peer may not prove itself by dialback: configuration says so, or it has shown a certificate before, which is
    /// then never given up for less.
    func requiresCertificate(_ peer: JID, _ row: PeerRow, _ turn: Turn) -> Bool {
        !turn.policy.federation.allowsDialback || row.showedCertificate
            || turn.policy.federation.certificateRequired.contains(peer)
    }

    /// An attempt succeeded.
    public mutating func dialed(
        _ id: DialID, _ connection: ConnectionID, _ features: PeerFeatures, _ endpoints: [RememberedEndpoint], _ turn: Turn
    ) {
        guard case .link(let slot) = dials.removeValue(forKey: id), case .dialling(id) = links[slot].state, !isShuttingDown
        else {
            return turn.perform(.close(nil), on: connection)
        }
        if features.isBidirectional { inbound[connection] = InboundStream(pairs: [links[slot].pair], isOurs: true) }
        remember(links[slot].pair.peer, features, endpoints, turn)
        links[slot].announcedBytes = features.announcedBytes
        let foreign = features.relay ? nil : ForeignCarrier(managed: features.streamManagement)
        begin(slot, connection, openedBy: .us, foreign: foreign, turn)
        noteUp(slot, turn)
    }

    /// An authenticated stream carries the link from now on.
    mutating func begin(
        _ slot: LinkID, _ connection: ConnectionID, openedBy opener: LinkStream.Opener, foreign: ForeignCarrier?, _ turn: Turn
    ) {
        links.streamBegan(slot, on: connection, openedBy: opener, at: turn.now, foreign: foreign)
        if let foreign {
            beginForeign(slot, connection, isManaged: foreign.isManaged, turn)
        } else {
            beginRelay(slot, connection, turn)
        }
        writeBesides(slot, turn)
        links.touch(slot)
    }

    /// Between Martlets: ask what the peer has; each lane opens with the answer (S2). The question also tells the peer
    /// that we speak the relay protocol, which it must not assume of a stream that it did not open.
    private mutating func beginRelay(_ slot: LinkID, _ connection: ConnectionID, _ turn: Turn) {
        for index in links[slot].lanes.indices where links[slot].lanes[index].row?.provenOtherwise == true {
            beginEpoch(slot, index, turn)
        }
        links[slot].stream?.life.questionPut(at: turn.now)
        links[slot].stream?.besides.asked()
        turn.perform(.send(askNonza(links[slot].pair, turn)), on: connection)
        expectAnswer(slot, turn)
    }

    private mutating func beginForeign(_ slot: LinkID, _ connection: ConnectionID, isManaged: Bool, _ turn: Turn) {
        if isManaged { turn.perform(.send(StreamManagement.enable), on: connection) }
        for index in links[slot].lanes.indices where links[slot].lanes[index].row?.isStopped != true {
            links[slot].lanes[index].isOpen = true
        }
    }

    /// A peer that was foreign is a Martlet now: it cannot know the numbers that were proven by other means, so what
    /// still waits is numbered anew under a new epoch.
    private mutating func beginEpoch(_ slot: LinkID, _ index: Int, _ turn: Turn) {
        guard let row = links[slot].lanes[index].row else { return }
        renumber(slot, index, behind: row.ackedPlace, turn)
    }

    private func remember(_ peer: JID, _ features: PeerFeatures, _ endpoints: [RememberedEndpoint], _ turn: Turn) {
        guard turn.admits(.note) || AddressTable.number(of: peer, in: turn.store) != nil else { return }
        let number = AddressTable.makeNumber(of: peer, in: turn.store)
        let before = PeerTable.row(number, in: turn.store)
        var row = before
        row.wasReached = true
        row.showedCertificate = before.showedCertificate || features.peerCertificateVerified
        row.endpoints = endpoints.map {
            PeerRow.Endpoint(address: $0.address, port: $0.port, directTLS: $0.directTLS)
        }
        row.endpointsSeen = turn.now
        row.announcedBytes = features.announcedBytes.flatMap(UInt32.init(exactly:))
        turn.lazily { PeerTable.update(number, row, in: turn.store) }
    }

    /// A stream that we opened was in use until now: the addresses that led to it are good from now on, not since it began, which may
    /// be long ago.
    mutating func addressesWorked(_ slot: LinkID, _ turn: Turn) {
        guard links[slot].stream?.opener == .us, !links[slot].isUpUntold,
            let number = AddressTable.number(of: links[slot].pair.peer, in: turn.store)
        else { return }
        var row = PeerTable.row(number, in: turn.store)
        guard !row.endpoints.isEmpty, turn.now - row.endpointsSeen >= Self.endpointNotice else { return }
        row.endpointsSeen = turn.now
        turn.lazily { PeerTable.update(number, row, in: turn.store) }
    }

    /// The peer showed itself: no reason to wait any longer. Where a stream of ours is up, its process may be a new one that
    /// knows nothing of that stream: asking finds it out now instead of with the next message. An attempt that would end
    /// like the last one is not waited for where its new stream carries the link as well.
    mutating func peerShowedItself(_ pair: DomainPair, _ turn: Turn) {
        guard let slot = links.id(of: pair) else { return }
        switch links[slot].state {
        case .backingOff:
            links[slot].pauseCutShort()
            dial(slot, turn)
        case .idle:
            if links[slot].needsRefresh || links[slot].waiting > 0 { dial(slot, turn) }
        case .up(let connection):
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
}

extension RememberedEndpoint {
    /// What the store remembers of an address that worked.
    init(_ endpoint: PeerRow.Endpoint) {
        self.init(address: endpoint.address, port: endpoint.port, directTLS: endpoint.directTLS)
    }
}
