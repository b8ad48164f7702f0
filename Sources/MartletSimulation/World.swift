import MartletBus
import MartletConfiguration
import MartletPrimitives
import MartletSite
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// A company on virtual time: the sites of a topology, the lines between them, people with clients, and everything that
/// goes wrong. Stanza mode: streams are authenticated at once, their bytes are those of the real sites.
///
/// The same topology and seed give the same run to the last byte.
public struct World {
    /// The end of a run.
    public struct Report: Sendable {
        /// What was sent and what arrived.
        public var ledger: DeliveryLedger
        /// What sites let out, as one number.
        public var digest: Digest64
        /// What went against the promise, in words; empty when it held.
        public var faults: [String]
        /// Machines that were killed.
        public var crashes = 0
        /// Lines that were cut.
        public var cuts = 0
    }

    enum Action {
        case batch(site: Int)
        case wake(site: Int, at: Int64)
        case start(site: Int)
        case kill(site: Int, downtime: Int64)
        case cut(line: Int, kind: Topology.Outage.Kind, duration: Int64)
        case heal(line: Int)
        case type(client: Int, to: Int)
        case login(client: Int)
        case drop(client: Int)
        /// Bytes of a client's or server's connection reach a site, unless it was started anew meanwhile.
        case arrive(site: Int, incarnation: UInt32, event: SiteEvent)
        case carry(pipe: Int, bytes: [UInt8])
        case endPipe(pipe: Int, words: String)
        case refuse(site: Int, incarnation: UInt32, dial: DialID, words: String)
        case connect(site: Int, incarnation: UInt32, request: DialRequest)
        case clientReceives(client: Int, connection: ConnectionID, bytes: [UInt8])
    }

    var schedule = Schedule<Action>()
    var random: RandomStream
    var sites: [SimulatedSite] = []
    var lines: [Line] = []
    var pipes: [Pipe] = []
    var clients: [SimulatedClient] = []
    var ledger = DeliveryLedger()
    var digest = Digest64()
    var crashes = 0
    var cuts = 0
    var isHealing = false
    /// When the last fault of the topology comes.
    private var lastFault: Int64 = 0
    /// What sites did that they never may.
    var faults: [String] = []
    /// Lanes that stopped: never without a rollback.
    var stops: [String] = []
    /// Accounts that exist, by site, so that a new store gets them once.
    let topology: Topology

    /// When this run's calendar begins: 2026-01-05T08:00:00Z.
    static let wallStart: Int64 = 1_767_600_000_000
    /// A client's line to its office, milliseconds.
    static let officeDelay: Int64 = 1
    /// How long a site takes from an event to its batch, milliseconds.
    static let batchDelay: Int64 = 1

    /// A line between two sites.
    struct Line {
        let ends: (Int, Int)
        let delay: Int64
        var outage: Topology.Outage.Kind?
    }

    /// A connection between two servers, carrying stanzas one way and nonzas both ways.
    struct Pipe {
        let line: Int
        let dialler: (site: Int, connection: ConnectionID, incarnation: UInt32)
        let accepter: (site: Int, connection: ConnectionID, incarnation: UInt32)
        /// Bytes were lost on it: TCP delivers nothing any more.
        var isBroken = false
        var isClosed = false
    }

    /// The world of a topology; the seed decides everything that the topology leaves open.
    public init(_ topology: Topology, seed: UInt64) {
        self.topology = topology
        random = RandomStream(seed: seed)
        let names = topology.sites.map(\.name)
        for site in topology.sites {
            let domain = JID(preparedLocalpart: nil, preparedDomainpart: site.domain, preparedResourcepart: nil)
            var policy = SitePolicy(domains: [domain])
            policy.knownPeers = topology.sites.filter { $0.domain != site.domain }.map {
                JID(preparedLocalpart: nil, preparedDomainpart: $0.domain, preparedResourcepart: nil)
            }
            sites.append(SimulatedSite(name: site.name, domain: domain, policy: policy))
            for user in site.users {
                let account = JID(preparedLocalpart: user, preparedDomainpart: site.domain, preparedResourcepart: nil)
                clients.append(SimulatedClient(account: account, site: sites.count - 1))
            }
        }
        for link in topology.links {
            guard let first = names.firstIndex(of: link.between[0]), let second = names.firstIndex(of: link.between[1]) else {
                continue
            }
            lines.append(Line(ends: (first, second), delay: max(1, link.delay.milliseconds)))
            for outage in link.outages {
                schedule.add(
                    .cut(line: lines.count - 1, kind: outage.kind, duration: outage.duration.milliseconds),
                    after: jittered(outage.start.milliseconds))
            }
        }
        for crash in topology.crashes {
            guard let site = names.firstIndex(of: crash.site) else { continue }
            schedule.add(.kill(site: site, downtime: crash.downtime.milliseconds), after: jittered(crash.at.milliseconds))
        }
        for site in sites.indices { schedule.add(.start(site: site), after: 0) }
    }

    /// The seed moves what the topology plans by up to half its time, so that each seed meets it at another moment.
    private mutating func jittered(_ milliseconds: Int64) -> Int64 {
        let moved = milliseconds / 2 + pick(max(milliseconds, 1))
        lastFault = max(lastFault, moved)
        return moved
    }

    /// A number below `limit`.
    mutating func pick(_ limit: Int64) -> Int64 { Int64(random.next() % UInt64(limit)) }

    /// Runs to the end: traffic and faults, then healing, then the judgement.
    public mutating func run() -> Report {
        let length = planTraffic()
        advance(until: length)
        heal()
        // The longest pause of a link, a resumption's end and every queue: ten minutes are ample.
        advance(until: length + 600_000)
        return report()
    }

    private mutating func planTraffic() -> Int64 {
        let interval = Int64(1000 / max(topology.traffic.ratePerSecond, 0.001))
        let traffic = Int64(topology.traffic.messages) * max(interval, 1) + 5000
        let length = max(traffic, lastFault + 5000)
        for client in clients.indices { schedule.add(.login(client: client), after: 1000 + pick(2000)) }
        for message in 0..<topology.traffic.messages {
            let from = Int(pick(Int64(clients.count)))
            let to = (from + 1 + Int(pick(Int64(clients.count - 1)))) % clients.count
            schedule.add(.type(client: from, to: to), after: 4000 + Int64(message) * interval + pick(max(interval, 1)))
        }
        // People's own networks fail too.
        for client in clients.indices where pick(2) == 0 { schedule.add(.drop(client: client), after: 5000 + pick(length)) }
        return length
    }

    private mutating func advance(until end: Int64) {
        while let action = schedule.next(before: end) { perform(action) }
    }

    private mutating func heal() {
        isHealing = true
        for line in lines.indices { lines[line].outage = nil }
        for site in sites.indices where sites[site].driver == nil { start(site) }
        for client in clients.indices where clients[client].connection == nil { login(client) }
    }

    private mutating func perform(_ action: Action) {
        switch action {
        case .batch(let site): runBatch(site)
        case .wake(let site, let at):
            if sites[site].wake == at { runBatch(site) }
        case .start(let site):
            if sites[site].driver == nil { start(site) }
        case .kill(let site, let downtime):
            if !isHealing { kill(site, downtime: downtime) }
        case .cut(let line, let kind, let duration):
            if !isHealing { cut(line, kind, duration) }
        case .heal(let line): lines[line].outage = nil
        case .type(let client, let to): type(client, to)
        case .login(let client):
            if clients[client].connection == nil { login(client) }
        case .drop(let client): dropClient(client)
        case .arrive(let site, let incarnation, let event):
            if sites[site].incarnation == incarnation { post(event, to: site) }
        case .carry(let pipe, let bytes): carried(pipe, bytes)
        case .endPipe(let pipe, let words): pipeEnded(pipe, words)
        case .refuse(let site, let incarnation, let dial, let words):
            if sites[site].incarnation == incarnation { post(.dialFailed(dial, .unreachable(words)), to: site) }
        case .connect(let site, let incarnation, let request): connect(site, incarnation, request)
        case .clientReceives(let client, let connection, let bytes): clientReceives(client, connection, bytes)
        }
    }

    mutating func post(_ event: SiteEvent, to site: Int) {
        guard sites[site].driver != nil else { return }
        sites[site].inbox.append(event)
        guard !sites[site].isScheduled else { return }
        sites[site].isScheduled = true
        schedule.add(.batch(site: site), after: Self.batchDelay)
    }

    var wall: WallTime { WallTime(milliseconds: Self.wallStart + schedule.now) }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
