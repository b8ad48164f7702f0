/// Messages among more and more clients: each point is a site of its own, and all its clients take part.
struct ConnectionGrowth: GrowthLoad {
    private var sites: [LoadedSite] = []
    private var rounds = 0

    /// Messages in a batch, the same for every point.
    private static let batch = 100
    /// Batches of one measurement, and the milliseconds between them where messages come at a fixed rate.
    private static let batches = 100
    private static let pause: Int64 = 50
    /// Milliseconds after which every client was asked for its acknowledgement and has answered.
    private static let patience: Int64 = 6000

    /// Logs in that many clients for each of `values`.
    init(directory: String, values: [Int]) throws {
        for value in values {
            Report.complain("  \(value) clients log in")
            var site = try LoadedSite(directory: "\(directory)/\(value)", peers: [])
            try site.logIn(value)
            try site.pass(Self.patience)
            sites.append(site)
        }
    }

    mutating func measure(series: Int, point: Int) throws -> GrowthSample {
        rounds += 1
        let isPaced = series == 1
        sites[point].acknowledgesEach = !isPaced
        try sites[point].pass(Self.patience)
        sites[point].beginPart()
        for number in 0..<Self.batches {
            try send(point, number)
            if isPaced { try sites[point].pass(Self.pause) }
        }
        if isPaced { try sites[point].pass(Self.patience) }
        return GrowthSample(processor: sites[point].cost.processor, units: Double(Self.batches * Self.batch))
    }

    /// One batch: every client writes in its turn, to somebody far away.
    private mutating func send(_ point: Int, _ number: Int) throws {
        let count = sites[point].clients.count
        let distance = 1 + (count / 2 + rounds * 7) % (count - 1)
        let events = (0..<Self.batch).map { offset in
            let sender = (number * Self.batch + offset + rounds * 31) % count
            let recipient = LoadedSite.account((sender + distance) % count)
            return sites[point].message(from: sender, to: recipient.description, body: GrowthText.body(100))
        }
        try sites[point].handle(events)
    }
}
