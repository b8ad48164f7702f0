import MartletBus

/// Messages and presence of people whose rosters differ in size. All stand in one site, so that nothing else differs; for
/// each size there are a few senders, who share the contacts.
struct RosterGrowth: GrowthLoad {
    private var site: LoadedSite
    private let values: [Int]
    private var toggles = 0

    /// Senders for each size.
    private static let senders = 4
    /// Contacts of each sender who get messages: the same number for every size.
    private static let recipients = 10
    /// Messages in a batch, and of one measurement.
    private static let batch = 200
    private static let messages = 2000
    /// Presence deliveries of one measurement, at least.
    private static let deliveries = 10_000
    /// Subscriptions that are set up in a batch.
    private static let pairsTogether = 250

    /// Logs everybody in and subscribes them to one another, both ways.
    init(directory: String, values: [Int]) throws {
        self.values = values
        site = try LoadedSite(directory: directory + "/site", peers: [])
        try site.logIn(values.count * Self.senders + (values.max() ?? 0) + Self.recipients)
        Report.complain("  subscriptions are made")
        try subscribe()
        try site.pass(10_000)
    }

    mutating func measure(series: Int, point: Int) throws -> GrowthSample {
        try site.pass(10_000)
        site.beginPart()
        if series == 0 {
            for _ in 0..<Self.messages / Self.batch { try sendMessages(point) }
            return GrowthSample(processor: site.cost.processor, units: Double(Self.messages))
        }
        let before = site.received
        while site.received - before < Self.deliveries { try sendPresence(point) }
        return GrowthSample(processor: site.cost.processor, units: Double(site.received - before))
    }

    private mutating func sendMessages(_ point: Int) throws {
        let events = (0..<Self.batch).map { offset in
            let sender = sender(point, offset)
            let to = contact(sender, offset / Self.senders % Self.recipients)
            return site.message(from: sender, to: LoadedSite.account(to).description, body: GrowthText.body(100))
        }
        try site.handle(events)
    }

    /// As many changes of presence as lead to some 200 deliveries.
    private mutating func sendPresence(_ point: Int) throws {
        let count = max(1, Self.batch / values[point])
        var events: [SiteEvent] = []
        for offset in 0..<count {
            toggles += 1
            let show = toggles % 2 == 0 ? "away" : "dnd"
            let presence = "<presence><show>\(show)</show><status>\(toggles)</status></presence>"
            let connection = site.clients[sender(point, offset + toggles)].connection
            events += LoadedSite.stanzas(presence).map { .client(connection, .stanza($0)) }
        }
        try site.handle(events)
    }

    private func sender(_ point: Int, _ number: Int) -> Int { point * Self.senders + number % Self.senders }

    /// The client that is a sender's contact of that number.
    private func contact(_ sender: Int, _ number: Int) -> Int {
        let first = values.count * Self.senders
        return first + (sender * 37 + number) % (site.clients.count - first)
    }

    private mutating func subscribe() throws {
        let pairs = values.indices.flatMap { point in
            (0..<Self.senders).flatMap { number in
                let sender = sender(point, number)
                return (0..<values[point]).map { (sender, contact(sender, $0)) }
            }
        }
        for start in stride(from: 0, to: pairs.count, by: Self.pairsTogether) {
            let some = pairs[start..<min(start + Self.pairsTogether, pairs.count)]
            for (type, isBySender) in [("subscribe", true), ("subscribed", false), ("subscribe", false), ("subscribed", true)] {
                var events: [SiteEvent] = []
                for (sender, contact) in some {
                    let (from, to) = isBySender ? (sender, contact) : (contact, sender)
                    let connection = site.clients[from].connection
                    let presence = LoadedSite.stanzas("<presence type='\(type)' to='\(LoadedSite.account(to))'/>")
                    events += presence.map { .client(connection, .stanza($0)) }
                }
                try site.handle(events)
            }
        }
    }
}
