import MartletBus
import XMPPStanzas

/// A page of an archive of more and more messages: the first, and pages anywhere, by id, by time and of one conversation. Each point is
/// a site of its own.
struct ArchiveGrowth: GrowthLoad {
    private var sites: [LoadedSite] = []
    /// Messages in each archive, from its beginning to its end.
    private var marks: [[(id: String, stamp: String)]] = []
    private var asked = 0

    private static let people = 101
    private static let batch = 200
    private static let sample = 40

    /// Fills an archive for each of `values`.
    init(directory: String, values: [Int]) throws {
        for value in values {
            Report.complain("  \(value) messages are archived")
            var site = try LoadedSite(directory: "\(directory)/\(value)", peers: [], archives: true)
            try site.logIn(Self.people)
            for start in stride(from: 0, to: value, by: Self.batch) {
                let events = (start..<min(start + Self.batch, value)).map {
                    site.message(
                        from: 1 + $0 % (Self.people - 1), to: LoadedSite.account(0).description, body: GrowthText.body(100))
                }
                try site.handle(events)
                try site.pass(1000)
            }
            // The index is written behind.
            try site.pass(4_000_000)
            marks.append(try site.archiveMarks(of: value))
            sites.append(site)
        }
    }

    mutating func measure(series: Int, point: Int) throws -> GrowthSample {
        guard let page = ArchivePage(rawValue: series) else { throw GrowthFailure(description: "no such page") }
        sites[point].beginPart()
        for _ in 0..<Self.sample {
            asked += 1
            try sites[point].readPage(page, asked, marks[point], writers: Self.people - 1)
        }
        return GrowthSample(processor: sites[point].cost.processor, units: Double(Self.sample))
    }
}
