import MartletBus
import MartletPrimitives
import XMPPAddress
import XMPPStreams
import XMPPXML

/// Byte mode: streams between sites are real engines; TLS is a pass-through that carries the peer's identity.
extension World {
    /// The certificate that TLS would show.
    private struct Identity: PeerIdentity {
        let domain: String
        var isVerified: Bool { true }
        var failure: String { "" }
        func matches(_ domain: String) -> Bool { domain == self.domain }
    }

    private mutating func environment(_ site: Int) -> StreamEnvironment {
        if let environment = environments[site] { return environment }
        let configuration = StreamConfiguration(
            domains: [sites[site].domain], dialbackSecret: DialbackSecret(Array(sites[site].name.utf8)))
        let environment = StreamEnvironment(
            configuration, random: RandomStream(seed: random.next()), validator: XMLValidator())
        environments[site] = environment
        return environment
    }

    /// A connection between two sites exists.
    mutating func beginEngines(_ pipe: Int, _ request: DialRequest) {
        let roles: [StreamRole] = [
            .link(request.pair, requiresCertificate: request.requiresCertificate), .serverReceiving,
        ]
        for end in 0...1 {
            let site = pipes[pipe].end(end).server
            let address = RemoteAddress("192.0.2.\(pipes[pipe].end(1 - end).server + 1)")
            let engine = StreamEngine(roles[end], address: address, environment: environment(site))
            pipes[pipe].update(end: end) { $0.engine = engine }
        }
        for end in [1, 0] { engine(pipe, end) { $0.connected(directTLS: false, into: &$1) } }
    }

    /// Calls an engine and performs what it wants.
    mutating func engine(_ pipe: Int, _ end: Int, _ call: (inout StreamEngine, inout [StreamAction]) -> Void) {
        guard var engine = pipes[pipe].end(end).engine else { return }
        var actions: [StreamAction] = []
        call(&engine, &actions)
        pipes[pipe].update(end: end) { $0.engine = engine }
        for action in actions { perform(action, pipe, end) }
    }

    private mutating func perform(_ action: StreamAction, _ pipe: Int, _ end: Int) {
        switch action {
        case .write(let bytes):
            // Cut anywhere.
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = pick(3) == 0 ? 1 + Int(pick(Int64(rest.count))) : rest.count
                send(.bytes(Array(rest.prefix(count))), on: pipe, way: end)
                rest = rest.dropFirst(count)
            }
        case .startTLS:
            pipes[pipe].update(end: end) { $0.awaitsTLS = true }
            send(.startTLS, on: pipe, way: end)
            establishTLS(pipe, end)
        case .peer(let event): report(event, pipe, end)
        case .attempt(let event): report(event, pipe, end)
        case .setTimer(let timer, let milliseconds):
            schedule.add(.engineTimer(pipe: pipe, end: end, timer), after: milliseconds)
        case .close:
            send(.end, on: pipe, way: end)
            schedule.add(.closingTimeout(pipe: pipe, end: end), after: 1)
        case .reset:
            abort(pipe, end)
        case .client, .deriveKeys, .place:
            break
        }
    }

    private mutating func report(_ event: PeerStreamEvent, _ pipe: Int, _ end: Int) {
        let site = pipes[pipe].end(end).server
        if case .stanza(let stanza) = event, let mark = stanza.relayMark {
            auditArrival(mark, from: pipes[pipe].end(1 - end).server, to: site)
        }
        post(.server(pipes[pipe].end(end).connection, event), to: site)
    }

    private mutating func report(_ event: AttemptEvent, _ pipe: Int, _ end: Int) {
        let site = pipes[pipe].end(end).server
        guard let dial = pipes[pipe].dial else { return }
        pipes[pipe].dial = nil
        switch event {
        case .ready(let features):
            let other = pipes[pipe].end(1 - end).server
            let endpoints = [RememberedEndpoint(address: "192.0.2.\(other + 1)", port: 5269, directTLS: false)]
            post(.dialed(dial, pipes[pipe].end(end).connection, features, endpoints: endpoints), to: site)
        case .failed(let failure): post(.dialFailed(dial, failure), to: site)
        case .verified(let verdict): post(.dialbackAnswered(dial, verdict), to: site)
        }
    }

    mutating func engineReceived(_ bytes: [UInt8], _ pipe: Int, _ end: Int) {
        engine(pipe, end) { $0.received(bytes, into: &$1) }
    }

    mutating func peerStartsTLS(_ pipe: Int, _ end: Int) {
        pipes[pipe].update(end: end) { $0.sawTLS = true }
        establishTLS(pipe, end)
    }

    private mutating func establishTLS(_ pipe: Int, _ end: Int) {
        guard pipes[pipe].end(end).awaitsTLS, pipes[pipe].end(end).sawTLS else { return }
        pipes[pipe].update(end: end) { $0.awaitsTLS = false }
        let peer = Identity(domain: sites[pipes[pipe].end(1 - end).server].domain.domainpart)
        let facts = TLSFacts(exporter: { [1] }, serverEndPoint: [2], peer: peer)
        engine(pipe, end) { $0.tlsEstablished(facts, into: &$1) }
    }

    mutating func engineTimerFired(_ pipe: Int, _ end: Int, _ timer: StreamTimer) {
        engine(pipe, end) { $0.timerFired(timer, into: &$1) }
    }
}
