import Logging
import MartletBus
import MartletPrimitives
import NIOCore
import NIOPosix
import Synchronization
import XMPPAddress
import XMPPStreams

/// Moves bytes between clients that cannot reach one another (XEP-0065): the sockets of the proxy, on a thread of their own, so that files
/// on their way delay no message.
///
/// Owned by the ``Network``, where a domain for it is configured. The site says which streams begin; everything else is decided here, from
/// what the clients say (``BytestreamHandshake``) and how much there is (``BytestreamTable``).
final class BytestreamProxy: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let loop: any EventLoop
    private let state: NIOLoopBound<State>
    private let census: ConnectionCensus
    private let logger: Logger

    /// What lives on the loop.
    final class State {
        var table: BytestreamTable
        /// Look-up only.
        var handlers: [Int: BytestreamHandler] = [:]
        private var next = 0

        init(_ limits: BytestreamTable.Limits) { table = BytestreamTable(limits) }

        func makeNumber() -> Int {
            next += 1
            return next
        }

        /// Who stands still goes.
        func sweep() {
            for number in table.overdue(at: Self.now) { handlers[number]?.close() }
        }

        static var now: Int64 { Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000) }
    }

    /// Milliseconds between two looks for streams that stand still.
    private static let sweepInterval = TimeAmount.seconds(5)
    /// So long somebody may take to say which stream he wants: two answers of his over the slowest line.
    private static let greetingTime = TimeAmount.seconds(20)

    init(_ limits: BytestreamTable.Limits, census: ConnectionCensus, logger: Logger) throws {
        loop = group.next()
        self.census = census
        self.logger = logger
        let loop = loop
        state = try loop.submit { NIOLoopBound(State(limits), eventLoop: loop) }.wait()
        let state = state
        loop.scheduleRepeatedTask(initialDelay: Self.sweepInterval, delay: Self.sweepInterval) { _ in state.value.sweep() }
    }

    /// Opens the socket.
    func listen(_ listener: NetworkSettings.Listener) throws -> any Channel {
        try Listening(loops: [], census: census, logger: logger).bind(listener, group) { [self] channel in
            try accepted(channel)
        }
    }

    private func accepted(_ channel: any Channel) throws {
        let address = channel.remoteAddress?.remoteAddress ?? .init("unknown")
        let berth: Berths.Number
        // Whoever has not said which stream he wants is a stranger like those who have not logged in.
        switch census.enter(address, isServer: false, end: { channel.eventLoop.execute { channel.close(promise: nil) } }) {
        case .success(let number): berth = number
        case .failure(let refusal):
            if let count = census.refusalsToMention() {
                logger.notice(
                    "connection refused",
                    metadata: ["address": "\(address.text)", "reason": "\(refusal)", "count": "\(count)"])
            }
            return channel.close(promise: nil)
        }
        channel.closeFuture.whenComplete { [census] _ in census.leave(berth) }
        let handler = BytestreamHandler(state.value, channel, berth)
        try channel.syncOptions?.setOption(.autoRead, value: false)
        try channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
        try channel.pipeline.syncOperations.addHandler(handler)
        let bound = NIOLoopBound(handler, eventLoop: channel.eventLoop)
        channel.eventLoop.scheduleTask(in: Self.greetingTime) { if bound.value.isUnheard { bound.value.close() } }
    }

    /// The site wants a stream to begin. `done` is called on another thread.
    func activate(_ activation: BytestreamActivation, then done: @escaping @Sendable (BytestreamOutcome) -> Void) {
        loop.execute { [state, census] in
            let state = state.value
            let (outcome, ends) = state.table.activate(
                activation.digest, activation.account.description, at: State.now)
            for end in ends {
                guard let handler = state.handlers[end] else { continue }
                census.proved(handler.berth, .person, activation.account)
                handler.begin()
            }
            done(outcome)
        }
    }

    /// The configuration was read anew.
    func limit(_ limits: BytestreamTable.Limits) { loop.execute { [state] in state.value.table.limits = limits } }

    /// Ends everything.
    func stop() {
        try? loop.submit { [state] in
            for handler in state.value.handlers.values { handler.close() }
        }.wait()
        try? group.syncShutdownGracefully()
    }
}

/// One connection to the proxy. What is read is written to the other end before anything more is read: at most one read waits for a slow
/// reader, in each direction.
final class BytestreamHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    let berth: Berths.Number
    private let state: BytestreamProxy.State
    private let channel: any Channel
    private let number: Int
    private var handshake = BytestreamHandshake()
    /// It has said which stream it wants.
    private var isRegistered = false
    private var isRunning = false

    init(_ state: BytestreamProxy.State, _ channel: any Channel, _ berth: Berths.Number) {
        self.state = state
        self.channel = channel
        self.berth = berth
        number = state.makeNumber()
    }

    /// It has not said yet which stream it wants.
    var isUnheard: Bool { !isRegistered }

    func channelActive(context: ChannelHandlerContext) {
        state.handlers[number] = self
        context.read()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.handlers[number] = nil
        if let other = state.table.left(number) { state.handlers[other]?.close() }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        if isRunning { return pass(buffer) }
        for step in handshake.received(buffer.readableBytesView) {
            switch step {
            case .send(let bytes): write(bytes)
            case .fail(let bytes):
                write(bytes)
                return close()
            case .wants(let digest):
                guard state.table.wants(digest, number, at: BytestreamProxy.State.now) else {
                    write(BytestreamHandshake.refused)
                    return close()
                }
                isRegistered = true
                write(BytestreamHandshake.granted(digest))
            }
        }
        // Until it runs nothing more is read: who goes meanwhile is found when it begins, or when its patience is over.
        if !isRegistered { context.read() }
    }

    /// The stream runs from now on.
    func begin() {
        isRunning = true
        let rest = handshake.takeRest()
        if rest.isEmpty { channel.read() } else { pass(ByteBuffer(bytes: rest)) }
    }

    private func pass(_ buffer: ByteBuffer) {
        guard let partner = state.table.partner(of: number), let other = state.handlers[partner] else { return close() }
        let wait = state.table.moved(buffer.readableBytes, from: number, at: BytestreamProxy.State.now)
        let channel = NIOLoopBound(channel, eventLoop: channel.eventLoop)
        other.channel.writeAndFlush(buffer).whenSuccess {
            guard wait > 0 else { return channel.value.read() }
            channel.value.eventLoop.scheduleTask(in: .milliseconds(wait)) { channel.value.read() }
        }
    }

    private func write(_ bytes: [UInt8]) {
        if !bytes.isEmpty { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

    func close() { channel.close(promise: nil) }
}
