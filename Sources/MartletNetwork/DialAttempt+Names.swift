import MartletBus
import NIOCore
import XMPPAddress
import XMPPStreams

/// From the name to addresses.
extension DialAttempt {
    func resolve(_ action: PeerResolution.Action) {
        guard !isOver else { return }
        switch action {
        case .wait:
            break
        case .ask(let queries):
            for query in queries {
                lookup(query) { attempt, answer in
                    attempt.resolve(attempt.resolution.answered(query, answer, using: &attempt.randomness))
                }
            }
        case .connect(let endpoints):
            connect(to: endpoints, configured: false)
        case .noSuchDomain:
            if !useRemembered(because: "the domain does not exist", configured: false) { confirmAbsence() }
        case .noAddress:
            if !useRemembered(because: "the domain has neither services nor an address", configured: false) {
                fail(.serviceNotOffered)
            }
        case .notOffered:
            fail(.serviceNotOffered)
        case .failed(let words):
            if !useRemembered(because: words, configured: false) { fail(.unreachable("DNS: \(words)")) }
        }
    }

    /// What worked less than a day ago is a better guess than a resolver that fails, or denies what it knew: a portal in front of
    /// the line, a zone that was emptied by mistake. Who answers there has to prove that he is the peer, as ever. False where nothing
    /// is remembered: a domain that was never reached is believed not to exist.
    private func useRemembered(because words: String, configured: Bool) -> Bool {
        let remembered = request.remembered.compactMap(Endpoint.init)
        if remembered.isEmpty { return false }
        detour = "DNS: \(words), using the address that worked \(NetworkWords.ago(milliseconds: request.rememberedAge))"
        connect(to: remembered, configured: configured)
        return true
    }

    /// A resolver that denies every name proves nothing about this one (a portal in front of the line, a forwarder that
    /// lost its upstream): it has to know a name that certainly exists, the root of DNS or the services of our own domain.
    private func confirmAbsence() {
        let own = (try? Domainpart.asciiForm(request.pair.local.domainpart)) ?? request.pair.local.domainpart
        let witnesses = [
            ResolutionQuery(name: ".", type: .a),
            ResolutionQuery(name: "_xmpp-server._tcp." + own, type: .srv),
            ResolutionQuery(name: "_xmpps-server._tcp." + own, type: .srv),
        ]
        var outstanding = witnesses.count
        for witness in witnesses {
            lookup(witness) { attempt, answer in
                outstanding -= 1
                guard !attempt.isOver else { return }
                switch answer {
                case .records, .noData: attempt.fail(.noSuchDomain)
                case .failure, .nameDoesNotExist:
                    guard outstanding == 0 else { return }
                    attempt.fail(.unreachable("DNS knows neither this domain nor our own: it cannot be believed now"))
                }
            }
        }
    }

    private func lookup(_ query: ResolutionQuery, _ then: @escaping (DialAttempt, ResolverAnswer) -> Void) {
        let bound = NIOLoopBound((self, then), eventLoop: eventLoop)
        dialer.resolver.lookup(query, for: request.cause) { [eventLoop] answer in
            eventLoop.execute {
                let (attempt, then) = bound.value
                then(attempt, answer)
            }
        }
    }

    /// The operator has said where the peer is: DNS is asked for the addresses of names only.
    func resolve(configured: [(host: String, port: UInt16)]) {
        var found = [[Endpoint]](repeating: [], count: configured.count)
        var outstanding = 1
        let names = configured.map(\.host).joined(separator: ", ")
        func answered(_ attempt: DialAttempt) {
            outstanding -= 1
            guard outstanding == 0, !attempt.isOver else { return }
            let endpoints = found.flatMap { $0 }
            if endpoints.isEmpty, attempt.useRemembered(because: "no address of \(names)", configured: true) { return }
            attempt.connect(to: endpoints, configured: true)
        }
        for (index, (host, port)) in configured.enumerated() {
            if let address = IPAddress(host) {
                found[index] = [Endpoint(address: address, port: port, directTLS: false, host: host)]
                continue
            }
            for type in [ResolutionQuery.RecordType.aaaa, .a] {
                outstanding += 1
                lookup(ResolutionQuery(name: (try? Domainpart.asciiForm(host)) ?? host, type: type)) { attempt, answer in
                    if case .records(let records, _) = answer {
                        for case .address(let address) in records {
                            found[index].append(Endpoint(address: address, port: port, directTLS: false, host: host))
                        }
                    }
                    answered(attempt)
                }
            }
        }
        answered(self)
    }
}

extension Endpoint {
    /// An address that worked before.
    fileprivate init?(_ remembered: RememberedEndpoint) {
        guard let address = IPAddress(remembered.address) else { return nil }
        self.init(address: address, port: remembered.port, directTLS: remembered.directTLS, host: remembered.address)
    }
}
