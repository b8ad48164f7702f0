import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Healing, and the judgement after it.
extension World {
    /// Everything is well again: lines, machines, names, disks.
    mutating func heal() {
        isHealing = true
        healedAt = schedule.now
        for line in lines.indices {
            lines[line].silent = 0
            lines[line].deaf = (0, 0)
            lines[line].refusing = 0
            lines[line].slow = []
            lineHealed(line)
        }
        for site in sites.indices {
            sites[site].slowDisk = 0
            sites[site].nameFailures = 0
            sites[site].nameDenials = 0
            sites[site].certificateFailures = 0
            if sites[site].reserve > 0 {
                sites[site].reserve = 0
                post(.diskSampled(freeBytes: 1 << 40), to: site)
            }
            if sites[site].driver == nil { start(site) }
        }
        for server in foreign.indices { foreign[server].isUp = true }
        for client in clients.indices where clients[client].connection == nil { login(client) }
    }

    /// Once a second after healing: is everything at rest?
    mutating func checkQuiet() {
        if unrest() == nil {
            if isQuietSince == nil { isQuietSince = schedule.now }
        } else {
            isQuietSince = nil
        }
        for client in clients.indices where !clients[client].isIdle {
            if case .online = clients[client].state { clientSends(client, clients[client].request) }
        }
        schedule.add(.check, after: 1000)
    }

    /// The first thing that still moves or waits, or is not shown as it is.
    private func unrest() -> Fault? {
        for site in sites.indices {
            if sites[site].driver == nil { return Fault(.notDrained, "\(sites[site].name) is down") }
            if let fault = queueUnrest(site) { return fault }
        }
        for client in clients {
            guard case .online = client.state else { return Fault(.notDrained, "\(client.account) cannot log in") }
            if !client.isIdle { return Fault(.notDrained, "\(client.account) still holds stanzas") }
        }
        for server in foreign where server.outbound.contains(where: { !$0.queue.isEmpty || !$0.unacknowledged.isEmpty }) {
            return Fault(.notDrained, "\(server.name) still holds stanzas")
        }
        return presenceUnrest()
    }

    private func queueUnrest(_ site: Int) -> Fault? {
        let memory = sites[site].store.memory
        let rows = memory.count(.mailbox)
        if rows > 0 { return Fault(.notDrained, "\(sites[site].name) has \(rows) mailbox rows left") }
        // Lanes stand still where more is lacking than is kept; those with foreign servers, where a store went back.
        for other in sites.indices where other != site && !stops.hasStopped(site, other) {
            for laneClass in LaneClass.allCases {
                guard let row = laneRow(site, other, laneClass), row.waiting > 0 else { continue }
                return Fault(.notDrained, "\(sites[site].name) has \(row.waiting) entries for \(sites[other].name)")
            }
        }
        guard rolledBack.isEmpty else { return nil }
        for server in foreign.indices {
            let waiting = foreignWaiting(site, server)
            if waiting > 0 {
                return Fault(.notDrained, "\(sites[site].name) has \(waiting) entries for \(foreign[server].name)")
            }
        }
        return nil
    }

    private func foreignWaiting(_ site: Int, _ server: Int) -> UInt64 {
        LaneClass.allCases.reduce(0) { $0 + (laneRow(site, sites.count + server, $1)?.waiting ?? 0) }
    }

    /// The contact lists against the truth: everybody is present with one device.
    private func presenceUnrest() -> Fault? {
        for contact in plan.contacts {
            let watcher = clients[contact.from]
            let watched = clients[contact.to]
            guard !rolledBack.contains(watcher.site), !rolledBack.contains(watched.site) else { continue }
            guard let device = watched.device?.description else { continue }
            let seen = watcher.devicesSeen(of: watched.account)
            if seen != [device] {
                return Fault(.presence, "\(watcher.account) sees \(seen), and there is \(device)")
            }
        }
        return nil
    }

    /// What waits behind a lane that stopped waits for an operator.
    private mutating func excuse(from local: Int, to peer: Int) {
        for number in 0..<ledger.sentCount {
            let ends = ledger.ends(number)
            guard ends.from < clients.count, ends.to < clients.count, clients[ends.from].site == local,
                clients[ends.to].site == peer
            else { continue }
            ledger.excuse(number)
        }
    }

    mutating func report() -> RunReport {
        for (local, peer) in stops.pairs { excuse(from: local, to: peer) }
        ledger.judge()
        var all = ledger.faults + acks.faults + lanes.faults + stops.faults + faults
        if isQuietSince == nil, let unrest = unrest() { all.append(unrest) }
        // What is still open is committed, so that the disks can be looked at.
        for site in sites.indices { _ = try? sites[site].driver?.close() }
        faults = []
        for site in sites.indices { auditReferences(site) }
        auditArchives()
        all += faults
        return RunReport(
            ledger: ledger, digest: digest, faults: all, counts: counts, stanzas: stanzas,
            acknowledgements: acks.checked, explainedStops: stops.explained, length: schedule.now,
            drainTime: max(0, (isQuietSince ?? schedule.now) - healedAt), trace: trace?.all ?? [], chart: chart)
    }
}
