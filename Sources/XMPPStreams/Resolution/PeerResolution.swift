// XEP-0368: SRV records for XMPP over TLS, version 1.1.0, complete
/// Finds the addresses of the servers of a peer domain: one attempt, from the domain's name to a list to connect to.
///
/// RFC 6120 §3.2 with XEP-0368: the SRV records of `_xmpps-server._tcp` and `_xmpp-server._tcp` are asked for together and
/// ordered together; only if the domain provably has none does the domain's own address with port 5269 count. The owner
/// puts the queries to a resolver and reports the answers in whatever order they come; every query gets an answer, at the
/// latest ``ResolverAnswer/failure(_:)`` at its deadline.
public struct PeerResolution: Sendable {
    /// What is to be done after an answer.
    public enum Action: Hashable, Sendable {
        /// Nothing: other answers are outstanding, or the resolution was over before.
        case wait
        /// Put these queries to the resolver.
        case ask([ResolutionQuery])
        /// Over: try these in order; at least one.
        case connect([Endpoint])
        /// Over: it is proven that neither the domain nor any service of it exists.
        case noSuchDomain
        /// Over: the domain itself says that it has no server (a target of `.`).
        case notOffered
        /// Over: the resolver knows the domain, and neither a service nor an address of it.
        case noAddress
        /// Over, without knowing: try again later. The words are for the log.
        case failed(String)
    }

    /// The port of RFC 6120 §14.7 for domains without SRV records.
    public static let defaultPort: UInt16 = 5269

    /// Targets looked at, in their order: a hostile domain must not cost us hundreds of lookups.
    public static let targetsLimit = 16

    /// Addresses taken of one target, for the same reason.
    static let addressesLimit = 8

    /// What the records of one kind of service say.
    private enum Offer {
        case targets([ServiceTarget])
        /// Provably no records; whether the name exists.
        case absent(nameExists: Bool)
        /// A sole target of `.`.
        case refused
        case unknown(String)
    }

    /// The collection of the addresses of all hosts.
    private struct AddressRound {
        let targets: [ServiceTarget]
        /// True if the only target is the domain itself, for want of SRV records.
        let isFallback: Bool
        /// True if anything has shown that the domain exists.
        var nameExists: Bool
        /// What has failed so far, for the log.
        var failures: [String] = []
        var pending: [ResolutionQuery]
        var found: [(query: ResolutionQuery, addresses: [IPAddress], isSecure: Bool)] = []
    }

    private enum State {
        case initial
        case services(direct: Offer?, startTLS: Offer?)
        case addresses(AddressRound)
        case over
    }

    private let domain: String
    private let targetsLimit: Int
    private let directQuery: ResolutionQuery
    private let startTLSQuery: ResolutionQuery
    private var state = State.initial

    /// A resolution of a domainpart, in A-labels. It may be an address literal, with brackets if IPv6 (RFC 7622 §3.2).
    public init(domain: String, targetsLimit: Int = PeerResolution.targetsLimit) {
        self.domain = domain
        self.targetsLimit = targetsLimit
        directQuery = ResolutionQuery(name: "_xmpps-server._tcp." + domain, type: .srv)
        startTLSQuery = ResolutionQuery(name: "_xmpp-server._tcp." + domain, type: .srv)
    }

    /// The resolution was asked for.
    public mutating func started() -> Action {
        guard case .initial = state else { return .wait }
        if let address = Self.literal(domain) {
            state = .over
            return .connect([Endpoint(address: address, port: Self.defaultPort, directTLS: false, host: domain)])
        }
        state = .services(direct: nil, startTLS: nil)
        return .ask([directQuery, startTLSQuery])
    }

    /// The resolver answered a query. An answer that was not waited for changes nothing.
    public mutating func answered(
        _ query: ResolutionQuery, _ answer: ResolverAnswer, using random: inout some RandomNumberGenerator
    ) -> Action {
        switch state {
        case .initial, .over: return .wait
        case .services(var direct, var startTLS):
            if query == directQuery, direct == nil { direct = offer(query, answer, directTLS: true) }
            if query == startTLSQuery, startTLS == nil { startTLS = offer(query, answer, directTLS: false) }
            state = .services(direct: direct, startTLS: startTLS)
            guard let direct, let startTLS else { return .wait }
            return servicesKnown(direct, startTLS, using: &random)
        case .addresses(var round):
            guard let index = round.pending.firstIndex(of: query) else { return .wait }
            round.pending.remove(at: index)
            record(query, answer, in: &round)
            state = .addresses(round)
            return round.pending.isEmpty ? addressesKnown(round) : .wait
        }
    }

    private func offer(_ query: ResolutionQuery, _ answer: ResolverAnswer, directTLS: Bool) -> Offer {
        switch answer {
        case .failure(let words): return .unknown("\(query): \(words)")
        case .nameDoesNotExist: return .absent(nameExists: false)
        case .noData: return .absent(nameExists: true)
        case .records(let records, let secure):
            var targets: [ServiceTarget] = []
            for case .service(let priority, let weight, let port, let target) in records where target != "." && port != 0 {
                targets.append(
                    ServiceTarget(
                        host: target, port: port, directTLS: directTLS, priority: priority, weight: weight, isSecure: secure))
            }
            if !targets.isEmpty { return .targets(targets) }
            // RFC 2782 "Target": "." means that the service is decidedly not available.
            let isRefused = records.contains { if case .service(_, _, _, ".") = $0 { true } else { false } }
            return isRefused ? .refused : .unknown("\(query): no usable record")
        }
    }

    private mutating func servicesKnown(
        _ direct: Offer, _ startTLS: Offer, using random: inout some RandomNumberGenerator
    ) -> Action {
        switch (direct, startTLS) {
        case (.targets(let direct), .targets(let startTLS)): return ask(direct + startTLS, using: &random)
        case (.targets(let targets), _), (_, .targets(let targets)): return ask(targets, using: &random)
        // Failure is not absence: the records we could not get may name the servers, the domain's address never does.
        case (.unknown(let words), _), (_, .unknown(let words)): return end(.failed(words))
        // XEP-0368 §3: who refuses direct TLS by a "." knows SRV records, so that there is no fallback either.
        case (_, .refused), (.refused, _): return end(.notOffered)
        case (.absent(let exists), .absent(let alsoExists)): return askFallback(nameExists: exists || alsoExists)
        }
    }

    private mutating func ask(_ targets: [ServiceTarget], using random: inout some RandomNumberGenerator) -> Action {
        let ordered = ServiceTarget.ordered(targets, using: &random)
        return ask(
            AddressRound(targets: Array(ordered.prefix(targetsLimit)), isFallback: false, nameExists: true, pending: []))
    }

    private mutating func askFallback(nameExists: Bool) -> Action {
        let target = ServiceTarget(host: domain, port: Self.defaultPort, directTLS: false)
        return ask(AddressRound(targets: [target], isFallback: true, nameExists: nameExists, pending: []))
    }

    private mutating func ask(_ round: AddressRound) -> Action {
        var round = round
        for target in round.targets {
            for type in [ResolutionQuery.RecordType.aaaa, .a] {
                let query = ResolutionQuery(name: target.host, type: type)
                if !round.pending.contains(query) { round.pending.append(query) }
            }
        }
        state = .addresses(round)
        return .ask(round.pending)
    }

    private func record(_ query: ResolutionQuery, _ answer: ResolverAnswer, in round: inout AddressRound) {
        switch answer {
        case .failure(let words): round.failures.append("\(query): \(words)")
        case .nameDoesNotExist: break
        case .noData: round.nameExists = true
        case .records(let records, let secure):
            round.nameExists = true
            var addresses: [IPAddress] = []
            for case .address(let address) in records
            where address.isV6 == (query.type == .aaaa) && !addresses.contains(address) {
                addresses.append(address)
            }
            round.found.append((query, Array(addresses.prefix(Self.addressesLimit)), secure))
        }
    }

    private mutating func addressesKnown(_ round: AddressRound) -> Action {
        var endpoints: [Endpoint] = []
        for target in round.targets {
            for endpoint in Self.endpoints(of: target, in: round) where !endpoints.contains(endpoint) {
                endpoints.append(endpoint)
            }
        }
        if !endpoints.isEmpty { return end(.connect(endpoints)) }
        if let words = round.failures.first { return end(.failed(words)) }
        // The domain announces servers and forgot their addresses: a mistake that can be repaired at any time.
        if !round.isFallback { return end(.failed("no server of \(domain) has an address")) }
        return end(round.nameExists ? .noAddress : .noSuchDomain)
    }

    /// The addresses of a target, families in turn, IPv6 first (RFC 8305 §4), so that a broken family costs one try.
    private static func endpoints(of target: ServiceTarget, in round: AddressRound) -> [Endpoint] {
        let v6 = round.found.first { $0.query == ResolutionQuery(name: target.host, type: .aaaa) }
        let v4 = round.found.first { $0.query == ResolutionQuery(name: target.host, type: .a) }
        var endpoints: [Endpoint] = []
        for index in 0..<max(v6?.addresses.count ?? 0, v4?.addresses.count ?? 0) {
            for family in [v6, v4] {
                guard let family, index < family.addresses.count else { continue }
                endpoints.append(
                    Endpoint(
                        address: family.addresses[index], port: target.port, directTLS: target.directTLS, host: target.host,
                        isSecure: target.isSecure && family.isSecure))
            }
        }
        return endpoints
    }

    private mutating func end(_ action: Action) -> Action {
        state = .over
        return action
    }

    private static func literal(_ domain: String) -> IPAddress? {
        if domain.hasPrefix("["), domain.hasSuffix("]") {
            guard let address = IPAddress(String(domain.dropFirst().dropLast())), address.isV6 else { return nil }
            return address
        }
        guard let address = IPAddress(domain), !address.isV6 else { return nil }
        return address
    }
}
