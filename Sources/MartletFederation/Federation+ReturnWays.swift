// XEP-0288: Bidirectional Server-to-Server Connections, version 1.0.1, the way to a peer that cannot be dialled

import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStreams

/// A stream that the peer of a pair opened and on which we may send it stanzas.
struct ReturnWay {
    /// The stream.
    var connection: ConnectionID
    /// How the peer proved itself there.
    var proof: PeerProof
    /// Whether it speaks the relay protocol.
    var bidirection: Bidirection
}

/// The way to a peer that cannot be dialled: the stream that it opened itself. Once in use it is a link's stream like any
/// other (silence, fences, loss), and goes on bringing the peer's stanzas.
extension Federation {
    /// The peer of a pair has opened a stream on which we may send it stanzas. It may prove itself again on the same one: what it has shown
    /// there stays shown.
    mutating func opened(_ way: ReturnWay, _ pair: DomainPair) {
        var way = way
        if returnWays[pair]?.contains(where: { $0.connection == way.connection && $0.proof == .certificate }) == true {
            way.proof = .certificate
        }
        returnWays[pair]?.removeAll { $0.connection == way.connection }
        returnWays[pair, default: []].append(way)
    }

    /// Puts a link whose peer cannot be dialled on the newest stream that the peer opened; false where there is none. Nobody
    /// is told that the link is up before the peer has answered: the stream may be as dead as the attempts to dial.
    mutating func adopt(_ slot: LinkID, _ turn: Turn) -> Bool {
        let pair = links[slot].pair
        guard links[slot].reach.cannotBeDialled, !isShuttingDown, let ways = returnWays[pair], refusal(of: pair, turn) == nil
        else {
            return false
        }
        let row = peerRow(pair.peer, turn)
        let needsCertificate = requiresCertificate(pair.peer, row, turn)
        // A stream that carries another of our links already would leave it open whose acknowledgements are meant.
        guard
            let way = ways.last(where: {
                links.id(on: $0.connection) == nil && (!needsCertificate || $0.proof == .certificate)
            })
        else { return false }
        if !row.wasReached { remember(reached: pair.peer, turn) }
        let foreign = way.bidirection == .relay ? nil : ForeignCarrier(managed: false)
        begin(slot, way.connection, openedBy: .peer, foreign: foreign, turn)
        probe(slot, turn)
        return true
    }

    /// Whether a stream that the peer opened is likely to be dead when it is silent: nothing was heard on it since it was
    /// adopted, or the peer has opened another one.
    func isProbablyDead(_ connection: ConnectionID, of slot: LinkID) -> Bool {
        guard links[slot].isOnPeersStream else { return false }
        return links[slot].isUpUntold || returnWays[links[slot].pair]?.last?.connection != connection
    }

    /// Something came from the peer, whatever it is and whoever it was: its line is there, and a pause needless.
    mutating func peerIsHeard(_ pair: DomainPair, _ turn: Turn) {
        guard let slot = links.id(of: pair), case .backingOff = links[slot].state else { return }
        links[slot].pauseCutShort()
        dial(slot, turn)
    }

    /// Something came on a stream of the peer.
    mutating func peerIsHeard(on connection: ConnectionID, _ turn: Turn) {
        guard let place = inbound.index(forKey: connection), let moment = inbound.values[place].wakesAt, turn.now >= moment
        else {
            return
        }
        inbound.values[place].wakesAt = nil
        for pair in inbound.values[place].pairs { peerIsHeard(pair, turn) }
    }

    /// A link is in a pause that began now. A peer that sends all the time and cannot be called is not called for each stanza; of one
    /// that was there and would not have us it is no news that it is there.
    mutating func awaitSign(of pair: DomainPair, after setback: Setback, _ turn: Turn) {
        guard provenStreams[pair] != nil else { return }
        let streams = inbound.keys.sorted { ($0.loop, $0.slot, $0.generation) < ($1.loop, $1.slot, $1.generation) }
        for connection in streams where inbound[connection]?.pairs.contains(pair) == true {
            inbound[connection]?.wakesAt = setback == .rebuff ? nil : turn.now + Self.pauseForCalls
        }
    }

    /// What is heard of a peer ends a pause after so long, milliseconds.
    private static let pauseForCalls: Int64 = 5000

    private func remember(reached peer: JID, _ turn: Turn) {
        guard turn.admits(.note) || AddressTable.number(of: peer, in: turn.store) != nil else { return }
        let number = AddressTable.makeNumber(of: peer, in: turn.store)
        var row = PeerTable.row(number, in: turn.store)
        row.wasReached = true
        turn.lazily { PeerTable.update(number, row, in: turn.store) }
    }

    /// Nothing of ours is put on this stream any more.
    mutating func forgetReturnWays(_ connection: ConnectionID) {
        for pair in inbound[connection]?.pairs ?? [] {
            returnWays[pair]?.removeAll { $0.connection == connection }
            if returnWays[pair]?.isEmpty == true { returnWays[pair] = nil }
        }
    }
}
