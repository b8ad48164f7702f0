import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Subscriptions that somebody at another domain was asked for and has not answered are asked for again (RFC 6121 §3.1.2): the request
/// is on our disk as `ask='subscribe'` for as long, and the peer may have lost it.
///
/// After an hour, then after pauses that double up to a day, while the line is there; at once when it is back, but not twice in an hour.
/// What happens at a start happens by these timers too, so that no start is a flood.
extension Sessions {
    /// Somebody there was asked, or had been before.
    mutating func awaitAnswer(of contact: JID, to account: JID, _ turn: Turn) {
        if turn.policy.houses(contact.domainpart) { return }
        scheduleRequests(peers.makePlace(of: DomainPair(local: account.domain, peer: contact.domain)), turn)
    }

    /// The same of an account that is there again, also of what an earlier version did not note by its domain.
    mutating func awaitAnswer(
        of jid: JID, _ contact: AddressNumber, to account: JID, _ number: AddressNumber, _ turn: Turn
    ) {
        if turn.policy.houses(jid.domainpart) { return }
        turn.lazily {
            let domain = AddressTable.makeNumber(of: jid.domain, in: turn.store)
            RosterTable.index(number, contact, domain: domain, in: turn.store)
        }
        awaitAnswer(of: jid, to: account, turn)
    }

    /// The line is back. Whoever learns that the peer's store went back forgets `lastAsked` before, since what was asked then is lost
    /// there.
    mutating func noteRecovery(_ peer: PeerPlace, _ turn: Turn) {
        let isRecent = peers[peer].requests.lastAsked.map { turn.now - $0 < SessionLimits.requestPause } ?? false
        if !isRecent { peers[peer].requests.isDue = true }
    }

    private mutating func scheduleRequests(_ peer: PeerPlace, _ turn: Turn) {
        guard !peers[peer].requests.isScheduled, !peers[peer].requests.isDue else { return }
        peers[peer].requests.isScheduled = true
        schedule(.requests, peer, after: peers[peer].requests.pause, turn)
    }

    /// A pause is over.
    mutating func requestsDue(_ peer: PeerPlace, _ turn: Turn) {
        peers[peer].requests.isScheduled = false
        peers[peer].requests.isDue = true
        switch peers[peer].line {
        case .up: if peers[peer].work == nil { beginRequests(peer, turn) }
        // When it is there again.
        case .down, .cut: break
        case .unreached, .resting: turn.ask(.reachPeer(peers[peer].pair))
        }
    }

    /// Other work takes the place of a round that is under way, or the line is gone: whoever was not asked yet is asked in the next one.
    mutating func requestsInterrupted(_ peer: PeerPlace, _ turn: Turn) {
        if case .requests = peers[peer].work { scheduleRequests(peer, turn) }
    }

    /// Begins to ask if that is due and nothing else is under way.
    mutating func beginRequests(_ peer: PeerPlace, _ turn: Turn) {
        guard peers[peer].requests.isDue, peers[peer].line == .up, peers[peer].work == nil else { return }
        peers[peer].requests.isDue = false
        peers[peer].requests.areThere = false
        peers[peer].requests.lastAsked = turn.now
        peers[peer].work = .requests(after: nil)
        schedule(.slice, peer, after: SessionLimits.presencePause, turn)
    }

    /// One slice; nil at the end.
    mutating func askAgain(_ peer: PeerPlace, after: RosterTable.Pair?, _ turn: Turn) -> RosterTable.Pair? {
        forEachPair(peer, after: after, turn) { sessions, account, contact, row, budget in
            guard row.flags.contains(.pendingOut) else { return true }
            guard budget > 0 else { return false }
            let jid = AddressTable.address(account, in: turn.store)
            guard jid.domainpart == sessions.peers[peer].pair.local.domainpart else { return true }
            sessions.peers[peer].requests.areThere = true
            budget -= 1
            let to = AddressTable.address(contact, in: turn.store)
            turn.route(Stanza(.presence, from: jid, to: to, type: "subscribe"), from: .account)
            return true
        }
    }

    /// All were asked; if there were any, they are asked again some day.
    mutating func requestsEnded(_ peer: PeerPlace, _ turn: Turn) {
        guard peers[peer].requests.areThere else {
            peers[peer].requests.pause = SessionLimits.requestPause
            return
        }
        peers[peer].requests.pause = min(2 * peers[peer].requests.pause, SessionLimits.longestRequestPause)
        scheduleRequests(peer, turn)
    }
}
