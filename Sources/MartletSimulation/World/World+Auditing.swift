import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Shows the checkers what leaves and enters the sites.
extension World {
    private static let have = Array("<have".utf8)
    private static let acknowledgement = Array("<a ".utf8)
    private static let resumed = Array("<resumed".utf8)

    /// A site lets bytes out on a pipe.
    mutating func audit(_ bytes: [UInt8], _ pipe: Int, _ end: Int) {
        stanzas += 1
        let local = pipes[pipe].end(end).server
        let peer = pipes[pipe].end(1 - end).server
        if isTracing { note(local, "→ \(name(peer)): \(Self.short(bytes))") }
        if mutation == .entryRemovedAtSend { rememberSent(bytes, local, peer) }
        guard bytes.starts(with: Self.have), local < sites.count, peer < sites.count,
            let element = try? Element(parsing: bytes, defaultNamespace: Namespaces.server), let mark = RelayMark(element),
            mark.number > 0
        else { return }
        acks.emitted(
            mark, peer: sites[peer].domain, local: sites[local].domain, committed: sites[local].store.committed.reader)
        let key = LaneAuditor.Key(origin: peer, destination: local, lane: mark.lane, epoch: mark.epoch)
        lanes.emitted(key, mark, assigned: assigned(key))
    }

    /// A numbered stanza or void reached a site.
    mutating func auditArrival(_ mark: RelayMark, from origin: Int, to destination: Int) {
        let key = LaneAuditor.Key(origin: origin, destination: destination, lane: mark.lane, epoch: mark.epoch)
        // A numbering that was replaced there is never taken again (R1): a store that went back uses its numbers once more, and is told.
        if rolledBack.contains(origin), hasReplaced(key) { return }
        lanes.arrived(key, mark, assigned: assigned(key))
    }

    /// Whether the destination has seen another numbering of the lane after this one.
    private func hasReplaced(_ key: LaneAuditor.Key) -> Bool {
        let rows = sites[key.destination].store.committed.reader
        guard let peer = AddressTable.number(of: domain(key.origin), in: rows),
            let local = AddressTable.number(of: sites[key.destination].domain, in: rows)
        else { return false }
        return HaveTable.row(peer: peer, local: local, laneClass: key.lane, in: rows)?.retired.contains(key.epoch) == true
    }

    /// What the origin has committed of a numbering.
    private func assigned(_ key: LaneAuditor.Key) -> UInt64? {
        guard let row = laneRow(key.origin, key.destination, key.lane), row.epoch == key.epoch else { return nil }
        return row.assigned
    }

    /// A lane as the origin has committed it.
    func laneRow(_ origin: Int, _ destination: Int, _ lane: LaneClass) -> LaneRow? {
        let rows = sites[origin].store.committed.reader
        guard let local = AddressTable.number(of: sites[origin].domain, in: rows),
            let peer = AddressTable.number(of: domain(destination), in: rows),
            let id = LaneTable.lane(local: local, peer: peer, laneClass: lane, in: rows)
        else { return nil }
        return LaneTable.row(id, in: rows)
    }

    /// After a commit: what the site believes to be acknowledged.
    mutating func auditLanes(_ site: Int) {
        guard !sites[site].store.changedLanes.isEmpty else { return }
        let changed = sites[site].store.changedLanes
        sites[site].store.changedLanes = []
        let rows = sites[site].store.committed.reader
        for id in changed {
            let row = LaneTable.row(id, in: rows)
            guard !row.provenOtherwise, let peer = server(AddressTable.address(row.peer, in: rows)), peer < sites.count else {
                continue
            }
            let key = LaneAuditor.Key(origin: site, destination: peer, lane: row.laneClass, epoch: row.epoch)
            lanes.committed(key, acked: row.acked)
        }
    }

    /// A site lets bytes out to a client.
    mutating func audit(_ bytes: [UInt8], toClient client: Int) {
        stanzas += 1
        let site = clients[client].site
        if isTracing { note(site, "→ \(clients[client].account): \(Self.short(bytes))") }
        guard bytes.starts(with: Self.acknowledgement) || bytes.starts(with: Self.resumed),
            let element = try? Element(parsing: bytes, defaultNamespace: Namespaces.client),
            let h = element["h"].flatMap({ UInt32($0) }), let token = element["previd"] ?? clients[client].resumption
        else { return }
        acks.acknowledged(
            h, token: token, account: clients[client].account, committed: sites[site].store.committed.reader)
    }

    /// The log holds what queues refer to, no more and no less (§9.10).
    mutating func auditReferences(_ site: Int) {
        let store = sites[site].store.memory.begin()
        defer { sites[site].store.memory.abort() }
        var references: [UInt64: Int] = [:]
        for (lane, _) in LaneTable.all(in: store) {
            // Acknowledged ones that are not removed yet still refer to the log.
            EntryTable.forEach(LaneEntries(lane, base: 0), from: 1, in: store) { _, entry in
                if entry.logSequence != 0 { references[entry.logSequence, default: 0] += 1 }
                return true
            }
        }
        HeldTable.forEach(from: 1, in: store) { _, held in
            references[held.logSequence, default: 0] += 1
            return true
        }
        store.forEach(.mailbox, prefix: []) { key, _ in
            let sequence = key.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            references[sequence, default: 0] += 1
            return true
        }
        store.forEach(.log, prefix: []) { key, _ in
            let sequence = key.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            // All archives together are one.
            let isArchived = StanzaLog.archive(of: sequence, in: store) != nil
            let records = (references[sequence] ?? 0) + (isArchived ? 1 : 0)
            let holders = StanzaLog.holders(sequence, in: store)
            if records == 0 || records != holders || (references[sequence] ?? 0) > 1 {
                let words = "stanza \(sequence) belongs to \(records) records, and \(holders) are counted"
                faults.append(Fault(.references, "\(sites[site].name): \(words)"))
            }
            references[sequence] = nil
            return true
        }
        for sequence in references.keys.sorted() {
            faults.append(Fault(.references, "\(sites[site].name): stanza \(sequence) is referred to and missing"))
        }
    }

    private func domain(_ server: Int) -> JID {
        server < sites.count ? sites[server].domain : foreign[server - sites.count].domain
    }

    func name(_ server: Int) -> String {
        server < sites.count ? sites[server].name : foreign[server - sites.count].name
    }

    /// For the trace.
    static func short(_ bytes: [UInt8]) -> String {
        bytes.count > 200 ? String(decoding: bytes.prefix(200), as: UTF8.self) + "…" : String(decoding: bytes, as: UTF8.self)
    }
}
