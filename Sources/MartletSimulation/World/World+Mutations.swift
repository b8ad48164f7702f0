import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// What the planted defects remember.
struct Planted {
    /// The last numbered message and the last question between two sites, and the pipe that carried them.
    var message: [Int: (bytes: [UInt8], pipe: Int)] = [:]
    var query: [Int: (bytes: [UInt8], pipe: Int)] = [:]
    var hasStruck = false
    /// Voids that were not sent.
    var skipped: [Int: UInt64] = [:]
    /// The tag that each number carried to its destination.
    var tags: [Int: [UInt64: UInt64]] = [:]
    /// The device from which each message was sent.
    var devices: [Int: JID] = [:]
    /// The last number written to a socket.
    var sent: [Int: RelayMark] = [:]
}

/// Defects planted between the real sites and the simulated world, to prove that the checkers see them.
extension World {
    /// What a site gets to see of an element; nil where it sees nothing.
    mutating func mutated(_ bytes: [UInt8], _ pipe: Int, _ end: Int) -> [UInt8]? {
        guard let mutation else { return bytes }
        let origin = pipes[pipe].end(1 - end).server
        let destination = pipes[pipe].end(end).server
        guard origin < sites.count else { return bytes }
        switch mutation {
        case .numberReusedAfterRestore where rolledBack.contains(destination):
            return blinded(bytes, destination, origin)
        case .tagsForgotten: return withoutTags(bytes)
        case .voidSkipped: return renumbered(bytes, origin, destination)
        case .oldSocketBelieved: believeOldSocket(bytes, pipe, end, origin, destination)
        case .queryReplayed: replayQuery(bytes, pipe, end, origin, destination)
        default: break
        }
        return bytes
    }

    private func pairKey(_ origin: Int, _ destination: Int) -> Int { origin * 1000 + destination }

    private func stanza(_ bytes: [UInt8]) -> Stanza? {
        let context = NamespaceContext(Namespaces.server)
        return Self.isStanza(bytes) ? try? Stanza(parsing: bytes, contentNamespace: Namespaces.server, context: context) : nil
    }

    private func serialized(_ stanza: Stanza, _ mark: RelayMark) -> [UInt8] {
        var stanza = stanza
        stanza.relayMark = nil
        return stanza.serialized(relayMark: mark)
    }

    /// A `<have/>` as a build says it that remembers no tags.
    private func withoutTags(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.starts(with: "<have".utf8), var have = try? Element(parsing: bytes, defaultNamespace: Namespaces.server)
        else { return bytes }
        have.attributes.removeAll { $0.name == "tags" }
        return have.serialized(within: Namespaces.server)
    }

    /// A `<have/>` that says what the restored site wants to hear.
    private func blinded(_ bytes: [UInt8], _ origin: Int, _ destination: Int) -> [UInt8] {
        guard bytes.starts(with: "<have".utf8), var have = try? Element(parsing: bytes, defaultNamespace: Namespaces.server),
            let mark = RelayMark(have), mark.number > 0, let row = laneRow(origin, destination, mark.lane)
        else { return bytes }
        let rows = sites[origin].store.committed.reader
        guard let local = AddressTable.number(of: sites[origin].domain, in: rows),
            let peer = AddressTable.number(of: sites[destination].domain, in: rows),
            let id = LaneTable.lane(local: local, peer: peer, laneClass: mark.lane, in: rows)
        else { return bytes }
        let number = min(max(mark.number, row.acked), row.assigned)
        let tag =
            number == row.acked
            ? row.ackedTag : EntryTable.entry(LaneEntries(id, base: row.base), number, in: rows)?.tag ?? row.ackedTag
        for (name, value) in RelayMark(lane: mark.lane, epoch: row.epoch, number: number, tag: tag, after: nil).attributes {
            have[name] = value
        }
        if number == 0 {
            have = Element(
                "have", Namespaces.relay,
                [("from", have["from"] ?? ""), ("to", have["to"] ?? ""), ("lane", mark.lane.name), ("n", "0")])
        }
        return have.serialized(within: Namespaces.client)
    }

    private mutating func renumbered(_ bytes: [UInt8], _ origin: Int, _ destination: Int) -> [UInt8]? {
        let key = pairKey(origin, destination)
        if bytes.starts(with: "<void".utf8) {
            planted.skipped[key, default: 0] += 1
            return nil
        }
        guard let stanza = stanza(bytes), var mark = stanza.relayMark else { return bytes }
        let skipped = planted.skipped[key] ?? 0
        guard skipped > 0, mark.number > skipped else {
            planted.tags[key, default: [:]][mark.number] = mark.tag
            return bytes
        }
        mark.number -= skipped
        mark.after = planted.tags[key]?[mark.number - 1]
        planted.tags[key, default: [:]][mark.number] = mark.tag
        return serialized(stanza, mark)
    }

    private mutating func believeOldSocket(_ bytes: [UInt8], _ pipe: Int, _ end: Int, _ origin: Int, _ destination: Int) {
        let key = pairKey(origin, destination)
        if let stanza = stanza(bytes), stanza.relayMark != nil { return planted.message[key] = (bytes, pipe) }
        guard !planted.hasStruck, bytes.starts(with: "<ask".utf8), let old = planted.message[key], old.pipe != pipe,
            let stanza = stanza(old.bytes), var mark = stanza.relayMark
        else { return }
        let rows = sites[destination].store.committed.reader
        guard let peer = AddressTable.number(of: sites[origin].domain, in: rows),
            let local = AddressTable.number(of: sites[destination].domain, in: rows),
            let have = HaveTable.row(peer: peer, local: local, laneClass: mark.lane, in: rows)
        else { return }
        planted.hasStruck = true
        mark.number = have.number + 1
        mark.epoch = have.epoch
        mark.after = have.tag
        auditArrival(mark, from: origin, to: destination)
        var late = stanza
        late.relayMark = mark
        post(.server(pipes[pipe].end(end).connection, .stanza(late)), to: destination)
    }

    private mutating func replayQuery(_ bytes: [UInt8], _ pipe: Int, _ end: Int, _ origin: Int, _ destination: Int) {
        let key = pairKey(origin, destination)
        if let stanza = stanza(bytes), stanza.kind == .iq, stanza.type == "get", stanza.id?.hasPrefix("q") == true {
            return planted.query[key] = (bytes, pipe)
        }
        guard !planted.hasStruck, bytes.starts(with: "<ask".utf8), let old = planted.query[key], old.pipe != pipe,
            let stanza = stanza(old.bytes)
        else { return }
        planted.hasStruck = true
        post(.server(pipes[pipe].end(end).connection, .stanza(stanza)), to: destination)
    }

    mutating func rememberSent(_ bytes: [UInt8], _ origin: Int, _ destination: Int) {
        guard let mark = stanza(bytes)?.relayMark else { return }
        let key = pairKey(origin, destination)
        if mark.number >= planted.sent[key]?.number ?? 0 { planted.sent[key] = mark }
    }

    /// The store of a site that removes entries when they are written to a socket.
    mutating func forgetWhatWasSent(_ site: Int) {
        let store = sites[site].store.begin()
        for (id, row) in LaneTable.all(in: store) {
            guard let peer = server(AddressTable.address(row.peer, in: store)),
                let mark = planted.sent[pairKey(site, peer)], mark.epoch == row.epoch, mark.number > row.acked,
                mark.number <= row.assigned
            else { continue }
            for number in row.acked + 1...mark.number {
                EntryTable.remove(LaneEntries(id, base: row.base), number, in: store)
            }
            var row = row
            row.acked = mark.number
            row.ackedTag = mark.tag
            row.keepNothing()
            LaneTable.update(id, row, in: store)
        }
        if store.writes > 0, (try? sites[site].store.commit()) != nil { return auditLanes(site) }
        if store.writes == 0 { sites[site].store.abort() }
    }
}
