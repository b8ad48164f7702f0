import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// What we have of the lanes of others: read with the first entry, written and said once for each lane and batch
/// (`Docs/relay-protocol.md` R2).
extension Federation {
    /// Writes how far the lanes of this batch have come: once for each, in the transaction of the deliveries.
    mutating func writeHaves(_ turn: Turn) {
        for lane in unwrittenHaves {
            haves[lane]?.isUnwritten = false
            guard let have = haves[lane], let row = have.row, let peer = have.peer, let local = have.local else { continue }
            HaveTable.update(row, peer: peer, local: local, laneClass: lane.laneClass, in: turn.store)
        }
        unwrittenHaves.removeAll(keepingCapacity: true)
    }

    /// What the store has of a lane.
    func loaded(_ lane: IncomingLane, _ turn: Turn) -> HaveState {
        var state = HaveState()
        state.peer = AddressTable.number(of: lane.pair.peer, in: turn.store)
        state.local = AddressTable.number(of: lane.pair.local, in: turn.store)
        if let peer = state.peer, let local = state.local {
            state.row = HaveTable.row(peer: peer, local: local, laneClass: lane.laneClass, in: turn.store)
        } else {
            state.peer = nil
        }
        return state
    }

    /// The peer is told at the end of the batch what we have of a lane, on this stream.
    mutating func makeDue(_ lane: IncomingLane, _ have: inout HaveState, on connection: ConnectionID) {
        if have.isDue, dueHaves.contains(where: { $0 == (connection, lane) }) { return }
        have.isDue = true
        dueHaves.append((connection, lane))
    }

    /// R2: one `<have/>` per lane and batch, after the commit.
    mutating func sendDueHaves(_ turn: Turn) {
        for (connection, lane) in dueHaves {
            haves[lane]?.isDue = false
            var have = Element(
                "have", Namespaces.relay,
                [("from", lane.pair.local.description), ("to", lane.pair.peer.description), ("lane", lane.laneClass.name)])
            if let row = haves[lane]?.row {
                let mark = RelayMark(lane: lane.laneClass, epoch: row.epoch, number: row.number, tag: row.tag, after: nil)
                for (name, value) in mark.attributes { have[name] = value }
            } else {
                have["n"] = "0"
            }
            if let ended = haves[lane]?.ended {
                have["ended"] = ended.text
                haves[lane]?.ended = nil
            }
            turn.acknowledge(have.serialized(within: Namespaces.client), on: connection)
        }
        dueHaves.removeAll(keepingCapacity: true)
    }
}
