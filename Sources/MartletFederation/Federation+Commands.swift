import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

extension Federation {
    /// Rows answered to one question; a longer queue says so in its last row.
    private static let rowLimit = 1000

    /// Every link with its state in words.
    public func linkRows(_ turn: Turn) -> [LinkRow] {
        links.indices.sorted { links[$0].pair.peer.domainpart < links[$1].pair.peer.domainpart }.map { slot in
            let link = links[slot]
            let (state, next) = stateWords(link, turn)
            var acknowledgement = ""
            if case .up(_, let carrier) = link.state { acknowledgement = carrier.name }
            let stop = link.lanes.compactMap { $0.row?.stopReason }.first { !$0.isEmpty }
            let oldest = oldestAcceptance(slot, turn).map { turn.now - $0 } ?? 0
            return LinkRow(
                local: link.pair.local.description, peer: link.pair.peer.description, state: stop == nil ? state : "stopped",
                acknowledgement: acknowledgement, waiting: Int(link.waiting), oldestAge: oldest, nextAttempt: next,
                lastError: stop ?? link.lastError)
        }
    }

    private func stateWords(_ link: PeerLink, _ turn: Turn) -> (String, Int64) {
        switch link.state {
        case .idle: ("idle", 0)
        case .dialling: ("dialling", 0)
        case .up: ("up", 0)
        case .closing: ("closing", 0)
        case .backingOff(let until): ("waiting", max(0, until - turn.now))
        }
    }

    /// The waiting entries of all links, oldest first within each lane.
    public func queueRows(_ turn: Turn) -> [QueueRow] {
        var rows: [QueueRow] = []
        for link in links {
            for lane in link.lanes {
                guard let id = lane.id, let row = lane.row, row.waiting > 0 else { continue }
                EntryTable.forEach(id, from: row.acked + 1, in: turn.store) { number, entry in
                    rows.append(queueRow(id, number, entry, turn))
                    return rows.count < Self.rowLimit
                }
            }
        }
        return rows
    }

    private func queueRow(_ lane: LaneID, _ number: UInt64, _ entry: EntryRow, _ turn: Turn) -> QueueRow {
        let logged = StanzaLog.stanza(entry.logSequence, in: turn.store)
        return QueueRow(
            entry: "\(lane.value)/\(number)", from: logged?.stanza.from?.description ?? "",
            to: logged?.stanza.to?.description ?? "", bytes: logged?.stanza.content.count ?? 0,
            age: logged.map { turn.now - $0.acceptedInstant } ?? 0, state: "\(entry.state)")
    }

    /// How many links there are and what waits on them.
    public var figures: (links: Int, waiting: Int) {
        (links.count, links.reduce(0) { $0 + Int($1.waiting) })
    }
}
