import Glibc
import Logging
import MartletBus
import MartletPrimitives
import NIOCore
import NIOPosix
import Synchronization
import XMPPStreams

/// Performs the site's wishes to reach other servers, on one event loop and confined to it.
final class Dialer {
    /// Attempts under way on one loop: a branch office has tens of peers, dialbacks are bounded by the site.
    static let attemptsLimit = 512

    let resolver: any NameResolver
    /// Which addresses were silent lately; one memory for all loops.
    private let memory: SharedTargetMemory
    /// Held until the loop is told to stop, because attempts may outlive everything else.
    let loop: ConnectionLoop
    private var attempts: [DialID: DialAttempt] = [:]

    init(loop: ConnectionLoop, resolver: any NameResolver, memory: SharedTargetMemory = SharedTargetMemory()) {
        self.loop = loop
        self.resolver = resolver
        self.memory = memory
    }

    /// The time by a clock that does not go back.
    static var now: Instant { Instant(milliseconds: Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000)) }

    /// Addresses in the order in which to try them.
    func ordered(_ endpoints: [Endpoint]) -> [Endpoint] {
        memory.state.withLock { $0.ordered(endpoints, at: Self.now) }
    }

    /// An attempt is over.
    func raced(_ race: TargetRace, winner: Endpoint?) {
        memory.state.withLock { $0.raced(silent: race.slow, winner: winner, at: Self.now) }
    }

    /// Begins an attempt.
    func dial(_ request: DialRequest) {
        let attempt = DialAttempt(request, dialer: self)
        guard attempts.count < Self.attemptsLimit else {
            attempt.fail(.unreachable("too many attempts to reach other servers are under way"))
            return
        }
        attempts[request.id] = attempt
        attempt.begin()
    }

    /// Gives an attempt up; nothing is said about it any more.
    func cancel(_ id: DialID) {
        attempts.removeValue(forKey: id)?.cancel()
    }

    /// The attempt is over.
    func ended(_ id: DialID) {
        attempts[id] = nil
    }

    /// Gives everything up.
    func stop() {
        let left = attempts.values
        attempts = [:]
        for attempt in left { attempt.cancel() }
    }

    /// A connection to `endpoint` that does not read yet; fails within five seconds.
    /// `segmentLimit` is the largest segment that either side may send, bytes.
    func connect(to endpoint: Endpoint, segmentLimit: UInt16?) -> EventLoopFuture<any Channel> {
        let learnt = memory.state.withLock { $0.segmentLimit(of: endpoint, at: Self.now) }
        let limit = [segmentLimit, learnt].compactMap { $0 }.min()
        do {
            let address = try SocketAddress(ipAddress: endpoint.address.description, port: Int(endpoint.port))
            return bootstrap(isV6: endpoint.address.isV6, limit).connect(to: address)
        } catch {
            return loop.eventLoop.makeFailedFuture(error)
        }
    }

    /// Longer than any working line needs for a handshake of TCP with one lost packet.
    private static let connectTimeout = TimeAmount.seconds(5)

    private func bootstrap(isV6: Bool, _ segmentLimit: UInt16?) -> ClientBootstrap {
        var bootstrap = ClientBootstrap(group: loop.eventLoop)
            .connectTimeout(Self.connectTimeout)
            .channelOption(.autoRead, value: false)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: loop.settings.unacknowledgedTime)
            .channelOption(.writeBufferWaterMark, value: loop.settings.waterMark)
        if let segmentLimit {
            bootstrap = bootstrap.channelOption(.tcpOption(.init(rawValue: TCP_MAXSEG)), value: .init(segmentLimit))
        }
        guard let source = loop.settings.sourceAddress, source.contains(":") == isV6,
            let address = try? SocketAddress(ipAddress: source, port: 0)
        else { return bootstrap }
        return bootstrap.bind(to: address)
    }
}

/// What attempts have taught about addresses, for the dialers of all loops: an attempt is made on any of them.
final class SharedTargetMemory: Sendable {
    let state = Mutex(TargetMemory())
}
