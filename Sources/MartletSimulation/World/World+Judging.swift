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
        if rolledBack.isEmpty {
            for (table, name) in [(Table.entry, "entries"), (Table.mailbox, "mailbox rows"), (Table.log, "log rows")] {
                let rows = memory.count(table)
                if rows > 0 { return Fault(.notDrained, "\(sites[site].name) has \(rows) \(name) left") }
            }
            return nil
        }
        // Lanes to and from a site whose store went back in time may stand still.
        guard !rolledBack.contains(site) else { return nil }
        for other in sites.indices where other != site && !rolledBack.contains(other) {
            for laneClass in LaneClass.allCases {
                guard let row = laneRow(site, other, laneClass), row.waiting > 0 else { continue }
                return Fault(.notDrained, "\(sites[site].name) has \(row.waiting) entries for \(sites[other].name)")
            }
        }
        return nil
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

    mutating func report() -> RunReport {
        ledger.judge()
        var all = ledger.faults + acks.faults + lanes.faults + stops.faults + faults
        if isQuietSince == nil, let unrest = unrest() { all.append(unrest) }
        // What is still open is committed, so that the disks can be looked at.
        for site in sites.indices { _ = try? sites[site].driver?.close() }
        faults = []
        for site in sites.indices { auditReferences(site) }
        all += faults
        return RunReport(
            ledger: ledger, digest: digest, faults: all, counts: counts, stanzas: stanzas,
            acknowledgements: acks.checked, explainedStops: stops.explained, length: schedule.now,
            drainTime: max(0, (isQuietSince ?? schedule.now) - healedAt), trace: trace?.all ?? [], chart: chart)
    }
}
