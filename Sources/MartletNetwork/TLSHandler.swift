import MartletBus
import MartletTLS
import NIOCore
import XMPPStreams

/// Our TLS before the handlers of others: ciphertext on one side, plaintext on the other. First in the channels of the web.
///
/// Its connection is counted, and charged to its address, like a client's: its handshake waits for its turn, and who causes too much
/// rests. One per connection; confined to its event loop.
final class TLSHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Its number while its handshake waits.
    private(set) var number: ConnectionID?
    private let loop: ConnectionLoop
    private let visitor: WebVisitor
    private var tls: TLSEngine?
    private var context: ChannelHandlerContext?
    private var awaitsHandshake = false
    private var isResting = false
    private var readIsHeld = false
    private var isClosing = false
    private var work = WorkPrice.connection
    /// Who wants to know when what was written since the last flush has left.
    private var promises: [EventLoopPromise<Void>] = []

    /// How long the other side may take to read the last words, milliseconds.
    private static let lingering: Int64 = 3000

    init(_ loop: ConnectionLoop, _ visitor: WebVisitor) {
        self.loop = loop
        self.visitor = visitor
    }

    /// What a login may be bound to.
    var facts: TLSFacts { tls.map { TLSFacts($0) } ?? TLSFacts() }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.web.add(self)
        if context.channel.isActive { begin() }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        loop.web.remove(self)
        tls = nil
        fail(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    private func begin() {
        guard tls == nil else { return }
        charge(isFirst: true)
        let number = loop.web.number()
        switch loop.askForHandshake(number, visitor.address, isFamiliar: visitor.isFamiliar) {
        case .begin: break
        case .wait:
            self.number = number
            awaitsHandshake = true
            loop.web.wait(self, as: number)
        case .refuse: return abort()
        }
        do throws(TLSError) {
            tls = try TLSEngine(accepting: loop.contexts.web)
        } catch {
            abort()
        }
    }

    /// Its turn has come.
    func handshakeMayBegin() {
        awaitsHandshake = false
        readOn()
    }

    // MARK: from the socket

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        guard let tls, !isClosing else { return }
        // NIO reads on although nobody asks when the other side has gone: nobody needs a handshake any more.
        if awaitsHandshake { return abort() }
        work += WorkPrice.read + Int64(buffer.readableBytes) * WorkPrice.kibibyteRead / 1024
        var plaintext = loop.takeScratch()
        var failure: TLSError?
        buffer.withUnsafeReadableBytes { bytes in
            do throws(TLSError) {
                _ = try tls.receive(bytes, plaintext: &plaintext)
            } catch {
                failure = error
            }
        }
        charge(isFirst: false)
        if !plaintext.isEmpty { context.fireChannelRead(wrapInboundOut(context.channel.allocator.buffer(bytes: plaintext))) }
        loop.returnScratch(plaintext)
        send()
        if failure != nil || tls.state == .closed { end() }
    }

    /// Whoever rests is not read; nor is whose handshake has to wait.
    func read(context: ChannelHandlerContext) {
        if awaitsHandshake || isResting { readIsHeld = true } else { context.read() }
    }

    private func readOn() {
        guard readIsHeld, !awaitsHandshake, !isResting else { return }
        readIsHeld = false
        context?.read()
    }

    private func charge(isFirst: Bool) {
        guard visitor.isStranger else { return }
        let wait = visitor.charge(work, isFirst: isFirst)
        work = 0
        guard wait > 0, !isResting else { return }
        isResting = true
        loop.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(wait)) { [self] in
            isResting = false
            readOn()
        }
    }

    // MARK: to the socket

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let tls, !isClosing else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        if let promise { promises.append(promise) }
        let buffer = unwrapOutboundIn(data)
        do throws(TLSError) {
            try buffer.withUnsafeReadableBytes { bytes in
                Result { () throws(TLSError) in try tls.send(bytes) }
            }.get()
        } catch {
            abort()
        }
    }

    func flush(context: ChannelHandlerContext) { send() }

    /// Sends what there is. What was written before the handshake is over waits for that.
    private func send() {
        guard let tls, let context, tls.hasOutput else { return }
        let written = tls.state == .handshaking ? [] : promises
        if !written.isEmpty { promises = [] }
        tls.withOutput { bytes in
            let promise = written.isEmpty ? nil : context.eventLoop.makePromise(of: Void.self)
            for waiter in written { promise?.futureResult.cascade(to: waiter) }
            context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: promise)
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .input: context.close(mode: mode, promise: promise)
        case .output, .all:
            // A socket that is closed with unread bytes takes the last words with it.
            end()
            promise?.succeed()
        }
    }

    /// Says that nothing follows, sends that, and closes when the other side has heard it or taken its time.
    private func end() {
        guard !isClosing, let context else { return }
        tls?.shutdown()
        send()
        isClosing = true
        context.close(mode: .output, promise: nil)
        isResting = false
        awaitsHandshake = false
        readOn()
        loop.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Self.lingering)) { [self] in abort() }
    }

    /// Ends at once.
    func abort() {
        fail(ChannelError.ioOnClosedChannel)
        context?.close(mode: .all, promise: nil)
    }

    private func fail(_ error: any Error) {
        for promise in promises { promise.fail(error) }
        promises = []
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { abort() }

    /// The server stops: what is under way is ended, and nothing new begins.
    func quiesce() { context?.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
}
