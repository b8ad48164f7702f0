import MartletBus
import MartletConfiguration
import MartletPrimitives
import MartletSite
import XMPPAddress
import XMPPStreams
import XMPPXML

/// A company on virtual time: the sites of a topology, the lines between them, people with clients, servers of other
/// software, and everything that goes wrong.
///
/// In stanza mode streams between servers are authenticated at once and carry whole elements; in byte mode each is two
/// real ``StreamEngine``s and a line that cuts the bytes anywhere. The same topology and plan give the same run to the
/// last byte.
public struct World {
    enum Action {
        case batch(site: Int)
        case wake(site: Int, at: Int64)
        case letOut(site: Int, incarnation: UInt32, effects: [Effect])
        case start(site: Int)
        case kill(site: Int, incarnation: UInt32)
        case startForeign(Int)
        case begin(fault: Int)
        case end(fault: Int)
        case deed(Int)
        case login(client: Int)
        /// Something of a connection reaches a site, unless it was started anew meanwhile.
        case arrive(site: Int, incarnation: UInt32, event: SiteEvent)
        /// A piece of work is done, unless the site was started anew meanwhile.
        case work(site: Int, incarnation: UInt32, WorkID, Work)
        case carry(pipe: Int, way: Int, item: Pipe.Item)
        case retransmit(pipe: Int, way: Int)
        case reset(pipe: Int)
        case closingTimeout(pipe: Int, end: Int)
        case engineTimer(pipe: Int, end: Int, StreamTimer)
        case connect(site: Int, incarnation: UInt32, request: DialRequest)
        case connectForeign(Int, incarnation: UInt32, site: Int)
        case foreignWatch(Int, site: Int, pipe: Int, acknowledged: Int)
        case foreignReads(Int, incarnation: UInt32, message: Int)
        case clientReceives(client: Int, connection: ConnectionID, bytes: [UInt8])
        case check
    }

    let topology: Topology
    let plan: RunPlan
    let mutation: Mutation?
    let isByteMode: Bool
    var schedule = Schedule<Action>()
    var random: RandomStream
    var sites: [SimulatedSite] = []
    var foreign: [ForeignServer] = []
    var lines: [Line] = []
    /// The way from one server to another.
    var routes: [[[Hop]]] = []
    var pipes: [Pipe] = []
    /// Pipes that are not over, in the order of their making.
    var openPipes: [Int] = []
    var clients: [SimulatedClient] = []
    /// The foreign server of each person behind the clients.
    var foreignPeople: [Int] = []
    var addresses: [JID] = []
    var environments: [StreamEnvironment?] = []
    var backups: [Int: (rows: SimulatedStore.Backup, at: Int64)] = [:]
    var isHealing = false
    /// When everything was well again.
    var healedAt: Int64 = 0
    var isQuietSince: Int64?

    // What is counted and checked

    var ledger: DeliveryLedger
    var acks = AckLedger()
    var lanes: LaneAuditor
    var stops = StopAuditor()
    var rolledBack: Set<Int> = []
    var faults: [Fault] = []
    var digest = Digest64()
    var counts: [FaultName: Int] = [:]
    var stanzas = 0
    var trace: Trace?
    var chart: Chart?
    var planted = Planted()

    /// When this run's calendar begins: 2026-01-05T08:00:00Z.
    static let wallStart: Int64 = 1_767_600_000_000
    /// A client's line to its office, milliseconds.
    static let officeDelay: Int64 = 1
    /// How long a site takes from an event to its batch, milliseconds.
    static let batchDelay: Int64 = 1
    /// A process that shall die in its next commit and has none dies after this long, milliseconds.
    static let crashPatience: Int64 = 2000
    /// A machine that stops in good order is down after this long, milliseconds: its clients have two seconds for a last word.
    static let stopPatience: Int64 = 5000
    /// After this long without trouble everything must have been delivered: the longest pause of a link, a resumption's
    /// end and every queue fit in.
    static let patience: Int64 = 900_000

    /// How a run is made.
    public struct Options: Sendable {
        /// Bytes and real stream engines between sites.
        public var isByteMode = false
        /// A planted defect.
        public var mutation: Mutation?
        /// How many lines of trace are kept.
        public var traceLines = 0
        /// Figures for a chart are collected.
        public var drawsChart = false

        /// The defaults: stanza mode, no defect, no trace.
        public init() {}
    }

    /// The world of a topology and a plan.
    public init(_ topology: Topology, plan: RunPlan, options: Options = Options()) {
        self.topology = topology
        self.plan = plan
        mutation = options.mutation
        isByteMode = options.isByteMode
        random = RandomStream(seed: plan.seed)
        if options.traceLines > 0 { trace = Trace(limit: options.traceLines) }
        let servers = topology.sites.map(\.name) + topology.foreignServers.map(\.name)
        if options.drawsChart { chart = Chart(sites: topology.sites.map(\.name)) }
        lanes = LaneAuditor(names: servers)
        ledger = DeliveryLedger(names: [])
        build(servers)
        for (index, fault) in plan.faults.enumerated() { schedule.add(.begin(fault: index), after: fault.at) }
        for (index, deed) in plan.deeds.enumerated() { schedule.add(.deed(index), after: deed.at) }
        for site in sites.indices { schedule.add(.start(site: site), after: 0) }
        for client in clients.indices { planLogin(client) }
    }

    /// The world of a topology and a seed.
    public init(_ topology: Topology, seed: UInt64, options: Options = Options()) {
        self.init(topology, plan: RunPlan(topology, seed: seed), options: options)
    }

    private mutating func planLogin(_ client: Int) {
        let pause = 1000 + pick(2000)
        schedule.add(.login(client: client), after: pause)
    }

    /// A number below `limit`.
    mutating func pick(_ limit: Int64) -> Int64 { Int64(random.next() % UInt64(max(limit, 1))) }

    /// Runs to the end: traffic and faults, then healing, then the judgement.
    public mutating func run() -> RunReport {
        let length = plan.length
        advance(until: length)
        heal()
        schedule.add(.check, after: 1000)
        advance(until: length + Self.patience)
        return report()
    }

    private mutating func advance(until end: Int64) {
        while let action = schedule.next(before: end) {
            if isHealing, let since = isQuietSince, schedule.now - since >= 4000 { return }
            perform(action)
        }
    }

    private mutating func perform(_ action: Action) {
        switch action {
        case .batch(let site): runBatch(site)
        case .wake(let site, let at):
            if sites[site].wake == at { runBatch(site) }
        case .letOut(let site, let incarnation, let effects):
            if sites[site].driver != nil, sites[site].incarnation == incarnation { perform(effects, of: site) }
        case .start(let site):
            if sites[site].driver == nil { start(site) }
        case .kill(let site, let incarnation):
            if sites[site].driver != nil, sites[site].incarnation == incarnation { died(site) }
        case .startForeign(let server): foreign[server].isUp = true
        case .begin(let fault):
            if !isHealing { begin(fault) }
        case .end(let fault):
            if !isHealing { end(fault) }
        case .deed(let deed): perform(plan.deeds[deed])
        case .login(let client):
            if clients[client].connection == nil { login(client) }
        case .arrive(let site, let incarnation, let event):
            if sites[site].incarnation == incarnation { post(event, to: site) }
        case .work(let site, let incarnation, let id, let work):
            if sites[site].incarnation == incarnation { post(.workDone(id, SimulatedWork.result(of: work)), to: site) }
        case .carry(let pipe, let way, let item): carried(pipe, way, item)
        case .retransmit(let pipe, let way): retransmit(pipe, way)
        case .reset(let pipe): reset(pipe)
        case .closingTimeout(let pipe, let end): closingTimedOut(pipe, end)
        case .engineTimer(let pipe, let end, let timer): engineTimerFired(pipe, end, timer)
        case .connect(let site, let incarnation, let request): connect(site, incarnation, request)
        case .connectForeign(let server, let incarnation, let site): connectForeign(server, incarnation, site)
        case .foreignWatch(let server, let site, let pipe, let count): foreignWatches(server, site, pipe, count)
        case .foreignReads(let server, let incarnation, let message): foreignReads(server, incarnation, message)
        case .clientReceives(let client, let connection, let bytes): clientReceives(client, connection, bytes)
        case .check: checkQuiet()
        }
    }

    mutating func post(_ event: SiteEvent, to site: Int) {
        guard sites[site].driver != nil else { return }
        sites[site].inbox.append(event)
        scheduleBatch(site)
    }

    mutating func scheduleBatch(_ site: Int) {
        guard !sites[site].isScheduled else { return }
        sites[site].isScheduled = true
        schedule.add(.batch(site: site), after: max(Self.batchDelay, sites[site].busyUntil - schedule.now))
    }

    func wall(_ site: Int) -> WallTime {
        WallTime(milliseconds: Self.wallStart + schedule.now + sites[site].clockError)
    }

    mutating func count(_ name: FaultName) { counts[name, default: 0] += 1 }

    var isTracing: Bool { trace != nil }

    mutating func note(_ server: Int, _ words: String) {
        let name = server < sites.count ? sites[server].name : foreign[server - sites.count].name
        trace?.add("\(PlannedFault.seconds(schedule.now)) \(name): \(words)")
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
