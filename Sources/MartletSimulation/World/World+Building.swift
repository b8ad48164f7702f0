import MartletBus
import MartletConfiguration
import MartletStore
import XMPPAddress

extension World {
    /// Makes servers, lines and people of the topology.
    mutating func build(_ servers: [String]) {
        let domains = topology.sites.map { Self.domain($0.domain) }
        let rules = LaneRules(
            urgent: topology.sites.flatMap { site in site.urgentUsers.map { Self.account($0, site.domain) } },
            bulk: topology.sites.flatMap { site in site.bulkUsers.map { Self.account($0, site.domain) } })
        for (index, site) in topology.sites.enumerated() {
            var policy = SitePolicy(domains: [domains[index]])
            policy.federation.knownPeers = domains.filter { $0 != domains[index] }
            policy.federation.laneRules = rules
            if let lifetime = site.entryLifetime { policy.federation.entryLifetime = lifetime.milliseconds }
            if let time = site.keepAcknowledged { policy.federation.keep.time = time.milliseconds }
            if mutation == .bounceToDevice { policy.client.resumptionTimeout = 10_000 }
            sites.append(SimulatedSite(name: site.name, domain: domains[index], policy: policy, mutation: mutation))
            sites[index].isBehindNAT = site.isBehindNAT
            environments.append(nil)
        }
        for server in topology.foreignServers {
            foreign.append(
                ForeignServer(
                    name: server.name, domain: Self.domain(server.domain), acknowledges: server.software == .prosody,
                    sites: sites.count))
        }
        for site in topology.sites {
            for user in site.users { addresses.append(Self.account(user, site.domain)) }
        }
        for (index, server) in topology.foreignServers.enumerated() {
            for user in server.users {
                addresses.append(Self.account(user, server.domain))
                foreignPeople.append(index)
            }
        }
        for (index, site) in topology.sites.enumerated() {
            for _ in site.users {
                let person = clients.count
                let contacts = plan.contacts.filter { $0.from == person }.map { addresses[$0.to] }
                clients.append(SimulatedClient(account: addresses[person], site: index, contacts: contacts))
            }
        }
        ledger = DeliveryLedger(names: addresses.map(\.description))
        for link in topology.links {
            guard let first = servers.firstIndex(of: link.between[0]), let second = servers.firstIndex(of: link.between[1])
            else {
                continue
            }
            lines.append(
                Line(ends: (first, second), delay: max(1, link.delay.milliseconds), capacity: link.bytesPerSecond))
        }
        routes = servers.indices.map { from in servers.indices.map { route(from, $0, count: servers.count) } }
    }

    /// The fewest lines from one server to another; none where the topology joins them by nothing, which is a line
    /// without delay and trouble.
    private func route(_ from: Int, _ to: Int, count: Int) -> [Hop] {
        var cameBy: [Hop?] = Array(repeating: nil, count: count)
        var reached = [from]
        var position = 0
        while position < reached.count, cameBy[to] == nil {
            let server = reached[position]
            position += 1
            for (index, line) in lines.enumerated() where line.ends.0 == server || line.ends.1 == server {
                let next = line.ends.0 == server ? line.ends.1 : line.ends.0
                guard next != from, cameBy[next] == nil else { continue }
                cameBy[next] = Hop(line: index, isReversed: line.ends.1 == server)
                reached.append(next)
            }
        }
        var hops: [Hop] = []
        var server = to
        while server != from, let hop = cameBy[server] {
            hops.insert(hop, at: 0)
            server = hop.isReversed ? lines[hop.line].ends.1 : lines[hop.line].ends.0
        }
        return hops
    }

    private static func domain(_ text: String) -> JID {
        JID(preparedLocalpart: nil, preparedDomainpart: text, preparedResourcepart: nil)
    }

    private static func account(_ user: String, _ domain: String) -> JID {
        JID(preparedLocalpart: user, preparedDomainpart: domain, preparedResourcepart: nil)
    }

    /// The server of a domain.
    func server(_ domain: JID) -> Int? {
        sites.firstIndex { $0.domain == domain }
            ?? foreign.firstIndex { $0.domain == domain }.map { $0 + sites.count }
    }

    func isUp(_ server: Int) -> Bool {
        server < sites.count ? sites[server].driver != nil : foreign[server - sites.count].isUp
    }

    func incarnation(_ server: Int) -> UInt32 {
        server < sites.count ? sites[server].incarnation : foreign[server - sites.count].incarnation
    }

    func delay(_ from: Int, _ to: Int) -> Int64 { max(1, routes[from][to].reduce(0) { $0 + lines[$1.line].delay }) }
}
