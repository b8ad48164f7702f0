/// One more message for an office for which more and more wait: each point is a site of its own with its queue.
struct QueueGrowth: GrowthLoad {
    private var sites: [LoadedSite] = []
    private let values: [Int]
    private var sent = 0

    private static let people = 200
    private static let batch = 200
    /// Messages of one measurement where that hardly makes the queue longer, and where it does; then the queue is delivered
    /// and made anew.
    private static let sample = 2000
    private static let smallSample = 400
    private static let longQueue = 100_000
    /// Milliseconds after which everybody was told what was due and may be told again, until all are told, and until readers
    /// have acknowledged.
    private static let told: Int64 = 24_000
    private static let telling: Int64 = 1200
    private static let patience: Int64 = 6000

    /// Fills a queue for each of `values`.
    init(directory: String, values: [Int]) throws {
        self.values = values
        for (point, value) in values.enumerated() {
            Report.complain("  \(value) messages are queued")
            var site = try LoadedSite(directory: "\(directory)/\(value)", peers: ["brno.example"])
            try site.logIn(Self.people)
            sites.append(site)
            try empty(point)
            try send(value, point, to: "brno.example")
        }
    }

    mutating func measure(series: Int, point: Int) throws -> GrowthSample {
        let isLong = values[point] >= Self.longQueue
        let count = isLong || series == 1 ? Self.sample : Self.smallSample
        // Every sender is told now of what waits; for the next ten seconds nobody is, and what that costs is left out.
        try sites[point].pass(Self.told)
        try send(Self.people, point, to: "brno.example")
        try sites[point].pass(Self.telling)
        sites[point].beginPart()
        try send(count, point, to: series == 0 ? "brno.example" : LoadedSite.domain.domainpart)
        // Readers are asked for their acknowledgements.
        if series == 1 { try sites[point].pass(Self.patience) }
        let sample = GrowthSample(processor: sites[point].cost.processor, units: Double(count))
        if !isLong {
            try empty(point)
            try send(values[point], point, to: "brno.example")
        }
        return sample
    }

    /// Delivers what waits, cuts the office off and lets everybody see that.
    private mutating func empty(_ point: Int) throws {
        try sites[point].setReachable(0, true)
        try sites[point].settle()
        try sites[point].setReachable(0, false)
        try sites[point].pass(60_000)
    }

    private mutating func send(_ count: Int, _ point: Int, to domain: String) throws {
        for start in stride(from: 0, to: count, by: Self.batch) {
            let events = (start..<min(start + Self.batch, count)).map { _ in
                sent += 1
                let recipient = (sent / Self.people + sent * 7) % Self.people
                return sites[point].message(
                    from: sent % Self.people, to: "person\(recipient)@\(domain)", body: GrowthText.body(100))
            }
            try sites[point].handle(events)
        }
    }
}
