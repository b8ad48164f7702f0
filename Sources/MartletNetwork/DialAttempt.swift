import MartletBus
import MartletPrimitives
import NIOCore
import XMPPAddress
import XMPPStreams

/// One attempt to reach the server of a peer: name to addresses, addresses to connections, a connection to a stream that
/// is ready or a question that is answered. Confined to its event loop.
///
/// Which address is tried when is decided by a ``TargetRace``; who was silent is remembered for the attempts to come. The site
/// hears of one stream at most, after all others were closed.
final class DialAttempt {
    let request: DialRequest
    let dialer: Dialer
    var resolution: PeerResolution
    var randomness = SystemRandomNumberGenerator()
    /// Why the addresses are not those that the name leads to now; said before what became of them.
    var detour: String?
    private(set) var isOver = false
    /// Everything that the name led to, best first.
    private var endpoints: [Endpoint] = []
    private var race = TargetRace([], patience: 0)
    /// Connections on which no stream has begun yet.
    private var waiting: [Endpoint: any Channel] = [:]
    /// Streams that are being negotiated. Look-up only.
    private var negotiating: [Endpoint: ConnectionHandler] = [:]
    private var failures: [String] = []
    /// The last thing a peer that answered said against us.
    private var refusal: String?
    /// When the attempt got on last: an address was tried or reached, or a server there said something.
    private var movedAt = NIODeadline.now()

    /// The whole attempt, whatever its parts do, milliseconds: the site retries better than it waits.
    private static let limit: Int64 = 60_000
    /// How many times the patience of an attempt a server may be silent that was reached: its certificates have to cross a slow line
    /// behind ours, the connection to it did not.
    private static let patienceWhenReached: Int64 = 5

    init(_ request: DialRequest, dialer: Dialer) {
        self.request = request
        self.dialer = dialer
        resolution = PeerResolution(
            domain: (try? Domainpart.asciiForm(request.pair.peer.domainpart)) ?? request.pair.peer.domainpart,
            targetsLimit: request.cause.standing == .stranger ? Dialer.strangersAddresses : PeerResolution.targetsLimit)
    }

    var eventLoop: any EventLoop { dialer.loop.eventLoop }

    /// Starts.
    func begin() {
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Self.limit)) { self.timeIsUp() }
        let configured = dialer.loop.settings.configuredAddresses(of: request.pair.peer.domainpart)
        if configured.isEmpty {
            resolve(resolution.started())
        } else {
            resolve(configured: configured)
        }
    }

    private func timeIsUp() {
        let silent = race.underWay.map(\.description).joined(separator: ", ")
        fail(.unreachable(words(and: silent.isEmpty ? "took too long" : "no answer in time from \(silent)")))
    }

    /// Gives up without a word.
    func cancel() { over(nil, "no longer wanted") }

    /// Gives up.
    func fail(_ failure: DialFailure) {
        guard !isOver else { return }
        over(nil, failure.words)
        switch request.purpose {
        case .link: dialer.loop.site.post(.dialFailed(request.id, failure))
        case .verify: dialer.loop.site.post(.dialbackAnswered(request.id, failure.verdict))
        }
    }

    /// The end, with a winner or without: everything else is closed.
    private func over(_ winner: Endpoint?, _ words: String) {
        guard !isOver else { return }
        isOver = true
        perform(winner.map { race.won($0, at: Dialer.now) } ?? race.ended(at: Dialer.now), abandoning: words)
        dialer.raced(race, winner: winner)
        dialer.ended(request.id)
    }

    // MARK: the addresses

    func connect(to endpoints: [Endpoint], configured: Bool) {
        self.endpoints = endpoints
        let policy = dialer.loop.settings.addressPolicy
        let own = Self.ownAddresses()
        let allowed = endpoints.filter { endpoint in
            guard !configured, let objection = policy.objection(to: endpoint, own: own) else { return true }
            failures.append(objection)
            return false
        }
        let tried = request.cause.standing == .stranger ? Array(allowed.prefix(Dialer.strangersAddresses)) : allowed
        race = TargetRace(dialer.ordered(tried), patience: request.patience ?? Self.limit)
        moved()
        watch()
        perform(race.timePassed(at: Dialer.now))
    }

    /// Something was heard.
    func moved() { movedAt = .now() }

    /// Fails when nothing has moved for as long as the request allows.
    private func watch() {
        guard let patience = request.patience, !isOver else { return }
        let end = movedAt + .milliseconds(negotiating.isEmpty ? patience : patience * Self.patienceWhenReached)
        guard NIODeadline.now() < end else { return timeIsUp() }
        eventLoop.assumeIsolated().scheduleTask(deadline: end) { self.watch() }
    }

    private static func ownAddresses() -> [IPAddress] {
        let devices = (try? System.enumerateDevices()) ?? []
        return devices.compactMap { $0.address?.numericBytes.flatMap { IPAddress(bytes: $0) } }
    }

    private func perform(_ actions: [TargetRace.Action], abandoning words: String = "another address is tried instead") {
        for action in actions {
            switch action {
            case .connect(let endpoint): connect(to: endpoint)
            case .begin(let endpoint): begin(endpoint)
            case .abandon(let endpoint): abandon(endpoint, words)
            case .wake(let moment):
                eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(max(0, moment - Dialer.now))) {
                    self.perform(self.race.timePassed(at: Dialer.now))
                }
            case .exhausted: exhausted()
            }
        }
    }

    private func connect(to endpoint: Endpoint) {
        guard request.cause.standing == .stranger else { return connectNow(to: endpoint) }
        guard let wait = dialer.strangersWait(for: endpoint) else {
            // Later, as every other failure: the race is being asked.
            return eventLoop.assumeIsolated().execute { self.failed(endpoint, "others have had us connect there too often") }
        }
        if wait == 0 { return connectNow(to: endpoint) }
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(wait)) {
            if self.race.isRunning(endpoint) { self.connectNow(to: endpoint) }
        }
    }

    private func connectNow(to endpoint: Endpoint) {
        dialer.connect(to: endpoint, segmentLimit: request.segmentLimit, for: request.cause).assumeIsolated().whenComplete {
            result in
            switch result {
            case .success(let channel):
                self.waiting[endpoint] = channel
                let actions = self.race.connected(endpoint, at: Dialer.now)
                // The race has given it up meanwhile.
                if !self.race.isRunning(endpoint) { return self.abandon(endpoint, "") }
                self.perform(actions)
            case .failure(let error): self.failed(endpoint, NetworkWords.words(for: error))
            }
        }
    }

    private func abandon(_ endpoint: Endpoint, _ words: String) {
        waiting.removeValue(forKey: endpoint)?.close(promise: nil)
        negotiating.removeValue(forKey: endpoint)?.abort(words)
    }

    private func failed(_ endpoint: Endpoint, _ words: String) {
        guard !isOver else { return }
        moved()
        failures.append("\(endpoint): \(words)")
        perform(race.failed(endpoint, at: Dialer.now))
    }

    private func exhausted() {
        if let refusal { return fail(.refused(refusal)) }
        fail(.unreachable(words(and: failures.isEmpty ? "no address" : nil)))
    }

    /// What became of the addresses.
    private func words(and last: String?) -> String {
        ([detour].compactMap { $0 } + failures.suffix(4) + [last].compactMap { $0 }).joined(separator: "; ")
    }

    // MARK: the streams

    private func begin(_ endpoint: Endpoint) {
        guard let channel = waiting.removeValue(forKey: endpoint) else { return }
        guard channel.isActive else { return failed(endpoint, "closed by the other side") }
        let address = channel.remoteAddress?.remoteAddress ?? RemoteAddress(endpoint.address.description)
        let connection = dialer.loop.open(role, to: address, directTLS: endpoint.directTLS, for: self)
        negotiating[endpoint] = connection
        moved()
        do {
            try channel.pipeline.syncOperations.addHandler(connection)
            try channel.syncOptions?.setOption(.autoRead, value: true)
        } catch {
            negotiating[endpoint] = nil
            connection.abort("\(error)")
            channel.close(promise: nil)
            failed(endpoint, NetworkWords.words(for: error))
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

    /// A stream that is being negotiated says something.
    func reported(_ event: AttemptEvent, by connection: ConnectionHandler) {
        guard !isOver, let endpoint = negotiating.first(where: { $0.value === connection })?.key else { return }
        switch event {
        case .ready(let features):
            negotiating[endpoint] = nil
            connection.listener = .server
            over(endpoint, "another address answered first")
            // Who calls us from there comes before strangers.
            if request.cause.standing == .office { dialer.loop.census?.met(request.pair.peer, at: connection.address, .office) }
            dialer.loop.site.post(.dialed(request.id, connection.id, features, endpoints: remembered(first: endpoint)))
        case .verified(.error(_, let words)) where race.hasOthers(than: endpoint):
            negotiating[endpoint] = nil
            failed(endpoint, words)
        case .verified(let verdict):
            negotiating[endpoint] = nil
            over(endpoint, "another address answered first")
            dialer.loop.site.post(.dialbackAnswered(request.id, verdict))
        case .failed(let failure):
            if case .refused(let words) = failure { refusal = words }
            negotiating[endpoint] = nil
            failed(endpoint, failure.words)
        }
    }

    /// The addresses to remember: the one that worked, then the others in their order.
    private func remembered(first: Endpoint) -> [RememberedEndpoint] {
        ([first] + endpoints.filter { $0 != first }).prefix(8).map {
            RememberedEndpoint(address: $0.address.description, port: $0.port, directTLS: $0.directTLS)
        }
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
