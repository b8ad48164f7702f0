import MartletBus
import XMPPAddress
import XMPPStreams

/// What other servers are to the site, and which of them pays.
extension Federation {
    /// Who pays for what is said on a connection from or to another server: the domain that was proven there first.
    func party(on connection: ConnectionID) -> Party? {
        if let pair = inbound[connection]?.pairs.first { return .peer(pair.peer) }
        return links.id(on: connection).map { .peer(links[$0].pair.peer) }
    }

    /// What a server is to the site.
    public func standing(of peer: JID, _ turn: Turn) -> Standing {
        if turn.policy.federation.knownPeers.contains(peer) { return .office }
        return turn.policy.isComponent(peer.domainpart) || peerRow(peer, turn).wasReached ? .knownPeer : .stranger
    }
}
