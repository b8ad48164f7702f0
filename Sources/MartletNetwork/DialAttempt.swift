import MartletBus
import NIOCore
import XMPPAddress
import XMPPStreams

/// One attempt to reach the server of a peer: name to addresses, addresses to a connection, connection to a stream that
/// is ready or a question that is answered. Confined to its event loop.
///
/// Addresses are tried in their order, the next one 250 ms after the last (RFC 8305 §5) or at once when it failed, at most
/// four at a time; the first that connects is used. Where its stream fails, the rest is tried.
final class DialAttempt {
    private let request: DialRequest
    private let dialer: Dialer
    private var resolution: PeerResolution
    private var randomness = SystemRandomNumberGenerator()
    /// Everything that the name led to, best first.
    private var endpoints: [Endpoint] = []
    /// What was not tried yet.
    private var untried: ArraySlice<Endpoint> = []
    private var connecting = 0
    private var negotiating: (connection: ConnectionHandler, endpoint: Endpoint)?
    private var failures: [String] = []
    /// Why the addresses are not those that the name leads to now; said before what became of them.
    private var detour: String?
    /// The last thing a peer that answered said against us.
    private var refusal: String?
    private var isOver = false

    /// RFC 8305 §5: long enough for a working line, short enough that nobody notices.
    private static let stagger = TimeAmount.milliseconds(250)
    private static let connectingLimit = 4
    /// The whole attempt, whatever its parts do: the site retries better than it waits.
    private static let deadline = TimeAmount.seconds(60)

    init(_ request: DialRequest, dialer: Dialer) {
        self.request = request
        self.dialer = dialer
        resolution = PeerResolution(
            domain: (try? Domainpart.asciiForm(request.pair.peer.domainpart)) ?? request.pair.peer.domainpart)
    }

    private var eventLoop: any EventLoop { dialer.loop.eventLoop }

    /// Starts.
    func begin() {
        eventLoop.assumeIsolated().scheduleTask(in: Self.deadline) { self.fail(.unreachable("took too long")) }
        let configured = dialer.loop.settings.configuredAddresses(of: request.pair.peer.domainpart)
        if configured.isEmpty {
            resolve(resolution.started())
        } else {
            resolve(configured: configured)
        }
    }

    /// Gives up without a word.
    func cancel() {
        isOver = true
        negotiating?.connection.abort("no longer wanted")
        negotiating = nil
    }

    /// Gives up.
    func fail(_ failure: DialFailure) {
        guard !isOver else { return }
        let connection = negotiating?.connection
        over()
        switch request.purpose {
        case .link: dialer.loop.site.post(.dialFailed(request.id, failure))
        case .verify: dialer.loop.site.post(.dialbackAnswered(request.id, failure.verdict))
        }
        connection?.abort(failure.words)
    }

    private func over() {
        isOver = true
        negotiating = nil
        dialer.ended(request.id)
    }

    // MARK: the name

    private func resolve(_ action: PeerResolution.Action) {
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
        dialer.resolver.lookup(query) { [eventLoop] answer in
            eventLoop.execute {
                let (attempt, then) = bound.value
                then(attempt, answer)
            }
        }
    }

    /// The operator has said where the peer is: DNS is asked for the addresses of names only.
    private func resolve(configured: [(host: String, port: UInt16)]) {
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

    // MARK: the addresses

    private func connect(to endpoints: [Endpoint], configured: Bool) {
        self.endpoints = endpoints
        let policy = dialer.loop.settings.addressPolicy
        let own = Self.ownAddresses()
        let allowed = endpoints.filter { endpoint in
            guard !configured, let objection = policy.objection(to: endpoint, own: own) else { return true }
            failures.append(objection)
            return false
        }
        untried = allowed[...]
        next()
    }

    private static func ownAddresses() -> [IPAddress] {
        let devices = (try? System.enumerateDevices()) ?? []
        return devices.compactMap { $0.address?.numericBytes.flatMap { IPAddress(bytes: $0) } }
    }

    private func next() {
        guard !isOver, negotiating == nil, connecting < Self.connectingLimit else { return }
        guard let endpoint = untried.popFirst() else {
            if connecting == 0 { exhausted() }
            return
        }
        connecting += 1
        dialer.connect(to: endpoint).assumeIsolated().whenComplete { result in
            self.connecting -= 1
            switch result {
            case .success(let channel): self.connected(channel, endpoint)
            case .failure(let error): self.failed(endpoint, NetworkWords.words(for: error))
            }
        }
        eventLoop.assumeIsolated().scheduleTask(in: Self.stagger) { self.next() }
    }

    private func failed(_ endpoint: Endpoint, _ words: String) {
        failures.append("\(endpoint): \(words)")
        next()
    }

    private func exhausted() {
        if let refusal { return fail(.refused(refusal)) }
        let words = failures.isEmpty ? ["no address"] : failures.suffix(4)
        fail(.unreachable(([detour].compactMap { $0 } + words).joined(separator: "; ")))
    }

    // MARK: the stream

    private func connected(_ channel: any Channel, _ endpoint: Endpoint) {
        guard !isOver, negotiating == nil else {
            channel.close(promise: nil)
            return
        }
        let address = channel.remoteAddress?.remoteAddress ?? RemoteAddress(endpoint.address.description)
        let connection = dialer.loop.open(role, to: address, directTLS: endpoint.directTLS, for: self)
        negotiating = (connection, endpoint)
        do {
            try channel.pipeline.syncOperations.addHandler(connection)
            try channel.syncOptions?.setOption(.autoRead, value: true)
        } catch {
            connection.abort("\(error)")
            channel.close(promise: nil)
        }
    }

    private var role: StreamRole {
        switch request.purpose {
        case .link: .link(request.pair, requiresCertificate: request.requiresCertificate)
        case .verify(let key, let streamID):
            .verification(
                request.pair, key: key, streamID: streamID, requiresCertificate: request.requiresCertificate)
        }
    }

    /// The stream that is being negotiated says something.
    func reported(_ event: AttemptEvent, by connection: ConnectionHandler) {
        guard !isOver, let negotiating, negotiating.connection === connection else { return }
        switch event {
        case .ready(let features):
            connection.listener = .server
            let site = dialer.loop.site
            let endpoints = remembered(first: negotiating.endpoint)
            over()
            site.post(.dialed(request.id, connection.id, features, endpoints: endpoints))
        case .verified(.error(_, let words)) where !untried.isEmpty || connecting > 0:
            failed(words)
        case .verified(let verdict):
            over()
            dialer.loop.site.post(.dialbackAnswered(request.id, verdict))
        case .failed(let failure):
            if case .refused(let words) = failure { refusal = words }
            failed(failure.words)
        }
    }

    /// This server came to nothing; the next one may not.
    private func failed(_ words: String) {
        guard let endpoint = negotiating?.endpoint else { return }
        negotiating = nil
        failed(endpoint, words)
    }

    /// The addresses to remember: the one that worked, then the others in their order.
    private func remembered(first: Endpoint) -> [RememberedEndpoint] {
        ([first] + endpoints.filter { $0 != first }).prefix(8).map {
            RememberedEndpoint(address: $0.address.description, port: $0.port, directTLS: $0.directTLS)
        }
    }
}

extension Endpoint {
    /// An address that worked before.
    fileprivate init?(_ remembered: RememberedEndpoint) {
        guard let address = IPAddress(remembered.address) else { return nil }
        self.init(address: address, port: remembered.port, directTLS: remembered.directTLS, host: remembered.address)
    }
}

extension DialFailure {
    /// What is said to the peer whose dialback key could not be checked (XEP-0220 §2.5).
    fileprivate var verdict: DialbackVerdict {
        switch self {
        case .noSuchDomain, .serviceNotOffered: .error(.remoteServerNotFound, words: words)
        case .unreachable(let words): .error(.remoteServerTimeout, words: words)
        case .refused(let words): .error(.remoteServerNotFound, words: words)
        }
    }
}
