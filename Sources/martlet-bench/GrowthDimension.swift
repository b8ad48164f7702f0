/// One thing that grows: its points, what is measured at each of them, and how.
struct GrowthDimension: Sendable {
    /// One line in a panel.
    struct Series: Sendable {
        let label: String
        /// Of what the cost is: "message", "KiB".
        let unit: String
    }

    /// As `--only` calls it.
    let name: String
    let title: String
    let axis: String
    let values: [Int]
    let series: [Series]
    /// Makes everything ready under a directory that belongs to this dimension.
    let begin: @Sendable (_ directory: String, _ values: [Int]) throws -> any GrowthLoad

    /// All that is measured, in the order of the figure.
    static let all = [
        GrowthDimension(
            name: "connections", title: "Connections", axis: "connected clients, all of which write and read",
            values: [100, 300, 1000, 3000, 10_000, 19_000],
            series: [
                Series(label: "message, acknowledged by itself", unit: "message"),
                Series(label: "2,000 a second over all of them", unit: "message"),
            ],
            begin: { try ConnectionGrowth(directory: $0, values: $1) }),
        GrowthDimension(
            name: "roster", title: "Roster size", axis: "contacts in the sender's roster, all connected",
            values: [10, 30, 100, 300, 1000],
            series: [
                Series(label: "message to a contact", unit: "message"),
                Series(label: "presence, for each who gets it", unit: "delivery"),
            ],
            begin: { try RosterGrowth(directory: $0, values: $1) }),
        GrowthDimension(
            name: "queue", title: "Queue length", axis: "messages waiting for an office that is cut off",
            values: [0, 1000, 10_000, 100_000, 1_000_000],
            series: [
                Series(label: "one more message for that office", unit: "message"),
                Series(label: "message within this office", unit: "message"),
            ],
            begin: { try QueueGrowth(directory: $0, values: $1) }),
        GrowthDimension(
            name: "links", title: "Links", axis: "offices with a link",
            values: [2, 10, 50, 200, 500],
            series: [
                Series(label: "batches of 200 messages for 2 of them", unit: "message"),
                Series(label: "batches of 200 messages for all in turn", unit: "message"),
            ],
            begin: { try LinkGrowth(directory: $0, values: $1) }),
        GrowthDimension(
            name: "unproven", title: "Unproven stanzas", axis: "stanzas of which a foreign server has proven nothing",
            values: [1000, 10_000, 100_000],
            series: [Series(label: "presence to it, beside the queue", unit: "stanza")],
            begin: { try UnprovenGrowth(directory: $0, values: $1) }),
        GrowthDimension(
            name: "size", title: "Stanza size", axis: "bytes of the body",
            values: [100, 1024, 4096, 16_384, 65_536],
            series: [
                Series(label: "message within this office", unit: "message"),
                Series(label: "for each KiB of it", unit: "KiB"),
            ],
            begin: { try SizeGrowth(directory: $0, values: $1) }),
        GrowthDimension(
            name: "archive", title: "Archive", axis: "messages in a person's archive",
            values: [10_000, 100_000, 1_000_000],
            series: [
                Series(label: "the first page of 50", unit: "page"),
                Series(label: "a page behind any message", unit: "page"),
                Series(label: "a page from any time on", unit: "page"),
                Series(label: "the last page with one person", unit: "page"),
            ],
            begin: { try ArchiveGrowth(directory: $0, values: $1) }),
    ]
}
