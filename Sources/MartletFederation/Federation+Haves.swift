import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// A `<have/>` that is said at the end of the batch.
struct DueHave {
    /// On which stream.
    let connection: ConnectionID
    /// Of which lane.
    let lane: IncomingLane
    /// The peer wants the tags that we remember as well (`Docs/relay-protocol.md` R6).
    var tellsTags: Bool
}

/// What we have of the lanes of others: read with the first entry, written and said once for each lane and batch
/// (`Docs/relay-protocol.md` R2).
extension Federation {
    /// Writes how far the lanes of this batch have come: once for each, in the transaction of the deliveries.
    mutating func writeHaves(_ turn: Turn) {
        for lane in unwrittenHaves {
            haves[lane]?.isUnwritten = false
            guard let peer = haves[lane]?.peer, let local = haves[lane]?.local, haves[lane]?.row != nil else { continue }
            HaveTable.update(&haves[lane]!.row!, peer: peer, local: local, laneClass: lane.laneClass, in: turn.store)
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
    mutating func makeDue(
        _ lane: IncomingLane, _ have: inout HaveState, on connection: ConnectionID, tellsTags: Bool = false
    ) {
        if have.isDue, let index = dueHaves.firstIndex(where: { $0.connection == connection && $0.lane == lane }) {
            if tellsTags { dueHaves[index].tellsTags = true }
            return
        }
        have.isDue = true
        dueHaves.append(DueHave(connection: connection, lane: lane, tellsTags: tellsTags))
    }

    /// R2: one `<have/>` per lane and batch, after the commit.
    mutating func sendDueHaves(_ turn: Turn) {
        for due in dueHaves {
            let lane = due.lane
            haves[lane]?.isDue = false
            var have = Element(
                "have", Namespaces.relay,
                [("from", lane.pair.local.description), ("to", lane.pair.peer.description), ("lane", lane.laneClass.name)])
            if let row = haves[lane]?.row {
                let mark = RelayMark(lane: lane.laneClass, epoch: row.epoch, number: row.number, tag: row.tag, after: nil)
                for (name, value) in mark.attributes { have[name] = value }
                have["tags"] = String(TagRun.limit)
            } else {
                have["n"] = "0"
            }
            if let ended = haves[lane]?.ended {
                have["ended"] = ended.text
                haves[lane]?.ended = nil
            }
            if due.tellsTags { tellTags(due, &have, turn) }
            turn.acknowledge(have.serialized(within: Namespaces.client), on: due.connection)
        }
        dueHaves.removeAll(keepingCapacity: true)
    }

    /// R6: what we remember of a lane, before its `<have/>`.
    private func tellTags(_ due: DueHave, _ have: inout Element, _ turn: Turn) {
        let lane = due.lane
        var history = LaneHistory(runs: [], isAll: true)
        if let state = haves[lane], let row = state.row, let peer = state.peer, let local = state.local {
            let known = HaveTable.history(row, peer: peer, local: local, laneClass: lane.laneClass, in: turn.store)
            history = LaneHistory(runs: known.runs, isAll: known.isAll)
        }
        let attributes = [
            ("from", lane.pair.local.description), ("to", lane.pair.peer.description), ("lane", lane.laneClass.name),
        ]
        for element in history.elements(attributes) {
            turn.acknowledge(element.serialized(within: Namespaces.client), on: due.connection)
        }
        have["all"] = history.isAll ? "true" : "false"
    }
}
