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
    /// Attempts under way: a branch office has tens of peers, its people write to some more, and strangers have us verify
    /// what they say.
    static let attemptsLimit = 512

    /// Who may have how many of `total` attempts.
    static func shares(_ total: Int) -> Shares<Standing, Party> {
        Shares(total: total) { standing in
            switch standing {
            case .office: .init(reserved: total / 4, most: total)
            case .person: .init(reserved: total / 4, most: total * 5 / 8)
            case .knownPeer: .init(reserved: total / 16, most: max(1, total / 4))
            case .stranger: .init(reserved: total / 16, most: max(1, total / 8))
            }
        }
    }

    /// Addresses that a stranger's verification tries: who wants to be let in has one that works among his best four. The owner
    /// of a domain may name a hundred, of anybody.
    static let strangersAddresses = 4
    /// How long a connection to an address may have to wait that strangers have us connect to too often, milliseconds.
    private static let strangersPatience: Int64 = 10_000

    let resolver: any NameResolver
    /// Which addresses were silent lately; one memory for all loops.
    private let memory: SharedTargetMemory
    /// Held until the loop is told to stop, because attempts may outlive everything else.
    let loop: ConnectionLoop
    private var attempts: [DialID: DialAttempt] = [:]
    private var shares: Shares<Standing, Party>
    /// Who has which of the connections that we opened, in use or on the way: they end when they are closed, not when they are there.
    private var opened: Shares<Standing, Party>

    /// A dialer with so many attempts at a time, and so many connections, those in use among them.
    init(
        loop: ConnectionLoop, resolver: any NameResolver, memory: SharedTargetMemory = SharedTargetMemory(),
        attempts: Int = Dialer.attemptsLimit, connections: Int = 2 * Dialer.attemptsLimit
    ) {
        shares = Self.shares(attempts)
        opened = Self.shares(connections)
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
        guard shares.take(request.cause.party, of: request.cause.standing) else {
            attempt.fail(.unreachable("too many attempts to reach other servers are under way"))
            return
        }
        attempts[request.id] = attempt
        attempt.begin()
    }

    /// Gives an attempt up; nothing is said about it any more.
    func cancel(_ id: DialID) {
        attempts[id]?.cancel()
    }

    /// The attempt is over.
    func ended(_ id: DialID) {
        guard let cause = attempts.removeValue(forKey: id)?.request.cause else { return }
        shares.giveBack(cause.party, of: cause.standing)
    }

    /// Gives everything up.
    func stop() {
        for attempt in Array(attempts.values) { attempt.cancel() }
    }

    /// How long a connection to `endpoint` has to wait that a stranger causes, milliseconds: to no address more than a few in a second.
    /// nil where that would be too long.
    func strangersWait(for endpoint: Endpoint) -> Int64? {
        memory.strangers.withLock { $0.take(endpoint.address.remote, at: Self.now, patience: Self.strangersPatience) }
    }

    /// A connection to `endpoint` that does not read yet; fails within five seconds. It is counted as `cause`'s until it is closed.
    /// `segmentLimit` is the largest segment that either side may send, bytes.
    func connect(to endpoint: Endpoint, segmentLimit: UInt16?, for cause: Cause) -> EventLoopFuture<any Channel> {
        guard opened.take(cause.party, of: cause.standing) else {
            return loop.eventLoop.makeFailedFuture(TooManyOpened())
        }
        let connecting = connect(to: endpoint, segmentLimit)
        connecting.assumeIsolated().whenComplete { result in
            guard case .success(let channel) = result else { return self.opened.giveBack(cause.party, of: cause.standing) }
            channel.closeFuture.assumeIsolated().whenComplete { _ in
                self.opened.giveBack(cause.party, of: cause.standing)
            }
        }
        return connecting
    }

    private func connect(to endpoint: Endpoint, _ segmentLimit: UInt16?) -> EventLoopFuture<any Channel> {
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

/// A class of parties has as many connections to other servers as it may have.
private struct TooManyOpened: Error, CustomStringConvertible {
    var description: String { "too many connections to other servers are open: the descriptor limit leaves no room" }
}

/// What attempts have taught about addresses, for the dialers of all loops: an attempt is made on any of them.
final class SharedTargetMemory: Sendable {
    let state = Mutex(TargetMemory())
    /// To which addresses strangers have had us connect: as many at once and then in a second as they may have verified, for all strangers
    /// together.
    let strangers = Mutex(TokenBuckets<RemoteAddress>(burst: 16, interval: 250, bound: 4096))
}
