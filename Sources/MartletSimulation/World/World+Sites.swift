import MartletBus
import MartletPrimitives
import MartletSite
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

extension World {
    /// A machine starts: the boot path, as after every crash.
    mutating func start(_ site: Int) {
        sites[site].incarnation += 1
        sites[site].inbox = []
        sites[site].isScheduled = false
        sites[site].busyUntil = 0
        sites[site].owners = [.nobody]
        sites[site].work = SimulatedWork()
        environments[site] = nil
        var key: [UInt8] = []
        for _ in 0..<4 { withUnsafeBytes(of: random.next().littleEndian) { key.append(contentsOf: $0) } }
        auditReferences(site)
        // A store that was lost, or is from before they were made, or died before they were.
        let hasAccounts = sites[site].store.memory.count(.account) == clients.count { $0.site == site }
        if mutation == .entryRemovedAtSend { forgetWhatWasSent(site) }
        var policy = sites[site].policy
        // The administrator has changed his mind: what waits must not be overtaken by what is written from now on.
        if sites[site].incarnation % 2 == 0 {
            policy.federation.laneRules = LaneRules(
                urgent: policy.federation.laneRules.bulk, bulk: policy.federation.laneRules.urgent)
        }
        var driver = SiteDriver(store: sites[site].store, policy: policy, random: RandomStream(key: key))
        guard let effects = try? driver.boot(monotonic: schedule.now, wall: wall(site)) else { return }
        sites[site].driver = driver
        if isTracing { note(site, "started") }
        perform(effects, of: site)
        planWake(site)
        if sites[site].reserve > 0 { post(.diskSampled(freeBytes: Self.scarceBytes), to: site) }
        guard !hasAccounts else { return }
        for client in clients where client.site == site {
            post(.command(CommandID(0), .accounts(.add(client.account, Self.keys))), to: site)
        }
    }

    private static let keys: PasswordKeys = {
        let keys = PasswordKeys.Keys(
            salt: Array("simulation".utf8), iterations: 4096, storedKey: [UInt8](repeating: 1, count: 32),
            serverKey: [UInt8](repeating: 2, count: 32))
        return PasswordKeys(sha1: keys, sha256: keys)
    }()

    /// The process dies: within its next commit, or at once. One that commits nothing for a while dies without.
    mutating func kill(_ site: Int, point: Int) {
        guard sites[site].driver != nil else { return }
        switch point {
        case 0: sites[site].store.crashPoint = .beforeCommit
        case 1: sites[site].store.crashPoint = .afterCommit
        default: return died(site)
        }
        schedule.add(.kill(site: site, incarnation: sites[site].incarnation), after: Self.crashPatience)
    }

    /// Stops in good order, as for an upgrade.
    mutating func stop(_ site: Int) {
        guard sites[site].driver != nil else { return }
        sites[site].busyUntil = 0
        sites[site].inbox.append(.shutdownRequested)
        runBatch(site)
    }

    /// It has said good-bye to everybody.
    private mutating func stopped(_ site: Int) {
        if let effects = try? sites[site].driver?.close() { perform(effects, of: site) }
        if sites[site].driver != nil { died(site) }
    }

    /// What the others see of a death: the kernel resets the sockets.
    mutating func died(_ site: Int) {
        if isTracing { note(site, "is dead") }
        sites[site].driver = nil
        sites[site].inbox = []
        sites[site].wake = nil
        sites[site].store.crash()
        abandonPipes(of: site)
        for client in clients.indices where clients[client].site == site && clients[client].connection != nil {
            clients[client].streamLost()
            let pause = 500 + pick(2000)
            schedule.add(.login(client: client), after: pause)
        }
    }

    /// One batch: what was posted since the last one.
    mutating func runBatch(_ site: Int) {
        if sites[site].busyUntil > schedule.now {
            sites[site].isScheduled = true
            return schedule.add(.batch(site: site), after: sites[site].busyUntil - schedule.now)
        }
        sites[site].isScheduled = false
        var events: [SiteEvent] = []
        swap(&events, &sites[site].inbox)
        let commits = sites[site].store.memory.commits
        let effects: [Effect]
        do {
            let wall = wall(site)
            guard let result = try sites[site].driver?.handle(&events, monotonic: schedule.now, wall: wall) else {
                return
            }
            effects = result
        } catch {
            return died(site)
        }
        if !events.isEmpty {
            sites[site].inbox = events + sites[site].inbox
            scheduleBatch(site)
        }
        auditLanes(site)
        chart?.queue(site, at: schedule.now, depth: sites[site].store.memory.count(.entry))
        if sites[site].slowDisk > 0, sites[site].store.memory.commits > commits {
            let delay = 50 + pick(450)
            sites[site].busyUntil = schedule.now + delay
            schedule.add(.letOut(site: site, incarnation: sites[site].incarnation, effects: effects), after: delay)
        } else {
            perform(effects, of: site)
        }
        if sites[site].store.hasDiedUnnoticed { return died(site) }
        planWake(site)
    }

    private mutating func planWake(_ site: Int) {
        guard let wake = sites[site].driver?.nextWake else { return sites[site].wake = nil }
        let at = max(wake, schedule.now + 1, sites[site].busyUntil)
        guard sites[site].wake != at else { return }
        sites[site].wake = at
        schedule.add(.wake(site: site, at: at), after: at - schedule.now)
    }

    mutating func perform(_ effects: [Effect], of site: Int) {
        var isShutDown = false
        for effect in effects {
            switch effect {
            case .stream(let connection, let command): perform(command, on: connection, of: site)
            case .dial(let request): dial(site, request)
            case .note(let diagnostic):
                if isTracing { note(site, "\(diagnostic)") }
                if case .longTurn(let event, let count) = diagnostic {
                    faults.append(Fault(.longTurn, "\(sites[site].name), \(event): \(count)"))
                }
                if case .laneStopped(let pair, _, let reason) = diagnostic {
                    stops.stopped(
                        pair, local: site, peer: server(pair.peer), at: schedule.now,
                        kept: sites[site].policy.federation.keep.time, reason: reason)
                }
            case .work(let id, let work): begin(id, work, of: site)
            case .shutdownComplete: isShutDown = true
            case .cancelDial, .answer, .withhold: break
            }
        }
        if isShutDown { stopped(site) }
    }

    private mutating func begin(_ id: WorkID, _ work: Work, of site: Int) {
        guard let end = sites[site].work.begin(work, at: schedule.now) else {
            return post(.workDone(id, .refused), to: site)
        }
        schedule.add(
            .work(site: site, incarnation: sites[site].incarnation, id, work), after: end - schedule.now)
    }

    private mutating func perform(_ command: StreamCommand, on connection: ConnectionID, of site: Int) {
        digest.add(UInt64(site) << 32 | UInt64(connection.slot))
        if case .send(let bytes) = command { digest.add(bytes) }
        switch sites[site].owner(of: connection) {
        case .nobody: break
        case .pipe(let pipe, let end):
            if case .send(let bytes) = command { audit(bytes, pipe, end) }
            perform(command, on: pipe, end)
        case .client(let client):
            guard clients[client].connection == connection else { return }
            perform(command, on: connection, ofClient: client)
        }
    }
}
