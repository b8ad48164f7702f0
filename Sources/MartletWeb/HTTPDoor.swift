import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Stands between the parser of HTTP and the tasks that answer: sees where requests begin and end, and whether the client is still there.
///
/// One per connection; confined to its event loop.
final class HTTPDoor: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Called once when the client is gone, by who answers a request that may wait.
    var whenGone: (() -> Void)?
    /// Whether the connection has become another protocol's.
    private var isLeft = false
    /// Requests that are not answered.
    private var underWay = 0
    /// The request that came last is not all there.
    private var isComing = false
    private var context: ChannelHandlerContext?
    /// Takes the connection over, if it is for whoever wants another protocol.
    private let upgrade: (HTTPRequest, any Channel) -> (HTTPFields, any ChannelHandler)?

    init(upgrade: @escaping (HTTPRequest, any Channel) -> (HTTPFields, any ChannelHandler)?) { self.upgrade = upgrade }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isLeft else { return }
        switch unwrapInboundIn(data) {
        case .head(let request):
            if underWay == 0, !isComing, leave(request, context) { return }
            underWay += 1
            isComing = true
        case .body: break
        case .end: isComing = false
        }
        context.fireChannelRead(data)
    }

    /// Another protocol begins: everything behind HTTP's answer is its handler's, which stands next to TLS.
    private func leave(_ request: HTTPRequest, _ context: ChannelHandlerContext) -> Bool {
        guard let (headers, handler) = upgrade(request, context.channel) else { return false }
        isLeft = true
        let response = HTTPResponse(status: .switchingProtocols, headerFields: headers)
        context.writeAndFlush(wrapOutboundOut(.head(response)), promise: nil)
        guard let first = try? context.pipeline.syncOperations.context(name: WebServer.firstOfHTTP),
            (try? context.pipeline.syncOperations.addHandler(handler, position: .before(first.handler))) != nil
        else {
            abort()
            return true
        }
        // The task that waits for requests ends.
        context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        return true
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var response) where isComing && response.status.kind != .informational:
            // What still comes is not read: the connection ends behind the answer.
            response.headerFields[.connection] = "close"
            context.write(wrapOutboundOut(.head(response)), promise: promise)
        case .end:
            underWay -= 1
            whenGone = nil
            guard isComing else { return context.write(data, promise: promise) }
            context.writeAndFlush(data, promise: promise)
            context.close(promise: nil)
        default:
            context.write(data, promise: promise)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        gone()
        context.fireChannelInactive()
    }

    private func gone() {
        let last = whenGone
        whenGone = nil
        last?()
    }

    /// Ends the connection at once.
    func abort() { context?.close(promise: nil) }
}
