/// Longer and longer messages among the clients of one site.
struct SizeGrowth: GrowthLoad {
    private var site: LoadedSite
    private let bodies: [String]
    private var sent = 0

    private static let people = 200
    private static let batch = 50
    private static let batches = 6

    /// Logs everybody in.
    init(directory: String, values: [Int]) throws {
        bodies = values.map(GrowthText.body)
        site = try LoadedSite(directory: directory + "/site", peers: [])
        try site.logIn(Self.people)
    }

    mutating func measure(series: Int, point: Int) throws -> GrowthSample {
        try site.pass(6000)
        site.beginPart()
        for _ in 0..<Self.batches {
            let events = (0..<Self.batch).map { _ in
                sent += 1
                let recipient = LoadedSite.account((sent + Self.people / 2) % Self.people)
                return site.message(from: sent % Self.people, to: recipient.description, body: bodies[point])
            }
            try site.handle(events)
        }
        try site.pass(6000)
        let size = series == 0 ? 1 : Double(bodies[point].utf8.count) / 1024
        return GrowthSample(processor: site.cost.processor, units: Double(Self.batch * Self.batches) * size)
    }
}
