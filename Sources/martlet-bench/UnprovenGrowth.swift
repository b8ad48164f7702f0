import MartletBus

/// Presence to a foreign server that proves nothing, behind more and more of it: each point is a site of its own.
struct UnprovenGrowth: GrowthLoad {
    private var sites: [LoadedSite] = []

    private static let contacts = 1000
    /// Subscriptions that are set up in a batch.
    private static let together = 200

    /// Writes as much as each of `values` says.
    init(directory: String, values: [Int]) throws {
        for value in values {
            Report.complain("  \(value) stanzas are written")
            var site = try LoadedSite(directory: "\(directory)/\(value)", peers: ["foreign.example"])
            site.peers[0].isMute = true
            try site.logIn(1)
            try site.setReachable(0, true)
            try site.settle()
            try Self.subscribe(&site)
            for _ in 0..<value / Self.contacts { try Self.write(&site) }
            sites.append(site)
        }
    }

    mutating func measure(series: Int, point: Int) throws -> GrowthSample {
        sites[point].beginPart()
        try Self.write(&sites[point])
        return GrowthSample(processor: sites[point].cost.processor, units: Double(Self.contacts))
    }

    /// One change of presence, of which everybody there hears.
    private static func write(_ site: inout LoadedSite) throws {
        let connection = site.clients[0].connection
        try site.handle(LoadedSite.stanzas("<presence/>").map { .client(connection, .stanza($0)) })
    }

    /// Contacts there see the client.
    private static func subscribe(_ site: inout LoadedSite) throws {
        guard let peer = site.peers[0].connection else { throw GrowthFailure(description: "no stream to the foreign server") }
        let client = site.clients[0]
        for start in stride(from: 0, to: contacts, by: together) {
            var events: [SiteEvent] = []
            for number in start..<start + together {
                let contact = "contact\(number)@foreign.example"
                let bare = LoadedSite.account(0)
                events += LoadedSite.stanzas("<presence type='subscribe' from='\(contact)' to='\(bare)'/>").map {
                    .server(peer, .stanza($0))
                }
                events += LoadedSite.stanzas("<presence type='subscribed' to='\(contact)'/>").map {
                    .client(client.connection, .stanza($0))
                }
            }
            try site.handle(events)
        }
    }
}
