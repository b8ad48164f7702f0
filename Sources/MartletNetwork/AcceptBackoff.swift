import Glibc
import Logging
import NIOCore

/// Stops accepting for a second when the process or the system has no descriptor (or memory) left for another socket.
///
/// Without it the kernel goes on reporting the waiting connection and the loop spins. One per listening channel.
final class AcceptBackoff: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias OutboundIn = any Channel

    private let logger: Logger
    private var isPausing = false
    private var readWasHeld = false

    init(logger: Logger) {
        self.logger = logger
    }

    func read(context: ChannelHandlerContext) {
        if isPausing {
            readWasHeld = true
        } else {
            context.read()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let failure = error as? IOError, Self.isExhaustion(failure.errnoCode) else {
            // A connection that was gone before it was accepted, and the like: nothing is wrong with the listener.
            logger.debug("accept failed", metadata: ["error": "\(error)"])
            return
        }
        guard !isPausing else { return }
        isPausing = true
        logger.error(
            "no descriptor left for another connection",
            metadata: [
                "error": "\(NetworkWords.words(for: failure))", "advice": "raise the descriptor limit (LimitNOFILE, ulimit -n)",
            ])
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .seconds(1)) {
            let (handler, context) = bound.value
            handler.isPausing = false
            if handler.readWasHeld {
                handler.readWasHeld = false
                context.read()
            }
        }
    }

    private static func isExhaustion(_ code: CInt) -> Bool {
        [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code)
    }
}
