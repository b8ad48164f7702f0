import MartletConfiguration
import MartletPrimitives

/// Makes the ``RunPlan`` of a topology and a seed.
struct PlanMaker {
    private let topology: Topology
    private var random: RandomStream
    private let sites: Int
    private let servers: [String]
    private let people: (clients: Int, all: Int)
    private let trafficTime: Int64

    init(_ topology: Topology, seed: UInt64) {
        self.topology = topology
        random = RandomStream(seed: seed ^ 0x706c_616e)
        sites = topology.sites.count
        servers = topology.sites.map(\.name) + topology.foreignServers.map(\.name)
        let clients = topology.sites.reduce(0) { $0 + $1.users.count }
        people = (clients, clients + topology.foreignServers.reduce(0) { $0 + $1.users.count })
        trafficTime = Int64(Double(topology.traffic.messages) * 1000 / max(topology.traffic.ratePerSecond, 0.001))
    }

    private mutating func pick(_ limit: Int64) -> Int64 { Int64(random.next() % UInt64(max(limit, 1))) }
    private mutating func choose(_ limit: Int) -> Int { Int(random.next() % UInt64(max(limit, 1))) }
    private mutating func jittered(_ time: Duration) -> Int64 {
        time.milliseconds - time.milliseconds / 4 + pick(max(time.milliseconds / 2, 1))
    }

    mutating func faults() -> [PlannedFault] {
        var faults: [PlannedFault] = []
        for (line, link) in topology.links.enumerated() {
            for outage in link.outages {
                let start = outage.start == .zero ? 0 : jittered(outage.start)
                for time in 0..<Int64(outage.times) {
                    faults.append(
                        PlannedFault(
                            at: start + time * outage.every.milliseconds, duration: outage.duration.milliseconds,
                            kind: .outage(line: line, outage.kind, reversed: false)))
                }
            }
        }
        for crash in topology.crashes {
            guard let server = servers.firstIndex(of: crash.site) else { continue }
            faults.append(
                PlannedFault(
                    at: jittered(crash.at), duration: max(1, crash.downtime.milliseconds),
                    kind: crash.isGraceful ? .restart(server: server) : .crash(server: server, point: choose(3))))
        }
        for restore in topology.restores {
            guard let site = servers.firstIndex(of: restore.site) else { continue }
            let at = jittered(restore.backup)
            faults.append(
                PlannedFault(
                    at: at, duration: (restore.at - restore.backup).milliseconds,
                    kind: .restore(site: site, downtime: max(1, restore.downtime.milliseconds))))
        }
        if !topology.chaos.kinds.isEmpty {
            for _ in 0..<choose(topology.chaos.faults * 2 + 1) { faults += trouble() }
        }
        return faults.sorted { $0.at < $1.at }
    }

    /// One trouble of `[chaos]`.
    private mutating func trouble() -> [PlannedFault] {
        let kind = topology.chaos.kinds[choose(topology.chaos.kinds.count)]
        let at = 3000 + pick(trafficTime + 10_000)
        let site = choose(sites)
        func fault(_ kind: PlannedFault.Kind, _ duration: Int64) -> [PlannedFault] {
            [PlannedFault(at: at, duration: duration, kind: kind)]
        }
        switch kind {
        case .flap, .blackHole, .halfOpen, .refuse, .slowLine:
            guard !topology.links.isEmpty else { return [] }
            return lineTrouble(kind, at)
        case .crash: return fault(.crash(server: choose(servers.count), point: choose(3)), 200 + pick((8000)))
        case .restart: return fault(.restart(server: site), 200 + pick(5000))
        case .slowDisk: return fault(.slowDisk(site: site), 1000 + pick((20_000)))
        case .reserve: return fault(.reserve(site: site), 1000 + pick(15_000))
        case .clockJump:
            let jumps: [Int64] = [-86_400_000 * 365 * 20, -3_600_000, -5000, 5000, 3_600_000, 20 * 3_600_000]
            return fault(.clockJump(site: site, milliseconds: jumps[choose(jumps.count)]), 1)
        case .nameFailure: return fault(.nameFailure(site: site, isDenial: pick(3) == 0), 1000 + pick(20_000))
        case .certificate: return fault(.certificate(site: site), 1000 + pick(20_000))
        case .restore: return restores(at)
        case .forget: return fault(.forget(site: site), 200 + pick(5000))
        case .clientDrop:
            return people.clients == 0 ? [] : fault(.clientDrop(client: choose(people.clients)), 200 + pick(15_000))
        }
    }

    /// A backup that is put back, and as often as not another one, of the same site or of another, taken before or after that.
    private mutating func restores(_ at: Int64) -> [PlannedFault] {
        var faults: [PlannedFault] = []
        for _ in 0...choose(2) {
            let taken = at + pick(10_000)
            faults.append(
                PlannedFault(
                    at: taken, duration: 500 + pick(20_000), kind: .restore(site: choose(sites), downtime: 200 + pick(4000))))
        }
        return faults
    }

    private mutating func lineTrouble(_ kind: Topology.Trouble, _ at: Int64) -> [PlannedFault] {
        let line = choose(topology.links.count)
        func fault(_ kind: PlannedFault.Kind, _ at: Int64, _ duration: Int64) -> PlannedFault {
            PlannedFault(at: at, duration: duration, kind: kind)
        }
        switch kind {
        case .flap:
            let kinds: [Topology.Outage.Kind] = [.blackHole, .refuse, .cut]
            let how = kinds[choose(3)]
            let period = 500 + pick(4000)
            return (0..<2 + Int64(pick(6))).map {
                fault(.outage(line: line, how, reversed: false), at + $0 * period, period / 2)
            }
        case .blackHole: return [fault(.outage(line: line, .blackHole, reversed: false), at, 500 + pick(60_000))]
        case .halfOpen: return [fault(.outage(line: line, .halfOpen, reversed: pick(2) == 0), at, 500 + pick(60_000))]
        case .refuse: return [fault(.outage(line: line, .refuse, reversed: false), at, 500 + pick(30_000))]
        default: return [fault(.slowLine(line: line, bytesPerSecond: 1200), at, 2000 + pick(30_000))]
        }
    }

    mutating func deeds() -> [RunPlan.Deed] {
        guard people.all > 1 else { return [] }
        let interval = max(1, trafficTime / Int64(max(topology.traffic.messages, 1)))
        return (0..<topology.traffic.messages).map { message in
            let from = choose(people.all)
            let to = addressee(of: from)
            let kinds: [RunPlan.Deed.Kind] = [.message, .message, .message, .messageToDevice]
            return RunPlan.Deed(
                at: 4000 + Int64(message) * interval + pick(interval), from: from, to: to, kind: kinds[choose(4)])
        }
            + (0..<topology.traffic.messages / 8).map { _ in
                let from = choose(people.all)
                let to = addressee(of: from)
                return RunPlan.Deed(at: 4000 + pick(trafficTime), from: from, to: to, kind: .query)
            }
    }

    /// Somebody else; people of foreign servers write to ours.
    private mutating func addressee(of from: Int) -> Int {
        let to = (from + 1 + choose(people.all - 1)) % people.all
        return from >= people.clients && to >= people.clients && people.clients > 0 ? choose(people.clients) : to
    }

    /// Each person of a site has a colleague in the contact list.
    mutating func contacts() -> [(from: Int, to: Int)] {
        guard people.clients > 1 else { return [] }
        return (0..<people.clients).map { ($0, ($0 + 1 + choose(people.clients - 1)) % people.clients) }
    }
}
