import MartletBus
import MartletPrimitives
import XMPPStreams

/// What the rest of the site learns of links, and how a link that nobody uses learns of itself.
extension Federation {
    /// A stream is authenticated: sessions refresh presence, and from now on silence is noticed.
    mutating func noteUp(_ slot: LinkID, _ turn: Turn) {
        turn.note(.linkUp(links[slot].pair, acknowledgement: links[slot].acknowledgement))
        tell(.up(wantsRefresh: links[slot].upTold()), slot, turn)
        guard turn.policy.federation.knownPeers.contains(links[slot].pair.peer) else { return }
        scheduleKeepAlive(slot, turn)
    }

    /// An attempt failed, or a stream broke that is needed: told once, however many attempts follow.
    mutating func noteFailing(_ slot: LinkID, _ turn: Turn) {
        guard links[slot].failingTold() else { return }
        tell(.failing, slot, turn)
        beginCensus(slot, turn)
    }

    /// Tells the rest of the site what became of a link: the one to a component is that of the people of each of our domains.
    private func tell(_ kind: LinkChange.Kind, _ slot: LinkID, _ turn: Turn) {
        let pair = links[slot].pair
        guard isComponent(pair, turn) else { return turn.notify(.linkChanged(LinkChange(pair, kind))) }
        for domain in turn.policy.peoplesDomains {
            turn.notify(.linkChanged(LinkChange(DomainPair(local: domain, peer: pair.peer), kind)))
        }
    }

    /// Begins an attempt if none is under way: somebody wants to know who is there.
    public mutating func reach(_ pair: DomainPair, _ turn: Turn) {
        let isComponent = turn.policy.isComponent(pair.peer.domainpart)
        guard isComponent || turn.policy.federation.isEnabled && !turn.policy.federation.blockedPeers.contains(pair.peer)
        else { return }
        let slot = slot(of: isComponent ? Self.componentPair(pair.peer, turn) : pair, turn)
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
