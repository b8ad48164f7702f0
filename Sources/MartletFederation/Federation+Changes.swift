import MartletBus
import MartletPrimitives
import XMPPStreams

/// What the rest of the site learns of links, and how a link that nobody uses learns of itself.
extension Federation {
    /// A stream is authenticated: sessions refresh presence, and from now on silence is noticed.
    mutating func noteUp(_ slot: LinkID, _ turn: Turn) {
        turn.note(.linkUp(links[slot].pair, acknowledgement: links[slot].acknowledgement))
        turn.notify(.linkChanged(LinkChange(links[slot].pair, .up(wantsRefresh: links[slot].upTold()))))
        guard turn.policy.federation.knownPeers.contains(links[slot].pair.peer) else { return }
        scheduleKeepAlive(slot, turn)
    }

    /// An attempt failed, or a stream broke that is needed: told once, however many attempts follow.
    mutating func noteFailing(_ slot: LinkID, _ turn: Turn) {
        guard links[slot].failingTold() else { return }
        turn.notify(.linkChanged(LinkChange(links[slot].pair, .failing)))
        beginCensus(slot, turn)
    }

    /// Begins an attempt if none is under way: somebody wants to know who is there.
    public mutating func reach(_ pair: DomainPair, _ turn: Turn) {
        guard turn.policy.federation.isEnabled, !turn.policy.federation.blockedPeers.contains(pair.peer) else { return }
        let slot = slot(of: pair, turn)
        links[slot].refreshWanted()
        dialIfResting(slot, turn)
    }

    /// An office must not seem reachable only because nobody writes to it: an idle link is asked for a sign of life as often
    /// as one is awaited from a busy one.
    mutating func keepAlive(_ slot: LinkID, _ turn: Turn) {
        guard links[slot].isUp else { return }
        addressesWorked(slot, turn)
        probe(slot, turn)
        scheduleKeepAlive(slot, turn)
    }

    private func scheduleKeepAlive(_ slot: LinkID, _ turn: Turn) {
        let timer = SiteTimer.link(.keepAlive(slot, generation: links[slot].generation))
        turn.schedule(timer, after: turn.policy.federation.silenceTimeout)
    }
}
