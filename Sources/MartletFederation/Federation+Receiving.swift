import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

extension Federation {
    /// A fact about a connection from or to another server.
    public mutating func received(_ event: consuming PeerStreamEvent, on connection: ConnectionID, _ turn: Turn) {
        switch consume event {
        case .dialbackKeyReceived(let pair, let key, let streamID, let address):
            dialbackKeyReceived(pair, key, streamID, address, on: connection, turn)
        case .peerVerified(let pair, let proof, let bidirection, let announcedBytes):
            peerVerified(pair, proof, bidirection, announcedBytes, on: connection, turn)
        case .componentShown(let domain, let isGenuine, let address):
            componentShown(domain, isGenuine: isGenuine, address, on: connection, turn)
        case .spent:
            turn.bill.payer = party(on: connection)
        case .stanza(let stanza):
            peerIsHeard(on: connection, turn)
            receivedStanza(stanza, on: connection, turn)
        case .stanzaRefused(let stanza, let error):
            turn.bill.payer = party(on: connection)
            refused(stanza, error, on: connection, turn)
        case .nonza(let nonza):
            turn.bill.payer = party(on: connection)
            peerIsHeard(on: connection, turn)
            receivedNonza(nonza, on: connection, turn)
            if let slot = links.id(on: connection) {
                // It settles what we have sent.
                if nonza.name == "have" || nonza.name == "a" { turn.bill.isPaid = true }
                linkHeard(nonza, slot, turn)
            }
        case .errorReceived(let condition):
            if let slot = links.id(on: connection) { streamEnds(.error(condition), slot, turn) }
        case .errorSent(let condition):
            if let slot = links.id(on: connection) { streamEnds(.objection(condition), slot, turn) }
        case .streamEnded:
            if let slot = links.id(on: connection) { closeAnswered(slot, turn) }
            componentClosed(connection, turn)
        case .closed(let words):
            inboundClosed(connection, turn)
            if let slot = links.id(on: connection) { streamLost(slot, words, turn) }
        case .congested:
            guard let slot = links.id(on: connection) else {
                return turn.perform(.close(StreamError(.resourceConstraint)), on: connection)
            }
            turn.perform(.abort, on: connection)
            streamLost(slot, "the peer reads too slowly", turn)
        }
    }

    /// A pair may be used on this stream from now on: the first moment at which anything of the peer is written down.
    private mutating func peerVerified(
        _ pair: DomainPair, _ proof: PeerProof, _ bidirection: Bidirection, _ announcedBytes: Int?,
        on connection: ConnectionID, _ turn: Turn
    ) {
        if let reason = refusal(of: pair, turn) {
            turn.note(.peerRefused(pair, reason: reason))
            return turn.perform(.close(StreamError(.policyViolation)), on: connection)
        }
        if inbound[connection]?.pairs.contains(pair) != true {
            inbound[connection, default: InboundStream()].pairs.append(pair)
            provenStreams[pair, default: 0] += 1
        }
        if proof == .certificate { rememberCertificate(pair.peer, turn) }
        if bidirection != .none {
            opened(ReturnWay(connection: connection, proof: proof, bidirection: bidirection), pair)
            announced(announcedBytes, pair, turn)
        }
        turn.note(.peerAccepted(pair, proof))
        peerShowedItself(pair, turn)
    }

    private func rememberCertificate(_ peer: JID, _ turn: Turn) {
        guard turn.admits(.note) || AddressTable.number(of: peer, in: turn.store) != nil else { return }
        let number = AddressTable.makeNumber(of: peer, in: turn.store)
        var row = PeerTable.row(number, in: turn.store)
        guard !row.showedCertificate, turn.admits(.note) else { return }
        row.showedCertificate = true
        PeerTable.update(number, row, in: turn.store)
    }

    /// Why a peer is not let in; nil where it is.
    func refusal(of pair: DomainPair, _ turn: Turn) -> String? {
        if !turn.policy.federation.isEnabled { return "federation is off" }
        if !turn.policy.serves(pair.local.domainpart) { return "\(pair.local) is not served here" }
        if turn.policy.serves(pair.peer.domainpart) { return "\(pair.peer) is our own domain" }
        if turn.policy.federation.blockedPeers.contains(pair.peer) { return "\(pair.peer) is blocked" }
        return nil
    }

    /// A stanza between domains that this stream has proven; the stream engine has checked that.
    private mutating func receivedStanza(_ stanza: consuming Stanza, on connection: ConnectionID, _ turn: Turn) {
        guard let from = stanza.from, let to = stanza.to else { return }
        guard let place = inbound.index(forKey: connection) else { return strayReceived(stanza, on: connection, turn) }
        if let domain = inbound.values[place].component { return componentSaid(stanza, domain, on: connection, turn) }
        let pair = DomainPair(local: to.domain, peer: from.domain)
        turn.bill.payer = .peer(pair.peer)
        if inbound.values[place].isManaged { inbound.values[place].handled &+= 1 }
        if stanza.kind == .iq, stanza.iqType?.isRequest == false {
            if fenceAnswered(stanza, pair, turn) { return }
            if forgetRequest(stanza, pair) { return }
        }
        if let mark = stanza.relayMark {
            stanza.relayMark = nil
            receivedEntry(mark, .stanza(stanza), pair, on: connection, turn)
        } else {
            turn.admit(stanza, from: .peer(connection, pair))
        }
    }

    /// A stanza on the stream that we opened for ours. An answer to what we asked there is welcome: who answers has to know an id that
    /// nobody else was told, and what it proves is what the stream that carries it proves. Nothing else is taken: the peer opens
    /// a stream for it, on which it proves itself. Whoever sent it is told so.
    private mutating func strayReceived(_ stanza: Stanza, on connection: ConnectionID, _ turn: Turn) {
        guard let slot = links.id(on: connection) else { return }
        let pair = links[slot].pair
        if stanza.kind == .iq, stanza.iqType?.isRequest == false {
            if fenceAnswered(stanza, pair, turn) || !isAwaited(stanza, slot) { return }
            return turn.admit(stanza, from: .peer(connection, pair))
        }
        // What has a number comes again on a stream that is the peer's.
        if stanza.kind == .presence || stanza.relayMark != nil { return }
        turn.bounce(stanza, StanzaError(.notAllowed, .cancel, text: "Sent on a stream that was opened for the other direction"))
    }

    /// An answer came; true where its request has failed already: nobody hears an answer twice (`Docs/relay-protocol.md` §5).
    mutating func forgetRequest(_ stanza: Stanza, _ pair: DomainPair) -> Bool {
        guard let slot = links.id(of: pair), let id = stanza.id, let from = stanza.to, let to = stanza.from else {
            return false
        }
        return links[slot].requests.answered(PeerRequests.Request(id: id, from: from, to: to)) == .tooLate
    }

    /// What concerns the stanzas that come on the stream.
    private mutating func receivedNonza(_ nonza: Element, on connection: ConnectionID, _ turn: Turn) {
        guard let stream = inbound[connection] else {
            if nonza.is("r", Namespaces.streamManagement) { acknowledgeCount(0, on: connection, turn) }
            return
        }
        switch (nonza.name, nonza.namespace) {
        case ("ask", Namespaces.relay):
            guard let pair = pair(of: nonza, on: connection) else { return }
            if refuses(connection, turn) { return }
            if let time = nonza["at"].flatMap({ RelayMark.moment(Array($0.utf8)[...]) }) {
                _ = inbound[connection]?.clock.lateness(of: time, at: turn.now)
            }
            supersede(pair, by: connection, turn)
            let asked = nonza["lane"].flatMap(LaneClass.init(name:))
            for laneClass in LaneClass.allCases where asked == nil || asked == laneClass {
                let lane = IncomingLane(pair: pair, laneClass: laneClass)
                var have = haves[lane] ?? loaded(lane, turn)
                makeDue(lane, &have, on: connection, tellsTags: asked != nil)
                haves[lane] = have
            }
        case ("void", Namespaces.relay):
            guard let pair = pair(of: nonza, on: connection), let mark = RelayMark(nonza) else { return }
            receivedEntry(mark, .void, pair, on: connection, turn)
        case ("enable", Namespaces.streamManagement) where !stream.isOurs:
            manage(connection)
            turn.perform(.send(StreamManagement.enabled), on: connection)
        case ("enabled", Namespaces.streamManagement) where stream.isOurs:
            // XEP-0198 §3: both ends count from here on.
            manage(connection)
        case ("r", Namespaces.streamManagement):
            acknowledgeCount(stream.handled, on: connection, turn)
        default:
            break
        }
    }

    private mutating func manage(_ connection: ConnectionID) {
        inbound[connection]?.isManaged = true
        inbound[connection]?.handled = 0
    }

    private func acknowledgeCount(_ handled: UInt32, on connection: ConnectionID, _ turn: Turn) {
        turn.acknowledge(StreamManagement.acknowledgement(handled), on: connection)
    }

    /// Another Martlet carries a pair on one stream at a time: the one that carried it before is dead at its end, whatever
    /// TCP still believes, and would count against the limit of connections for hours.
    private mutating func supersede(_ pair: DomainPair, by connection: ConnectionID, _ turn: Turn) {
        if let before = relayStream[pair], before != connection, inbound[before]?.pairs == [pair] {
            turn.perform(.abort, on: before)
            forgetReturnWays(before)
            if let slot = links.id(on: before) { streamLost(slot, "the peer uses another stream", turn) }
        }
        relayStream[pair] = connection
    }

    /// The pair that a relay nonza names, if this stream has proven it.
    private func pair(of nonza: Element, on connection: ConnectionID) -> DomainPair? {
        guard let from = nonza["from"].flatMap({ try? JID($0) }), let to = nonza["to"].flatMap({ try? JID($0) }) else {
            return nil
        }
        let pair = DomainPair(local: to, peer: from)
        return inbound[connection]?.pairs.contains(pair) == true ? pair : nil
    }

    /// R1: the number moves in the transaction of the delivery; everything else is dropped and answered with what we have.
    mutating func receivedEntry(
        _ mark: RelayMark, _ content: NumberedContent, _ pair: DomainPair, on connection: ConnectionID, _ turn: Turn
    ) {
        if refuses(connection, bytes: content.bytes, turn) { return }
        let lane = IncomingLane(pair: pair, laneClass: mark.lane)
        // Looked up once, since the names of the lane are long, and taken out, so that what grows in it is not copied.
        var have = HaveState()
        let place = haves.index(forKey: lane)
        if let place { swap(&have, &haves.values[place]) } else { have = loaded(lane, turn) }
        defer {
            if let place { swap(&have, &haves.values[place]) } else { haves[lane] = have }
        }
        switch have.verdict(on: mark) {
        case .next:
            let content = stamped(content, mark, on: connection, turn)
            take(mark, content, lane, &have, from: .peer(connection, pair), turn)
        case .first(let replacing):
            if replacing { turn.note(.newEpoch(pair, lane: mark.lane.name)) }
            let content = stamped(content, mark, on: connection, turn)
            take(mark, content, lane, &have, from: .peer(connection, pair), turn)
        case .ended:
            turn.note(.endedEpoch(pair, lane: mark.lane.name))
            have.ended = mark.epoch
        case .gap(let expected):
            turn.note(.numberOutOfOrder(pair, lane: mark.lane.name, expected: expected, received: mark.number))
            inbound[connection]?.gaps += 1
            if let gaps = inbound[connection]?.gaps, gaps >= InboundStream.gapLimit {
                return turn.perform(.close(StreamError(.policyViolation, text: "Numbers are missing")), on: connection)
            }
        case .duplicate:
            break
        }
        makeDue(lane, &have, on: connection)
    }

    /// S6: what was written at once and comes late all the same says when it was taken over. No number is missing before it.
    private mutating func stamped(
        _ content: consuming NumberedContent, _ mark: RelayMark, on connection: ConnectionID, _ turn: Turn
    ) -> NumberedContent {
        guard let place = inbound.index(forKey: connection) else { return content }
        inbound.values[place].gaps = 0
        if let told = mark.acceptedAt { inbound.values[place].toldMoment = told }
        guard let time = inbound.values[place].toldMoment, case .stanza(var stanza) = content, let origin = stanza.from?.domain,
            // What was not written at once has its stamp, and says nothing of the line.
            mark.acceptedAt != nil || !stanza.isStamped(by: origin),
            inbound.values[place].clock.lateness(of: time, at: turn.now) > PeerClock.tolerance
        else { return content }
        stanza.stamp(from: origin, time)
        return .stanza(stanza)
    }

    /// The number and the delivery, by whichever carrier it came.
    mutating func take(
        _ mark: RelayMark, _ content: NumberedContent, _ lane: IncomingLane, _ have: inout HaveState, from origin: Origin,
        _ turn: Turn
    ) {
        have.took(mark)
        if have.peer == nil {
            have.peer = AddressTable.makeNumber(of: lane.pair.peer, in: turn.store)
            have.local = AddressTable.makeNumber(of: lane.pair.local, in: turn.store)
        }
        if !have.isUnwritten {
            have.isUnwritten = true
            unwrittenHaves.append(lane)
        }
        if turn.policy.tracesEntries, case .stanza(let stanza) = content {
            turn.note(.entryTaken(EntryTrace(lane.pair, lane.laneClass, mark.number), id: stanza.id ?? ""))
        }
        switch content {
        case .stanza(let stanza): turn.admit(stanza, from: origin)
        case .refused(let stanza, let error): turn.bounce(stanza, error)
        case .void: break
        }
    }

    /// A stream of the peer's is gone, or is not listened to any more.
    mutating func inboundClosed(_ connection: ConnectionID, _ turn: Turn) {
        forgetReturnWays(connection)
        for id in inbound[connection]?.verifications ?? [] { giveUpVerification(id, turn) }
        guard let stream = inbound.removeValue(forKey: connection) else { return }
        for pair in stream.pairs where relayStream[pair] == connection { relayStream[pair] = nil }
        if stream.isOurs { return }
        for pair in stream.pairs {
            let others = (provenStreams[pair] ?? 1) - 1
            provenStreams[pair] = others > 0 ? others : nil
        }
    }
}
