/// Messages to more and more other offices, all of which are there and answer: each point is a site of its own.
struct LinkGrowth: GrowthLoad {
    private var sites: [LoadedSite] = []
    private var next = 0

    private static let people = 200
    private static let batch = 200
    private static let messages = 2000
    /// The offices to which a batch of the first series goes.
    private static let few = 2

    /// Makes the links for each of `values`.
    init(directory: String, values: [Int]) throws {
        for value in values {
            Report.complain("  \(value) offices are reached")
            var site = try LoadedSite(
                directory: "\(directory)/\(value)", peers: (0..<value).map { "office\($0).example" })
            try site.logIn(Self.people)
            for peer in 0..<value { try site.setReachable(peer, true) }
            try site.settle()
            // Everybody has seen all of them.
            try site.pass(120_000)
            sites.append(site)
        }
    }

    mutating func measure(series: Int, point: Int) throws -> GrowthSample {
        sites[point].beginPart()
        let offices = sites[point].peers.count
        for _ in 0..<Self.messages / Self.batch {
            let events = (0..<Self.batch).map { offset in
                let office = series == 0 ? (next + offset % Self.few) % offices : (next + offset) % offices
                let recipient = "person\(offset)@office\(office).example"
                return sites[point].message(from: offset % Self.people, to: recipient, body: GrowthText.body(100))
            }
            next += series == 0 ? Self.few : Self.batch
            try sites[point].handle(events)
        }
        return GrowthSample(processor: sites[point].cost.processor, units: Double(Self.messages))
    }
}
