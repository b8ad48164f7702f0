import ArgumentParser
import Glibc
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPStanzas

/// `martlet-bench queue`: a million entries that wait for an office which cannot be reached.
struct QueueBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue",
        abstract: "A queue of a million: what taking over, standing, starting, delivering and expiring cost.",
        discussion: """
            Drives a whole site over a store on disk, every batch committed with fsync, without sockets. The directory must
            not exist; it is removed at the end.

              martlet-bench queue --directory /var/tmp/martlet-bench
            """)

    @Option(help: "Messages that wait.")
    var entries = 1_000_000

    @Option(help: "Senders, and as many recipients.")
    var people = 1000

    @Option(help: "Stanzas in a batch.")
    var batch = 200

    @Option(help: ArgumentHelp("Where the store is made.", valueName: "path"))
    var directory: String

    @Flag(help: "Print the figures as JSON.")
    var json = false

    @Flag(help: "Only take over and deliver.")
    var brief = false

    func validate() throws {
        guard entries > 0, people > 1, batch > 0 else { throw ValidationError("numbers are taken from 1, people from 2") }
        guard access(directory, F_OK) != 0 else { throw ValidationError("\(directory) exists") }
    }

    func run() throws {
        var run = try QueueRun(self)
        defer {
            BenchDirectory.remove(directory)
            BenchDirectory.remove(directory + "-bare")
            BenchDirectory.remove(directory + "-alone")
        }
        try run.all()
        if json { print(try run.report.json()) }
    }
}

/// One run with its site and figures.
struct QueueRun {
    private let options: QueueBench
    private var site: LoadedSite
    private(set) var report: Report
    private var rowBytes: UInt64 = 0

    /// The office that is cut off, and one that is not.
    private static let down = 0
    private static let up = 1
    /// Messages by which the cost of one is measured.
    private static let sample = 20_000

    init(_ options: QueueBench) throws {
        self.options = options
        report = Report(isQuiet: options.json)
        site = try LoadedSite(directory: options.directory, peers: ["brno.example", "praha.example"])
        try site.logIn(options.people)
        try site.setReachable(Self.up, true)
        try site.settle()
    }

    /// All parts in order.
    mutating func all() throws {
        try sendSample(to: Self.domain(Self.up), .max)
        report.begin("Empty queue")
        let others = try measureOthers()
        let memory = Meter.memory
        report.add("memory", Double(memory) / 1e6, "MB")

        report.begin("Taking over \(options.entries) messages for an office that is cut off")
        try enqueue(memoryBefore: memory)
        if options.brief { return try drain("Delivery after the line is back") }

        report.begin("While they wait")
        let loaded = try measureOthers()
        report.add("another office, cost against an empty queue", loaded.office / others.office, "×")
        report.add("this office, cost against an empty queue", loaded.local / others.local, "×")
        try look()

        report.begin("A start while they wait")
        let cost = try site.restart()
        report.add("start", cost.seconds * 1000, "ms")
        report.add("processor time of that", cost.longestMilliseconds, "ms")
        report.add("memory", Double(Meter.memory) / 1e6, "MB")
        try site.logIn(options.people, isNew: false)
        try site.setReachable(Self.up, true)
        try site.settle()

        try drain("Delivery after the line is back")

        report.begin("The same again")
        let size = site.fileSize
        try site.setReachable(Self.down, false)
        try enqueue(memoryBefore: nil)
        report.add("growth of the file", Double(site.fileSize) / Double(size) * 100 - 100, "%")
        try expire()
        try purge()
    }

    private static func domain(_ index: Int) -> String { index == down ? "brno.example" : "praha.example" }

    // MARK: messages

    private mutating func message(_ number: Int, to domain: String) -> SiteEvent {
        let sender = number % options.people
        // Every sender writes to every recipient, far apart.
        let recipient = (number / options.people + sender * 7) % options.people
        let body = "Are the drawings for the second floor ready? The builders ask again, number \(number)."
        return site.message(from: sender, to: "person\(recipient)@\(domain)", body: body)
    }

    /// The same message as the queue gets it.
    private mutating func routed(_ number: Int, to domain: String) -> Stanza {
        guard case .client(_, .stanza(var stanza)) = message(number, to: domain) else {
            preconditionFailure("a message is none")
        }
        stanza.from = site.clients[number % options.people].jid
        return stanza
    }

    private mutating func send(_ count: Int, to domain: String) throws {
        var sent = 0
        while sent < count {
            let size = min(options.batch, count - sent)
            var events: [SiteEvent] = []
            for offset in 0..<size { events.append(message(sent + offset, to: domain)) }
            try site.handle(events)
            sent += size
        }
    }

    private mutating func sendSample(to domain: String, _ count: Int) throws {
        try send(min(Self.sample, count), to: domain)
    }

    /// What a message to another office and one within this office cost now, microseconds of processor time.
    private mutating func measureOthers() throws -> (office: Double, local: Double) {
        site.beginPart()
        try sendSample(to: Self.domain(Self.up), .max)
        let office = site.cost.microseconds(per: Self.sample)
        report.add("a message to an office that is there", office, "µs")
        site.beginPart()
        try sendSample(to: LoadedSite.domain.domainpart, .max)
        let local = site.cost.microseconds(per: Self.sample)
        report.add("a message within this office", local, "µs")
        return (office, local)
    }

    // MARK: parts

    private mutating func enqueue(memoryBefore: Int?) throws {
        let size = site.fileSize
        site.beginPart()
        try send(options.entries, to: Self.domain(Self.down))
        let cost = site.cost
        report.add("entries a second", cost.perSecond(options.entries), "/s")
        report.add("processor time for an entry", cost.microseconds(per: options.entries), "µs")
        report.add("longest batch", cost.longestMilliseconds, "ms")
        guard let memoryBefore else { return }
        rowBytes = (site.fileSize - min(size, site.fileSize)) / UInt64(options.entries)
        report.add("bytes of the file for an entry", Double(rowBytes), "B")
        report.add("memory before", Double(memoryBefore) / 1e6, "MB")
        report.add("memory now", Double(Meter.memory) / 1e6, "MB")
        report.add("pages of the file that the system keeps in memory", Double(Meter.mapped) / 1e6, "MB")
        let bare = try BareStore.perSecond(
            directory: options.directory + "-bare", entries: options.entries, batch: options.batch)
        report.add("the same rows into bare LMDB, committed as often", bare, "/s")
        report.add("of bare LMDB", cost.perSecond(options.entries) / bare * 100, "%")
        let alone = try QueueAlone.cost(
            directory: options.directory + "-alone", entries: options.entries, batch: options.batch
        ) { routed($0, to: Self.domain(Self.down)) }
        report.add("the queue alone, entries a second", alone.perSecond(options.entries), "/s")
        report.add("processor time for an entry", alone.microseconds(per: options.entries), "µs")
        report.add("of bare LMDB", alone.perSecond(options.entries) / bare * 100, "%")
    }

    /// What the operator sees.
    private mutating func look() throws {
        let commands: [(String, Command)] = [
            ("martlet status", .status), ("martlet link list", .links(.listLinks)),
            ("martlet queue list, first page", .links(.listQueue(QueueFilter(), after: nil))),
            ("martlet queue, first part", .links(.listAges(after: nil))),
            ("martlet queue list, last page", .links(.listQueue(QueueFilter(), after: EntryName(lane: 1, number: .max / 2)))),
        ]
        for (name, command) in commands {
            let cost = try site.ask(command).cost
            report.add(name, cost.longestMilliseconds, "ms")
        }
    }

    private mutating func drain(_ title: String) throws {
        report.begin(title)
        let before = site.peers[Self.down].received
        site.beginPart()
        try site.setReachable(Self.down, true)
        try site.settle()
        let count = site.peers[Self.down].received - before
        report.add("entries delivered", Double(count), "")
        report.add("entries a second", site.cost.perSecond(count), "/s")
        report.add("processor time for an entry", site.cost.microseconds(per: count), "µs")
        report.add("longest batch", site.cost.longestMilliseconds, "ms")
        report.add("batches", Double(site.cost.turns), "")
        report.add("memory", Double(Meter.memory) / 1e6, "MB")
    }

    private mutating func expire() throws {
        report.begin("Four hours: senders are told")
        site.beginPart()
        try site.pass(5 * 3_600_000)
        addTurns()
        report.begin("Five days: everything expires")
        site.beginPart()
        try site.pass(5 * 86_400_000)
        addTurns()
        try look()
        try drain("Voids after the line is back")
    }

    /// As `martlet queue purge` does: pages of the list, then claims of 256 entries.
    private mutating func purge() throws {
        let count = max(1, options.entries / 10)
        report.begin("\(count) entries wait once more, and the operator purges them")
        try site.setReachable(Self.down, false)
        try send(count, to: Self.domain(Self.down))
        site.beginPart()
        var cursor: EntryName?
        var done = 0
        repeat {
            guard case .queue(let page) = try site.ask(.links(.listQueue(QueueFilter(), after: cursor))).answer else { break }
            for start in stride(from: 0, to: page.rows.count, by: 256) {
                let claims = page.rows[start..<min(start + 256, page.rows.count)].map { EntryClaim(name: $0.name, tag: $0.tag) }
                if case .desk(let outcome) = try site.ask(.links(.purgeEntries(claims))).answer { done += outcome.done }
            }
            cursor = page.next
        } while cursor != nil
        report.add("entries purged", Double(done), "")
        addTurns()
    }

    private mutating func addTurns() {
        report.add("batches", Double(site.cost.turns), "")
        report.add("processor time", Double(site.cost.processor) / 1e9, "s")
        report.add("longest batch", site.cost.longestMilliseconds, "ms")
        report.add("memory", Double(Meter.memory) / 1e6, "MB")
    }
}
