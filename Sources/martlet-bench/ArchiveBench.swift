import ArgumentParser
import Glibc
import MartletBus

/// `martlet-bench archive`: a million messages in one person's archive.
struct ArchiveBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "archive",
        abstract: "An archive of a million: what keeping, paging and a start cost.",
        discussion: """
            Drives a whole site over a store on disk, every batch committed with fsync, without sockets. The directory must
            not exist; it is removed at the end.

              martlet-bench archive --directory /var/tmp/martlet-bench
            """)

    @Option(help: "Messages in the archive.")
    var messages = 1_000_000

    @Option(help: "People who write to its owner.")
    var people = 1000

    @Option(help: "Stanzas in a batch.")
    var batch = 200

    @Option(help: ArgumentHelp("Where the store is made.", valueName: "path"))
    var directory: String

    @Flag(help: "Print the figures as JSON.")
    var json = false

    func validate() throws {
        guard messages >= 50 * people, people > 0, batch > 0 else {
            throw ValidationError("numbers are taken from 1, and of messages there are 50 for each of the people")
        }
        guard access(directory, F_OK) != 0 else { throw ValidationError("\(directory) exists") }
    }

    func run() throws {
        defer {
            BenchDirectory.remove(directory)
            BenchDirectory.remove(directory + "-plain")
        }
        var run = try ArchiveRun(self)
        try run.all()
        if json { print(try run.report.json()) }
    }
}

/// One run with its site and figures.
struct ArchiveRun {
    private let options: ArchiveBench
    private var site: LoadedSite
    private(set) var report: Report
    private var sent = 0

    /// Messages by which the cost of one is measured, and how often.
    private static let sample = 20_000
    private static let rounds = 5
    /// As many as wait for the index at most: a row for each of the two archives.
    private static let unindexed = 16_000
    /// Pages by which the cost of one is measured.
    private static let pages = 100

    init(_ options: ArchiveBench) throws {
        self.options = options
        report = Report(isQuiet: options.json)
        site = try LoadedSite(directory: options.directory, peers: [], archives: true)
        try site.logIn(options.people + 1)
    }

    /// All parts in order.
    mutating func all() throws {
        try compare()
        let memory = Meter.memory
        try fill()
        report.add("memory before", Double(memory) / 1e6, "MB")
        report.add("memory now", Double(Meter.memory) / 1e6, "MB")
        try readPages()
        try start("A start with them")
        try write(Self.unindexed, options.batch)
        try start("A start when the index does not have the last \(Self.unindexed)")
        try walk("Forwards through all of it, while others write", isBackward: false)
        try walk("Backwards, while others write", isBackward: true)
    }

    /// Messages to the archive's owner, and what is done behind each batch of them.
    private mutating func write(_ count: Int, _ batch: Int) throws {
        for start in stride(from: 0, to: count, by: batch) {
            let events = (start..<min(start + batch, count)).map { _ in
                sent += 1
                let body = "Are the drawings for the second floor ready? The builders ask again, number \(sent)."
                return site.message(from: 1 + sent % options.people, to: LoadedSite.account(0).description, body: body)
            }
            try site.handle(events)
            try site.pass(1000)
        }
    }

    private mutating func start(_ title: String) throws {
        report.begin(title)
        let cost = try site.restart()
        report.add("start", cost.seconds * 1000, "ms")
        report.add("processor time of that", cost.longestMilliseconds, "ms")
        report.add("memory", Double(Meter.memory) / 1e6, "MB")
        try site.logIn(options.people + 1, isNew: false)
    }

    // MARK: parts

    /// The same messages among everybody, with archives and without.
    private mutating func compare() throws {
        report.begin("A message within the office, acknowledged and read, with what is done behind it")
        var plain = try LoadedSite(directory: options.directory + "-plain", peers: [])
        try plain.logIn(options.people + 1)
        var costs: [(without: Double, with: Double)] = []
        for _ in 0...Self.rounds {
            costs.append((try Self.talk(&plain, options), try Self.talk(&site, options)))
        }
        // The first round warms up.
        let without = Self.median(costs.dropFirst().map(\.without))
        let with = Self.median(costs.dropFirst().map(\.with))
        report.add("without archives", without, "µs")
        report.add("in the archives of both", with, "µs")
        report.add("of that without", with / without, "×")
    }

    private static func talk(_ site: inout LoadedSite, _ options: ArchiveBench) throws -> Double {
        site.beginPart()
        for start in stride(from: 0, to: sample, by: options.batch) {
            let events = (start..<start + options.batch).map { number in
                // Everybody with ten others.
                let other = 1 + (number % options.people + 1 + number / options.people % 10) % options.people
                return site.message(
                    from: 1 + number % options.people, to: LoadedSite.account(other).description,
                    body: "Are the drawings for the second floor ready? The builders ask again, number \(number).")
            }
            try site.handle(events)
            try site.pass(1000)
        }
        return site.cost.microseconds(per: sample)
    }

    private mutating func fill() throws {
        report.begin("\(options.messages) messages to one person")
        let size = site.fileSize
        site.beginPart()
        try write(options.messages, options.batch)
        // The index is written behind.
        try site.pass(4_000_000)
        let cost = site.cost
        report.add("messages a second", cost.perSecond(options.messages), "/s")
        report.add("processor time for a message", cost.microseconds(per: options.messages), "µs")
        report.add("longest batch", cost.longestMilliseconds, "ms")
        report.add(
            "bytes of the file for a message", Double((site.fileSize - min(size, site.fileSize)) / UInt64(options.messages)),
            "B")
    }

    private mutating func readPages() throws {
        report.begin("Pages of 50")
        let marks = try site.archiveMarks(of: options.messages)
        var costs = [[Double]](repeating: [], count: ArchivePage.allCases.count)
        for round in 0...Self.rounds {
            for page in ArchivePage.allCases {
                site.beginPart()
                for number in 0..<Self.pages {
                    try site.readPage(page, round * Self.pages + number, marks, writers: options.people)
                }
                if round > 0 { costs[page.rawValue].append(site.cost.microseconds(per: Self.pages)) }
            }
        }
        let first = Self.median(costs[0])
        for page in ArchivePage.allCases {
            let cost = Self.median(costs[page.rawValue])
            report.add(page.title, cost, "µs")
            if page != .first { report.add("against the first", cost / first, "×") }
        }
    }

    /// Page after page to the end, and after each of the first of them somebody writes: each message comes once.
    private mutating func walk(_ title: String, isBackward: Bool) throws {
        report.begin(title)
        // Forwards what comes meanwhile is reached at the end, backwards it is behind.
        let before = sent
        var seen: Set<[UInt8]> = []
        var (count, pages, processor) = (0, 0, Int64(0))
        var place: String?
        while true {
            let start = isBackward ? "<before>\(place ?? "")</before>" : place.map { "<after>\($0)</after>" } ?? ""
            site.beginPart()
            let answer = try site.search(set: "<max>100</max>\(start)")
            processor += site.cost.processor
            pages += 1
            for message in answer.dropLast() { if let id = Self.id(in: message) { seen.insert(id) } }
            count += answer.count - 1
            let fin = String(decoding: answer.last ?? [], as: UTF8.self)
            if fin.contains("complete='true'") || answer.count < 2 { break }
            let edge = isBackward ? answer.first : answer.dropLast().last
            place = edge.flatMap(Self.id(in:)).map { String(decoding: $0, as: UTF8.self) }
            if pages < 1000 { try write(1, 1) }
        }
        let expected = isBackward ? before : sent
        report.add("pages of 100", Double(pages), "")
        report.add("processor time for a page", Double(processor) / 1000 / Double(pages), "µs")
        report.add("messages", Double(count), "")
        report.add("that came twice", Double(count - seen.count), "")
        report.add("that were missing", Double(expected - seen.count), "")
    }

    /// The id of a result.
    private static func id(in bytes: [UInt8]) -> [UInt8]? {
        bytes.firstRange(of: Array("urn:xmpp:mam:2' id='".utf8)).map { Array(bytes[$0.upperBound...].prefix(32)) }
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
