import MartletBus
import MartletPrimitives
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// The other offices: their lines come and go, and they answer like a Martlet.
extension LoadedSite {
    /// The line of a peer works from now on, or not any more.
    mutating func setReachable(_ index: Int, _ isReachable: Bool) throws {
        peers[index].isReachable = isReachable
        if !isReachable, let connection = peers[index].connection {
            peers[index].connection = nil
            place[connection.slot] = nil
            try handle([.server(connection, .closed("cut"))])
        } else if isReachable {
            try batch([.command(CommandID(0), .links(.retryLinks(peers[index].jid)))])
        }
    }

    /// A peer got something.
    mutating func peerGot(_ bytes: [UInt8], _ index: Int) {
        if bytes.starts(with: "<ask".utf8) {
            pending += LaneClass.allCases.map { have(index, $0) }
            return
        }
        peers[index].received += 1
        peers[index].unread = bytes
    }

    /// Like a Martlet: one `<have/>` for what came in a batch.
    mutating func answerForPeers() {
        for index in peers.indices {
            if let dial = peers[index].dial {
                peers[index].dial = nil
                if peers[index].isReachable {
                    let connection = newConnection()
                    peers[index].connection = connection
                    place[connection.slot] = -1 - index
                    let features = PeerFeatures(
                        relay: !peers[index].isMute, streamManagement: false, proof: .certificate,
                        peerCertificateVerified: true,
                        isBidirectional: peers[index].isMute)
                    pending.append(.dialed(dial, connection, features, endpoints: []))
                } else {
                    pending.append(.dialFailed(dial, .unreachable("the line is down")))
                }
            }
            if let bytes = peers[index].unread {
                peers[index].unread = nil
                guard let element = try? Element(parsing: bytes, defaultNamespace: Namespaces.client),
                    let mark = RelayMark(element.first("seq", Namespaces.relay) ?? element)
                else { continue }
                peers[index].marks[mark.lane] = mark
                pending.append(have(index, mark.lane))
            }
        }
    }

    private func have(_ index: Int, _ lane: LaneClass) -> SiteEvent {
        var have = Element(
            "have", Namespaces.relay, [("from", peers[index].jid.description), ("to", Self.domain.description)])
        var mark = peers[index].marks[lane]
        mark?.after = nil
        for (name, value) in mark?.attributes ?? [("lane", lane.name), ("n", "0")] { have[name] = value }
        let connection = peers[index].connection ?? ConnectionID(loop: 0, slot: 0, generation: 0)
        return .server(connection, .nonza(have))
    }
}
