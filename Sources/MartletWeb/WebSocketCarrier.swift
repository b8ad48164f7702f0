import MartletBus
import MartletNetwork
import NIOCore
import XMPPStreams

/// Carries a client's stream over a WebSocket. Stands next to TLS in its channel; the handlers of HTTP behind it have nothing more to do.
///
/// One per WebSocket; confined to its event loop.
final class WebSocketCarrier: ChannelDuplexHandler, StreamCarrier {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let tlsFacts: TLSFacts
    private let limit: Int
    private let visitor: WebVisitor
    private let address: RemoteAddress
    private var stream: CarriedStream?
    private var reader: WebSocketReader
    private var framing: WebSocketFraming
    private var context: ChannelHandlerContext?
    private var readIsHeld = false
    private var isHearing = false
    /// Our close was sent.
    private var hasSaidLast = false
    private var hasEnded = false
    private var written: UInt64 = 0
    /// Something came, or was asked for, since the last look.
    private var isAlive = true
    private var isAsked = false

    /// How often a silent client is asked whether it is there, seconds: proxies cut what is silent for a minute, and a page cannot ask itself.
    private static let askInterval: Int64 = 50
    /// How long the other side may take to say its last word, seconds.
    private static let lingering: Int64 = 3

    /// The most bytes of a message: of one who has logged in, and before that.
    init(_ visitor: WebVisitor, from address: RemoteAddress, _ facts: TLSFacts, limit: Int, limitBefore: Int) {
        self.limit = limit
        self.visitor = visitor
        self.address = address
        tlsFacts = facts
        reader = WebSocketReader(limit: limitBefore)
        framing = WebSocketFraming(limit: limit)
    }

    // MARK: from the socket

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let stream = visitor.openStream(self, from: address, takesConnection: true)
        self.stream = stream
        stream.begin()
        readMore()
        ask()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasEnded, let stream else { return }
        isAlive = true
        if stream.isAuthenticated { reader.limit = limit }
        reader.append(unwrapInboundIn(data).readableBytesView)
        hear()
    }

    /// Nobody behind us reads any more: HTTP is at its end.
    func channelReadComplete(context: ChannelHandlerContext) { readMore() }

    func read(context: ChannelHandlerContext) {}

    private func readMore() {
        readIsHeld = !(stream?.mayHear() ?? true)
        if !readIsHeld { context?.read() }
    }

    /// HTTP's task goes, and closes what it had: that is not its connection any more.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) { promise?.succeed() }

    func channelInactive(context: ChannelHandlerContext) {
        // What was said was said.
        hear(untilAllIsHeard: true)
        ended("closed by the other side")
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func hear(untilAllIsHeard: Bool = false) {
        // What is answered at once may ask for more.
        guard !isHearing, let stream else { return }
        isHearing = true
        defer { isHearing = false }
        while !hasEnded, untilAllIsHeard || stream.mayHear(), let event = reader.next() {
            switch event {
            case .text(let message):
                if let bytes = framing.received(message, awaitsHeader: stream.awaitsHeader) { stream.heard(bytes) }
            case .ping(let payload):
                stream.charge(WorkPrice.event)
                send { WebSocketWriter.pong(payload, to: &$0) }
            case .pong: stream.charge(WorkPrice.event)
            case .close(let code):
                sayLast(code)
                context?.close(promise: nil)
                return ended("closed by the other side")
            case .failed(let end):
                sayLast(end.rawValue)
                context?.close(promise: nil)
                return ended("no WebSocket: \(end)")
            }
        }
    }

    // MARK: from the stream

    var waitingBytes: Int { (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }

    var progress: UInt64 { written - UInt64(waitingBytes) }

    func write(_ bytes: [UInt8]) {
        guard let messages = framing.wrote(bytes) else { return abort("what was to be sent is no message") }
        send { buffer in for message in messages { WebSocketWriter.text(message, to: &buffer) } }
    }

    private func send(_ body: (inout [UInt8]) -> Void) {
        guard let context, !hasSaidLast else { return }
        var bytes: [UInt8] = []
        body(&bytes)
        written += UInt64(bytes.count)
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
    }

    func readOn() {
        hear()
        if readIsHeld { readMore() }
    }

    func close() {
        sayLast(WebSocketEnd.normal.rawValue)
        // The other side answers, and closes.
        later(Self.lingering) { carrier in
            if let context = carrier.context { WebVisitor.abort(context.channel) }
        }
    }

    func abort(_ words: String) {
        if let context { WebVisitor.abort(context.channel) }
        later(0) { $0.ended(words) }
    }

    private func sayLast(_ code: UInt16?) {
        send { WebSocketWriter.close(code, to: &$0) }
        hasSaidLast = true
    }

    private func ended(_ words: String) {
        guard !hasEnded else { return }
        hasEnded = true
        stream?.ended(words)
        stream = nil
    }

    // MARK: whether it is there

    private func ask() {
        later(Self.askInterval) { carrier in
            guard !carrier.hasEnded, !carrier.hasSaidLast else { return }
            if !carrier.isAlive {
                if carrier.isAsked { return carrier.abort("does not answer") }
                carrier.isAsked = true
                carrier.send { WebSocketWriter.ping(to: &$0) }
            } else {
                carrier.isAsked = false
            }
            carrier.isAlive = false
            carrier.ask()
        }
    }

    private func later(_ seconds: Int64, _ body: @escaping (WebSocketCarrier) -> Void) {
        visitor.eventLoop.assumeIsolated().scheduleTask(in: .seconds(seconds)) { [weak self] in
            if let self { body(self) }
        }
    }
}
