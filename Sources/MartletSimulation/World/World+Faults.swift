import MartletBus
import MartletConfiguration

/// Planned troubles begin and end.
extension World {
    mutating func begin(_ index: Int) {
        let fault = plan.faults[index]
        schedule.add(.end(fault: index), after: fault.duration)
        switch fault.kind {
        case .outage(let line, let kind, let reversed): beginOutage(line, kind, reversed)
        case .slowLine(let line, let speed):
            count(.slowLine)
            lines[line].slow.append(speed)
        case .crash(let server, let point): beginCrash(server, point, fault.duration)
        case .restart(let site):
            if site >= sites.count { return killForeign(site - sites.count, downtime: fault.duration) }
            guard sites[site].driver != nil else { return }
            count(.restart)
            stop(site)
            schedule.add(.start(site: site), after: Self.stopPatience + fault.duration)
        case .restore(let site, _): takeBackup(site, index)
        case .forget(let site):
            count(.forgot)
            died(site)
            sites[site].store = SimulatedStore(mutation: mutation)
            rolledBack(site, to: 0)
            schedule.add(.start(site: site), after: fault.duration)
        case .slowDisk(let site):
            count(.slowDisk)
            sites[site].slowDisk += 1
        case .reserve(let site):
            count(.reserve)
            sites[site].reserve += 1
            post(.diskSampled(freeBytes: Self.scarceBytes), to: site)
        case .clockJump(let site, let milliseconds):
            count(.clockJump)
            sites[site].clockError += milliseconds
        case .nameFailure(let site, let isDenial):
            count(.nameFailure)
            if isDenial { sites[site].nameDenials += 1 } else { sites[site].nameFailures += 1 }
        case .certificate(let site):
            count(.certificate)
            sites[site].certificateFailures += 1
        case .clientDrop(let client): dropClient(client, away: fault.duration)
        }
    }

    /// Less than the reserve and more than the floor.
    static let scarceBytes: Int64 = 256 << 20

    mutating func end(_ index: Int) {
        switch plan.faults[index].kind {
        case .outage(let line, let kind, let reversed): endOutage(line, kind, reversed)
        case .slowLine(let line, let speed):
            if let index = lines[line].slow.firstIndex(of: speed) { lines[line].slow.remove(at: index) }
        case .restore(let site, let downtime): putBackupBack(site, index, downtime)
        case .slowDisk(let site): sites[site].slowDisk -= 1
        case .reserve(let site):
            sites[site].reserve -= 1
            if sites[site].reserve == 0 { post(.diskSampled(freeBytes: 1 << 40), to: site) }
        case .nameFailure(let site, let isDenial):
            if isDenial { sites[site].nameDenials -= 1 } else { sites[site].nameFailures -= 1 }
        case .certificate(let site): sites[site].certificateFailures -= 1
        case .crash, .restart, .forget, .clockJump, .clientDrop: break
        }
    }

    private mutating func beginOutage(_ line: Int, _ kind: Topology.Outage.Kind, _ reversed: Bool) {
        switch kind {
        case .blackHole:
            count(.blackHole)
            lines[line].silent += 1
        case .halfOpen:
            count(.halfOpen)
            // Bytes still arrive from the second end to the first, or the other way round.
            if reversed { lines[line].deaf.1 += 1 } else { lines[line].deaf.0 += 1 }
        case .refuse:
            count(.refused)
            lines[line].refusing += 1
            resetPipes(over: line)
        case .cut:
            count(.reset)
            resetPipes(over: line)
        }
    }

    private mutating func endOutage(_ line: Int, _ kind: Topology.Outage.Kind, _ reversed: Bool) {
        switch kind {
        case .blackHole: lines[line].silent -= 1
        case .halfOpen: if reversed { lines[line].deaf.1 -= 1 } else { lines[line].deaf.0 -= 1 }
        case .refuse: lines[line].refusing -= 1
        case .cut: return
        }
        lineHealed(line)
    }

    private mutating func resetPipes(over line: Int) {
        for pipe in openPipes where pipes[pipe].route.contains(where: { $0.line == line }) {
            for way in 0...1 { pipes[pipe].update(way: way) { $0.isDead = true } }
            schedule.add(.reset(pipe: pipe), after: 1)
        }
    }

    private mutating func beginCrash(_ server: Int, _ point: Int, _ downtime: Int64) {
        if server >= sites.count { return killForeign(server - sites.count, downtime: downtime) }
        guard sites[server].driver != nil else { return }
        count([FaultName.crashBeforeCommit, .crashAfterCommit, .crashIdle][min(point, 2)])
        kill(server, point: point)
        schedule.add(.start(site: server), after: downtime + (point < 2 ? Self.crashPatience : 0))
    }

    /// A backup of a running site: what is open is committed first.
    private mutating func takeBackup(_ site: Int, _ index: Int) {
        if sites[site].driver != nil {
            do {
                guard let effects = try sites[site].driver?.close() else { return }
                perform(effects, of: site)
            } catch {
                died(site)
            }
        }
        backups[index] = (sites[site].store.backup(), schedule.now)
    }

    private mutating func putBackupBack(_ site: Int, _ index: Int, _ downtime: Int64) {
        guard let backup = backups[index] else { return }
        count(.backup)
        if sites[site].driver != nil { died(site) }
        sites[site].store.restore(backup.rows)
        rolledBack(site, to: backup.at)
        schedule.add(.start(site: site), after: downtime)
    }

    /// A store went back in time. What became of each message between two sites:
    ///
    /// - Its loss is excused only if no store has it any more: neither that of its sender, where it waits or is kept, nor that of
    ///   its addressee, which took it over. Else it must arrive.
    /// - It may arrive again only where the addressee's store forgot that it had come, or that its client had it.
    private mutating func rolledBack(_ site: Int, to time: Int64) {
        rolledBack.insert(site)
        lanes.rollback(site)
        stops.rollback(site, to: time)
        // A client begins a new session with a server that has another store: what it resumed would be of another time.
        for client in clients.indices where clients[client].site == site { clients[client].serverForgot() }
        let logged = sites[site].store.loggedMessages()
        for number in 0..<ledger.sentCount {
            let ends = ledger.ends(number)
            let (from, to) = (siteOf(ends.from), siteOf(ends.to))
            guard from == site || to == site else { continue }
            judge(number, from: from, to: to, isLogged: logged.contains("m\(number)"), site)
        }
    }

    private mutating func judge(_ number: Int, from: Int?, to: Int?, isLogged: Bool, _ site: Int) {
        let id = "m\(number)"
        guard let from, let to, from != to else {
            // A store alone, or one with a foreign server.
            ledger.excuse(number)
            if to == site { ledger.allowAgain(number) }
            if from == site, clients[ledger.ends(number).from].holds(id) { ledger.handedOverAgain(number) }
            return
        }
        let isKnown = (from: sites[from].store.known.contains(id), to: sites[to].store.known.contains(id))
        // A sender's site that keeps little may have nothing left of what its addressee's forgot.
        let keepsAll = sites[from].policy.federation.keep.time >= FederationPolicy().keep.time
        if !isKnown.to, !isKnown.from || !keepsAll { ledger.excuse(number) }
        if to == site, !isKnown.to || isLogged || ledger.hasCopies(number) { ledger.allowAgain(number) }
        if to == site { ledger.allowLate(number) }
        guard from == site else { return }
        // Its client cannot resume the session in which it handed it over, and does so again.
        if clients[ledger.ends(number).from].holds(id) { ledger.handedOverAgain(number) }
        // It had expired after the backup.
        if ledger.hasReturned(number) { ledger.excuse(number) }
    }

    private func siteOf(_ person: Int) -> Int? { person < clients.count ? clients[person].site : nil }
}
