import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStreams

/// Presence across links that go and come back (`Docs/flow.md`, "A line that goes down").
extension Sessions {
    /// Federation says what became of a link.
    public mutating func linkChanged(_ change: LinkChange, _ turn: Turn) {
        switch change.kind {
        case .counted, .healed: return
        case .up, .lost, .failing: break
        }
        let peer = peers.makePlace(of: change.pair)
        switch change.kind {
        case .up(let wantsRefresh): linkCameUp(peer, wantsRefresh: wantsRefresh, turn)
        case .lost: linkWentDown(peer, isTried: false, turn)
        case .failing: linkWentDown(peer, isTried: true, turn)
        case .counted, .healed: break
        }
        endDoomed(turn)
    }

    /// A timer of a peer fired.
    mutating func peerTimerFired(_ timer: PeerPresenceTimer, _ peer: PeerPlace, _ generation: UInt64, _ turn: Turn) {
        guard peers.contains(peer) else { return }
        // Whatever became of the line meanwhile.
        if timer == .requests { return requestsDue(peer, turn) }
        guard peers[peer].generation == generation else { return }
        switch timer {
        case .grace: graceEnded(peer, turn)
        case .slice: continueWork(peer, turn)
        case .answers:
            peers[peer].awaitsAnswers = false
            requestsInterrupted(peer, turn)
            peers[peer].work = .sweep(place: .first)
            continueWork(peer, turn)
        case .reached: tellOldSessions(peer, turn)
        case .requests: break
        }
    }

    private mutating func linkCameUp(_ peer: PeerPlace, wantsRefresh: Bool, _ turn: Turn) {
        let before = peers[peer].line
        peers[peer].line = .up
        peers[peer].generation += 1
        requestsInterrupted(peer, turn)
        peers[peer].work = nil
        peers[peer].awaitsAnswers = false
        if before != .up { turn.notify(.lineChanged(peers[peer].pair, .up)) }
        switch before {
        case .unreached, .resting, .up:
            guard wantsRefresh else { return }
        case .down, .cut:
            noteRecovery(peer, turn)
            // The peer may have reached us first: what it said then belongs to the same recovery.
            let recent = turn.now + -SessionLimits.recoveryOverlap
            peers[peer].staleBefore = max(peers[peer].staleBefore, recent)
        }
        peers[peer].refreshBegan = turn.now
        peers[peer].work = .refresh(after: nil)
        continueWork(peer, turn)
    }

    private mutating func linkWentDown(_ peer: PeerPlace, isTried: Bool, _ turn: Turn) {
        let before = peers[peer].line
        switch before {
        case .unreached, .resting, .up:
            let wasUp = before != .unreached
            peers[peer].line = .down(since: turn.now, turn.wall, isTried: isTried, wasUp: wasUp)
            peers[peer].generation += 1
            requestsInterrupted(peer, turn)
            peers[peer].work = nil
            peers[peer].awaitsAnswers = false
            // Whatever was said in this very millisecond was said before.
            peers[peer].staleBefore = turn.now + 1
            schedule(.grace, peer, after: turn.policy.federation.presenceGrace, turn)
            if !wasUp { tellOldSessions(peer, turn) }
        case .down(let since, let wall, false, let wasUp) where isTried:
            peers[peer].line = .down(since: since, wall, isTried: true, wasUp: wasUp)
            // It was tried because the grace was over.
            if turn.now - since >= turn.policy.federation.presenceGrace { graceEnded(peer, turn) }
        case .down, .cut:
            break
        }
    }

    private mutating func graceEnded(_ peer: PeerPlace, _ turn: Turn) {
        guard case .down(_, let wall, let isTried, let wasUp) = peers[peer].line else { return }
        if isTried {
            let state = wasUp ? LineState.cut(since: wall) : .unreached
            peers[peer].line = .cut(state)
            peers[peer].work = .sweep(place: .first)
            continueWork(peer, turn)
            turn.notify(.lineChanged(peers[peer].pair, state))
        } else if isAnybodySeen(at: peers[peer].pair) {
            // A stream that ended proves nothing: foreign servers close idle ones.
            turn.ask(.reachPeer(peers[peer].pair))
        } else {
            peers[peer].line = .resting
        }
    }

    /// Sessions from before the start believe what was true then. A peer that cannot be reached now has no grace with them: nobody
    /// knows for how long its people were away already.
    private mutating func tellOldSessions(_ peer: PeerPlace, _ turn: Turn) {
        guard peers[peer].hasOldSessions, peers[peer].work == nil else { return }
        peers[peer].work = .absentees(after: nil)
        continueWork(peer, turn)
    }

    private func isAnybodySeen(at pair: DomainPair) -> Bool {
        var place = online.place(from: .first)
        while let current = place {
            if online[current].jid.domainpart == pair.local.domainpart, online[current].seen.contains(domain: pair.peer) {
                return true
            }
            place = online.place(after: current)
        }
        return false
    }

    func schedule(_ timer: PeerPresenceTimer, _ peer: PeerPlace, after milliseconds: Int64, _ turn: Turn) {
        turn.schedule(.session(.peerPresence(timer, peer: peer, generation: peers[peer].generation)), after: milliseconds)
    }

    /// One slice of the work under way; the next one follows by a timer (one turn is short, and a slow line takes one slice
    /// at a time).
    mutating func continueWork(_ peer: PeerPlace, _ turn: Turn) {
        guard let work = peers[peer].work else { return }
        switch work {
        case .refresh(let after):
            if let rest = refresh(peer, after: after, turn) {
                peers[peer].work = .refresh(after: rest)
            } else {
                continueDirected(peer, PeerPresence.DirectedPlace(), turn)
            }
        case .directed(let place):
            continueDirected(peer, place, turn)
        case .sweep(let place):
            let rest = sweep(peer, from: place, turn)
            peers[peer].work = rest.map { .sweep(place: $0) } ?? (peers[peer].hasOldSessions ? .absentees(after: nil) : nil)
        case .absentees(let after):
            let rest = tellAbsentees(peer, after: after, turn)
            peers[peer].work = rest.map { .absentees(after: $0) }
            if rest == nil { peers[peer].hasOldSessions = false }
        case .requests(let after):
            let rest = askAgain(peer, after: after, turn)
            peers[peer].work = rest.map { .requests(after: $0) }
            if rest == nil { requestsEnded(peer, turn) }
        }
        guard peers[peer].work != nil else { return beginRequests(peer, turn) }
        schedule(.slice, peer, after: SessionLimits.presencePause, turn)
    }

    private mutating func continueDirected(_ peer: PeerPlace, _ place: PeerPresence.DirectedPlace, _ turn: Turn) {
        let rest = refreshDirected(peer, from: place, turn)
        peers[peer].work = rest.map { .directed($0) }
        if rest == nil { refreshEnded(peer, turn) }
    }

    private mutating func refreshEnded(_ peer: PeerPlace, _ turn: Turn) {
        peers[peer].lastRefresh = peers[peer].refreshBegan
        peers[peer].awaitsAnswers = true
        schedule(.answers, peer, after: SessionLimits.probeAnswerTime, turn)
    }
}
