extension Topology {
    /// Reads a topology file. `fileName` is named in errors. Throws everything that is wrong with the text, each with its
    /// line.
    public static func parse(_ text: String, fileName: String) throws(ConfigurationErrors) -> Topology {
        try Document.read(text, file: fileName) { root in
            var topology = Topology()
            topology.sites = root.sections("sites", default: []) { Site(reading: &$0) }
            topology.foreignServers = root.sections("foreign_servers", default: []) { ForeignServer(reading: &$0) }
            let names = topology.sites.map(\.name) + topology.foreignServers.map(\.name)
            topology.links = root.sections("links", default: []) { Link(reading: &$0, names: names) }
            topology.traffic = root.section("traffic") { Traffic(reading: &$0) }
            topology.crashes = root.sections("crashes", default: []) { Crash(reading: &$0, servers: names) }
            topology.restores = root.sections("restores", default: []) {
                Restore(reading: &$0, sites: topology.sites.map(\.name))
            }
            topology.chaos = root.section("chaos") { Chaos(reading: &$0) }

            if topology.sites.isEmpty { root.refuse("sites", "expected one [[sites]] or more") }
            let hidden = topology.sites.count { $0.isBehindNAT }
            if hidden > 1 || (hidden == 1 && !topology.foreignServers.isEmpty) {
                root.refuse("sites", "one site may be behind NAT, if there are no foreign servers: nobody could reach it")
            }
            Self.refuseRepeated(names, "name", &root)
            Self.refuseRepeated(topology.sites.map(\.domain) + topology.foreignServers.map(\.domain), "domain", &root)
            Self.refuseRepeated(topology.links.map { $0.between.sorted().joined(separator: " – ") }, "link", &root)
            return topology
        }
    }

    private static func refuseRepeated(_ values: [String], _ what: String, _ root: inout Section) {
        for (index, value) in values.enumerated() where values[..<index].contains(value) {
            root.refuse(what == "link" ? "links" : "sites", "the \(what) \(value.inQuotes) twice")
        }
    }

    /// No run is longer than a year.
    static let times = Duration.zero ... .seconds(365 * 86400)
}

extension Topology.Site {
    init?(reading section: inout Section) {
        let name = section.required("name", .name)
        let domain = section.required("domain", .domain)
        users = section.list("users", of: .localpart, default: [])
        urgentUsers = section.list("urgent_users", of: .oneOf(users), default: [])
        bulkUsers = section.list("bulk_users", of: .oneOf(users), default: [])
        entryLifetime = section.optional("entry_lifetime", .duration(.seconds(1)...Topology.times.upperBound))
        keepAcknowledged = section.optional("keep_acknowledged", .duration(.zero ... .seconds(30 * 86400)))
        isBehindNAT = section.value("behind_nat", .boolean, default: false)
        guard let name, let domain else { return nil }
        self.name = name
        self.domain = domain
    }
}

extension Topology.ForeignServer {
    init?(reading section: inout Section) {
        let name = section.required("name", .name)
        let domain = section.required("domain", .domain)
        let software: Software? = section.required("software", .word)
        users = section.list("users", of: .localpart, default: [])
        guard let name, let domain, let software else { return nil }
        self.name = name
        self.domain = domain
        self.software = software
    }
}

extension Topology.Link {
    init(reading section: inout Section, names: [String]) {
        between = section.list("between", of: .oneOf(names), default: [])
        delay = section.value("delay", .duration(.zero ... .seconds(60)), default: .zero)
        bytesPerSecond = section.optional("bytes_per_second", .integer(100...1_000_000_000))
        outages = section.sections("outages", default: []) { Topology.Outage(reading: &$0) }
        if between.count != 2 || between.first == between.last {
            section.refuse("between", "expected the names of two different servers")
        }
    }
}

extension Topology.Outage {
    init?(reading section: inout Section) {
        let start = section.required("start", .duration(Topology.times))
        let duration = section.required("duration", .duration(Topology.times))
        let kind: Kind? = section.required("kind", .word)
        times = section.value("times", .integer(1...10_000), default: 1)
        every = section.value("every", .duration(Topology.times), default: .zero)
        if times > 1, every < (duration ?? .zero) { section.refuse("every", "expected at least the duration") }
        guard let start, let duration, let kind else { return nil }
        self.start = start
        self.duration = duration
        self.kind = kind
    }
}

extension Topology.Traffic {
    init(reading section: inout Section) {
        messages = section.value("messages", .integer(0...100_000_000), default: messages)
        ratePerSecond = section.value("rate_per_second", .number(0.00001...100_000), default: ratePerSecond)
    }
}

extension Topology.Crash {
    init?(reading section: inout Section, servers: [String]) {
        let site = section.required("site", .oneOf(servers))
        let at = section.required("at", .duration(Topology.times))
        downtime = section.value("downtime", .duration(Topology.times), default: .seconds(2))
        isGraceful = section.value("graceful", .boolean, default: false)
        guard let site, let at else { return nil }
        self.site = site
        self.at = at
    }
}

extension Topology.Restore {
    init?(reading section: inout Section, sites: [String]) {
        let site = section.required("site", .oneOf(sites))
        let backup = section.required("backup", .duration(Topology.times))
        let at = section.required("at", .duration(Topology.times))
        downtime = section.value("downtime", .duration(Topology.times), default: .seconds(2))
        guard let site, let backup, let at else { return nil }
        self.site = site
        self.backup = backup
        self.at = at
        if at <= backup { section.refuse("at", "expected a time after the backup") }
    }
}

extension Topology.Chaos {
    init(reading section: inout Section) {
        faults = section.value("faults", .integer(0...1000), default: faults)
        kinds = section.list("kinds", of: .word, default: kinds)
    }
}
