import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Proofs and signs of life: foreign servers are asked to prove what they got, and a peer from which nothing is heard is
/// asked, then given up (`Docs/relay-protocol.md` S4, §6). What follows then: `Federation+Failures.swift`.
extension Federation {
    /// At the end of a batch: foreign servers are asked to prove what they got (§6).
    mutating func requestProof(_ slot: LinkID, _ turn: Turn) {
        guard case .up(let connection) = links[slot].state, let question = links[slot].stream?.foreign?.batchEnded() else {
            return
        }
        put(question, slot, connection, turn)
    }

    private mutating func put(
        _ question: ForeignCarrier.Question, _ slot: LinkID, _ connection: ConnectionID, _ turn: Turn
    ) {
        links[slot].stream?.besides.asked()
        switch question {
        case .count: turn.perform(.send(StreamManagement.request), on: connection)
        case .fence: raiseFence(slot, connection, turn)
        }
    }

    /// XEP-0199 between the domains of this stream, with an unguessable id: the answer, on whichever stream it
    /// returns, proves that everything before was parsed (rung 2).
    private mutating func raiseFence(_ slot: LinkID, _ connection: ConnectionID, _ turn: Turn) {
        let id = "fence-" + turn.random.identifier()
        links[slot].stream?.foreign?.fenceRaised(id, at: turn.now)
        let pair = links[slot].pair
        let ping = Stanza(
            .iq, from: pair.local, to: pair.peer, id: id, type: "get", payloads: [Element("ping", Namespaces.ping)])
        turn.perform(.send(ping.serialized()), on: connection)
    }

    /// From now on the peer owes a sign of life.
    mutating func expectAnswer(_ slot: LinkID, _ turn: Turn) {
        guard let look = links[slot].answerExpected(at: turn.now, limit: turn.policy.federation.silenceTimeout) else { return }
        scheduleSilence(slot, at: look, turn)
    }

    /// The peer gave a sign of life.
    mutating func heard(_ slot: LinkID, _ turn: Turn) {
        if links[slot].heard(at: turn.now) { noteUp(slot, turn) }
        // A lane that waits to be opened waits for its own `<have/>`: that of another lane says nothing about it.
        let owesMore =
            links[slot].stream?.foreign?.isProven == false
            || links[slot].lanes.contains(where: { $0.inFlight > 0 || $0.awaitsOpening })
        if owesMore { expectAnswer(slot, turn) }
    }

    private func scheduleSilence(_ slot: LinkID, at instant: Instant, _ turn: Turn) {
        turn.schedule(.link(.silence(slot, generation: links[slot].generation)), at: instant)
    }

    /// The silence timer fired: ask once, then give the stream up (S4). TCP alone would wait for a quarter of an hour.
    mutating func silenceNoticed(_ slot: LinkID, _ turn: Turn) {
        switch links[slot].state {
        case .closing(let connection):
            silenceMayBeSize(slot, turn)
            links[slot].wasSilent()
            turn.perform(.abort, on: connection)
            streamLost(slot, "the peer did not close its stream", turn)
        case .up(let connection):
            switch links[slot].stream?.life.timerFired(at: turn.now) {
            case nil, .nothingOwed:
                break
            case .tooShort(let end):
                scheduleSilence(slot, at: end, turn)
            case .ask(let end):
                ask(slot, connection, turn)
                scheduleSilence(slot, at: end, turn)
            case .final:
                peerIsSilent(slot, connection, turn)
            }
        case .idle, .dialling, .backingOff:
            break
        }
    }

    /// Asks for a sign of life on a stream that owes none, and begins to wait for it.
    mutating func probe(_ slot: LinkID, _ turn: Turn) {
        guard case .up(let connection) = links[slot].state, links[slot].stream?.life.owedSince == nil else { return }
        ask(slot, connection, turn)
        expectAnswer(slot, turn)
    }

    private mutating func ask(_ slot: LinkID, _ connection: ConnectionID, _ turn: Turn) {
        if links[slot].isRelayed {
            links[slot].stream?.life.questionPut(at: turn.now)
            links[slot].stream?.besides.asked()
            turn.perform(.send(askNonza(links[slot].pair, turn)), on: connection)
        } else if let question = links[slot].stream?.foreign?.question {
            if question == .count { links[slot].stream?.life.questionPut(at: turn.now) }
            put(question, slot, connection, turn)
        }
    }

    /// Asked in vain. A stream by ping fence may be healthy while the way back of its answers is not: we close it, since the
    /// peer's closing tag after ours proves everything (rung 3). Every other stream is given up.
    private mutating func peerIsSilent(_ slot: LinkID, _ connection: ConnectionID, _ turn: Turn) {
        let limit = turn.policy.federation.silenceTimeout
        if links[slot].stream?.foreign?.isManaged == false, !isProbablyDead(connection, of: slot) {
            links[slot].closeBegan()
            turn.perform(.close(nil), on: connection)
            guard let end = links[slot].closeExpected(at: turn.now, limit: limit) else { return }
            return scheduleSilence(slot, at: end, turn)
        }
        silenceMayBeSize(slot, turn)
        let since = links[slot].stream?.life.owedSince ?? turn.now
        links[slot].wasSilent()
        turn.perform(.abort, on: connection)
        streamLost(slot, "no answer for \((turn.now - since + 999) / 1000) seconds", turn)
    }
}
