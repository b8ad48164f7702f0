import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// What can fail about a link.
enum LinkFailure: Equatable {
    /// An attempt to reach the peer.
    case attempt(DialFailure)
    /// The stream that carried the link, in whichever way; words for the operator.
    case stream(String, Setback)
    /// Our patience with a stranger: something has waited for it too long, whatever the attempts said.
    case patience

    /// What it is for the next attempt.
    var setback: Setback {
        switch self {
        case .attempt(.unreachable), .patience: .noAnswer
        case .attempt(.refused), .attempt(.serviceNotOffered), .attempt(.noSuchDomain): .rebuff
        case .stream(_, let setback): setback
        }
    }
}

/// What decides about a failure besides itself.
struct FailureCircumstances: Equatable {
    /// The peer was never reached, and configuration does not name it (``Reach/isStranger``).
    var isStranger: Bool
    /// Attempts in a row, this one included, in which DNS said that there is no such domain (``Reach/absences``).
    var absences = 0
    /// Who has a stream to us exists, whatever DNS says of him.
    var hasProvenStream = false
    /// Something waits for the peer, or it is one of our offices.
    var isNeeded = true
    /// It was reached within the last day: people here may be waiting to see its people.
    var wasReachedLately = false
}

/// What follows for a link when an attempt or a stream fails.
///
/// Unknown means transient: permanent is only what is proven, by DNS twice or by the domain itself, and only of a domain that
/// was never reached; and a stranger's queue does not wait for days. Everything else in the lanes is kept until it expires
/// (`Docs/relay-protocol.md` S5).
enum FailureOutcome: Equatable {
    /// Transient: the lanes are kept, the next attempt follows a pause, and the rest of the site is told that the link fails,
    /// once. With `answersBeside`, what waited beside the lanes for this attempt is answered to its senders with
    /// `remote-server-timeout`; without, it waits for the next attempt too.
    case backOff(answersBeside: Bool)
    /// Transient, and nothing wants another stream before something is sent or the peer shows itself: the rest of the site is told
    /// that the link is lost, or that it fails.
    case rest
    /// Permanent: everything that waits is answered to its senders with this error. Nothing is tried before
    /// somebody writes there again.
    case giveUp(StanzaError)

    /// The rule.
    init(of failure: LinkFailure, _ circumstances: FailureCircumstances) {
        // With nothing to bring there, it is called again only while people may be missed there.
        let again: FailureOutcome =
            circumstances.isNeeded || circumstances.wasReachedLately ? .backOff(answersBeside: true) : .rest
        switch failure {
        case .attempt(.unreachable), .attempt(.refused):
            self = again
        case .attempt(.serviceNotOffered):
            self = circumstances.isStranger ? .giveUp(StanzaError(.remoteServerNotFound)) : again
        case .attempt(.noSuchDomain):
            self =
                if !circumstances.isStranger {
                    again
                } else if circumstances.absences < 2 {
                    // The first absence is asked about again before any sender is told.
                    .backOff(answersBeside: false)
                } else if circumstances.hasProvenStream {
                    .backOff(answersBeside: true)
                } else {
                    .giveUp(StanzaError(.remoteServerNotFound))
                }
        case .stream:
            // What waited beside its lanes (``PeerLink/keepsBesides``) is answered like what was written there.
            self = circumstances.isNeeded ? .backOff(answersBeside: true) : .rest
        case .patience:
            self = .giveUp(StanzaError(.remoteServerTimeout))
        }
    }
}

/// Everything that follows when something about a link fails: the facts on top, then ``FailureOutcome`` carried out.
extension Federation {
    /// An attempt failed. Where the peer has opened a stream to us, that one carries the link from now on.
    public mutating func dialFailed(_ id: DialID, _ failure: DialFailure, _ turn: Turn) {
        guard let dial = dials[id] else { return }
        guard case .link(let slot) = dial else {
            return dialbackEnded(id, .error(.remoteServerTimeout, words: failure.words), turn)
        }
        dials[id] = nil
        guard links[slot].state == .dialling(id), !isShuttingDown else { return }
        links[slot].attemptFailed(failure)
        if adopt(slot, turn) { return }
        follow(.attempt(failure), slot, turn)
    }

    /// The stream that carried the link is gone; no repair exists but another stream (S4). What it carried in lanes is sent
    /// again there; the requests beside them are answered now. A site that is closing its streams goes no further.
    mutating func streamLost(_ slot: LinkID, _ reason: String, _ turn: Turn) {
        addressesWorked(slot, turn)
        guard let lost = links.streamLost(slot) else { return }
        forgetReturnWays(lost.connection)
        for request in lost.requests {
            let stanza = Stanza(.iq, from: request.from, to: request.to, id: request.id, type: "get")
            turn.bounce(stanza, StanzaError(.remoteServerTimeout))
        }
        guard !isShuttingDown else { return }
        if isComponent(links[slot].pair, turn) { return componentLost(slot, reason, turn) }
        guard !adopt(slot, turn) else { return }
        if lost.isProven, circumstances(slot, turn).isNeeded { return dial(slot, turn) }
        let setback: Setback =
            lost.wasRebuffed ? .rebuff : turn.now - lost.beganAt < Self.shortLife ? .shortLife : .loss
        follow(.stream(reason, setback), slot, turn)
    }

    /// A stream that is lost sooner was none, milliseconds.
    private static let shortLife: Int64 = 30_000

    /// Ten minutes with a domain that never answered.
    mutating func strangerTimedOut(_ slot: LinkID, _ turn: Turn) {
        guard links.contains(slot), links[slot].reach.isStranger, !links[slot].isUp, links[slot].waiting > 0 else { return }
        let oldest = oldestAcceptance(slot, turn) ?? turn.now
        guard turn.now - oldest >= turn.policy.federation.strangers.timeout else { return }
        follow(.patience, slot, turn)
    }

    private mutating func follow(_ failure: LinkFailure, _ slot: LinkID, _ turn: Turn) {
        let reason =
            switch failure {
            case .attempt(let failure): failure.words
            case .stream(let words, _): words
            case .patience: links[slot].reach.lastError
            }
        switch FailureOutcome(of: failure, circumstances(slot, turn)) {
        case .backOff(let answersBeside):
            if answersBeside { failVolatile(slot, StanzaError(.remoteServerTimeout), turn) }
            backOff(slot, reason, failure.setback, turn)
        case .rest:
            rest(slot, after: failure, reason, turn)
        case .giveUp(let error):
            giveUp(slot, error, reason, turn)
        }
    }

    private func circumstances(_ slot: LinkID, _ turn: Turn) -> FailureCircumstances {
        let pair = links[slot].pair
        return FailureCircumstances(
            isStranger: links[slot].reach.isStranger, absences: links[slot].reach.absences,
            hasProvenStream: provenStreams[pair] != nil,
            isNeeded: links[slot].waiting > 0 || turn.policy.federation.knownPeers.contains(pair.peer),
            wasReachedLately: wasReachedLately(pair.peer, turn))
    }

    /// Waits with jitter (``Reach/pause(from:upTo:isOffice:after:draw:)``).
    private mutating func backOff(_ slot: LinkID, _ reason: String, _ setback: Setback, _ turn: Turn) {
        let federation = turn.policy.federation
        let reach = links[slot].reach
        let pause = reach.pause(
            from: federation.retryMinimum, upTo: federation.retryMaximum,
            isOffice: federation.knownPeers.contains(links[slot].pair.peer), after: setback,
            draw: turn.random.next())
        links[slot].pauseBegan(until: turn.now + pause, after: reason, setback)
        turn.schedule(.link(.retry(slot, generation: links[slot].generation)), after: pause)
        awaitSign(of: links[slot].pair, after: setback, turn)
        // The same is said more and more rarely: an office that is called all the time would fill the log.
        if reason != reach.lastError || reach.failures & (reach.failures + 1) == 0 {
            turn.note(.linkDown(links[slot].pair, reason: reason, retryAfter: pause))
        }
        noteFailing(slot, turn)
    }

    /// Nobody misses the stream. That one ended is no trouble; that none came to be is what the operator is shown until the link is
    /// used or forgotten.
    private mutating func rest(_ slot: LinkID, after failure: LinkFailure, _ reason: String, _ turn: Turn) {
        turn.note(.linkDown(links[slot].pair, reason: reason, retryAfter: 0))
        failVolatile(slot, StanzaError(.remoteServerTimeout), turn)
        if case .stream = failure {
            links[slot].rested(after: "")
            turn.notify(.linkChanged(LinkChange(links[slot].pair, .lost)))
        } else {
            links[slot].rested(after: reason)
            noteFailing(slot, turn)
        }
        forgetLater(slot, turn)
    }

    /// Nothing can be delivered there: everything that waits is answered, and the lane begins anew if the domain ever
    /// appears. In one turn, since only so much waits for a stranger (``StrangerGate/waitingLimit``).
    private mutating func giveUp(_ slot: LinkID, _ error: StanzaError, _ reason: String, _ turn: Turn) {
        failVolatile(slot, error, turn)
        for index in links[slot].lanes.indices {
            guard let id = links[slot].lanes[index].id, let entries = links[slot].lanes[index].entries,
                var row = links[slot].lanes[index].row, row.waiting > 0
            else { continue }
            for number in row.acked + 1...row.assigned {
                guard let entry = EntryTable.entry(entries, number, in: turn.store) else { continue }
                if let logged = StanzaLog.stanza(entry.logSequence, in: turn.store) { bounce(logged.stanza, error, turn) }
                EntryTable.remove(entries, number, in: turn.store)
            }
            row.acked = row.assigned
            row.ackedTag = 0
            row.keepNothing()
            links[slot].lanes[index].hasLeftovers = true
            row.provenOtherwise = true
            LaneTable.update(id, row, in: turn.store)
            links[slot].lanes[index].row = row
            loadSettled(slot, index, turn)
            links[slot].lanes[index].streamLost()
        }
        if case .dialling(let dial) = links[slot].state {
            dials[dial] = nil
            turn.perform(.cancelDial(dial))
        }
        links[slot].gaveUp(reason)
        turn.note(.linkDown(links[slot].pair, reason: reason, retryAfter: 0))
        forgetLater(slot, turn)
        turn.notify(.linkChanged(LinkChange(links[slot].pair, .lost)))
    }

    /// What waited beside the lanes for an attempt that failed, or on a stream that ended (`Docs/relay-protocol.md` §5).
    mutating func failVolatile(_ slot: LinkID, _ error: StanzaError, _ turn: Turn) {
        let failed = links[slot].beside.takeAll(turn)
        for stanza in failed {
            if case .beside(true) = Carriage(of: stanza) { turn.bounce(stanza, error) }
        }
        if !failed.isEmpty { links[slot].refreshWanted() }
    }
}
