import FoundationEssentials
import Glibc
import Logging
import MartletBus
import NIOCore
import NIOPosix
import Synchronization

/// The node's end of the control socket: a Unix socket of mode 0600 whose every user is asked for by the kernel
/// (`SO_PEERCRED`): the node's own user or root.
///
/// A connection carries one line of JSON each way (``AdminRequest``, ``AdminAnswer``). Questions to the site are its
/// events and are answered by its effects, so that a command sees and changes exactly what a stanza would.
public final class AdminServer: Sendable {
    /// Longest request in bytes: a record of a bundle, which is a stanza, fits several times, escaped as JSON. Only the node's
    /// own user and root can send any.
    static let requestBytes = 2 << 20

    /// Commands that were asked and not yet answered.
    private struct Pending {
        var next: UInt64 = 1
        var promises: [UInt64: EventLoopPromise<AdminAnswer>] = [:]
    }

    private let pending = Mutex(Pending())
    private let channel = Mutex<(any Channel)?>(nil)
    private let post: @Sendable (CommandID, Command) -> Void
    private let reload: @Sendable () -> AdminAnswer
    private let logger: Logger
    private let path: String

    /// A server for the socket at `path`. `post` hands a command to the site; `reload` reads configuration and
    /// certificates anew and is called on a thread that may block.
    public init(
        path: String, logger: Logger, post: @escaping @Sendable (CommandID, Command) -> Void,
        reload: @escaping @Sendable () -> AdminAnswer
    ) {
        self.path = path
        self.logger = logger
        self.post = post
        self.reload = reload
    }

    /// `sun_path` has 108 bytes with its terminator.
    private static let longestPath = 107

    /// Listens. The caller holds the store's lock, so a socket file that is already there was left by a dead process.
    public func start(group: any EventLoopGroup) throws {
        guard path.utf8.count <= Self.longestPath else {
            throw AdminFailure(
                "the control socket cannot be at \(path): the system allows \(Self.longestPath) bytes. "
                    + "Use a shorter --directory, or name a shorter path as control_socket in the configuration")
        }
        unlink(path)
        // No umask here: it belongs to the whole process, other threads create files meanwhile. Under any usual one nobody
        // else may write to the socket, which connecting needs; and who connects is asked for by SO_PEERCRED.
        let server = try ServerBootstrap(group: group)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AdminHandler(server: self))
                }
            }
            .bind(unixDomainSocketPath: path).wait()
        chmod(path, 0o600)
        channel.withLock { $0 = server }
    }

    /// Stops listening and removes the socket.
    public func stop() {
        let server = channel.withLock { channel in
            defer { channel = nil }
            return channel
        }
        try? server?.close().wait()
        unlink(path)
        let unanswered = pending.withLock { pending in
            defer { pending.promises = [:] }
            return pending.promises
        }
        for promise in unanswered.values { promise.succeed(.refused(words: "the node is stopping")) }
    }

    /// An answer of the site.
    public func answered(_ id: CommandID, _ answer: CommandAnswer) {
        let promise = pending.withLock { $0.promises.removeValue(forKey: id.value) }
        promise?.succeed(AdminAnswer(answer))
    }

    /// Does what was asked; the answer may take as long as the site's inbox is.
    func ask(_ request: AdminRequest, on loop: any EventLoop) -> EventLoopFuture<AdminAnswer> {
        let command: Command?
        do throws(AdminFailure) {
            command = try request.command()
        } catch {
            return loop.makeSucceededFuture(.refused(words: error.description))
        }
        guard let command else {
            return NIOThreadPool.singleton.runIfActive(eventLoop: loop) { [reload] in reload() }
        }
        let promise = loop.makePromise(of: AdminAnswer.self)
        let id = pending.withLock { pending in
            defer { pending.next += 1 }
            pending.promises[pending.next] = promise
            return CommandID(pending.next)
        }
        post(id, command)
        return promise.futureResult
    }

    /// Whether the kernel's word about the user at the other end allows it in.
    func admits(_ credentials: PeerCredentials) -> Bool {
        let admitted = credentials.uid == 0 || credentials.uid == geteuid()
        if !admitted {
            logger.warning("control socket refused", metadata: ["uid": "\(credentials.uid)", "pid": "\(credentials.pid)"])
        }
        return admitted
    }
}

/// `struct ucred` of `<sys/socket.h>`, which Swift's Glibc does not show.
struct PeerCredentials: Sendable {
    var pid: Int32 = 0
    var uid: UInt32 = .max
    var gid: UInt32 = .max
}

/// One connection to the control socket.
private final class AdminHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let server: AdminServer
    private var line: [UInt8] = []
    private var admitted = false
    private var asked = false

    init(server: AdminServer) {
        self.server = server
    }

    func channelActive(context: ChannelHandlerContext) {
        guard let options = context.channel as? any SocketOptionProvider else { return context.close(promise: nil) }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let credentials: EventLoopFuture<PeerCredentials> = options.unsafeGetSocketOption(
            level: .socket, name: .init(rawValue: SO_PEERCRED))
        credentials.hop(to: context.eventLoop).whenComplete { result in
            let (handler, context) = bound.value
            if case .success(let credentials) = result, handler.server.admits(credentials) {
                handler.admitted = true
                handler.askIfComplete(context)
            } else {
                context.close(promise: nil)
            }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        line += unwrapInboundIn(data).readableBytesView
        guard line.count <= AdminServer.requestBytes else { return context.close(promise: nil) }
        askIfComplete(context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func askIfComplete(_ context: ChannelHandlerContext) {
        guard admitted, !asked, let end = line.firstIndex(of: 0x0A) else { return }
        asked = true
        let answer: EventLoopFuture<AdminAnswer>
        if let request = try? JSONDecoder().decode(AdminRequest.self, from: Data(line[..<end])) {
            answer = server.ask(request, on: context.eventLoop)
        } else {
            answer = context.eventLoop.makeSucceededFuture(
                .refused(words: "not understood: the command and the node are of different versions"))
        }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        answer.whenComplete { result in
            let context = bound.value
            let answer = (try? result.get()) ?? .refused(words: "the node is stopping")
            var buffer = context.channel.allocator.buffer(capacity: 256)
            if let bytes = try? JSONEncoder().encode(answer) { buffer.writeBytes(bytes) }
            buffer.writeInteger(UInt8(0x0A))
            context.writeAndFlush(NIOAny(buffer)).whenComplete { _ in bound.value.close(promise: nil) }
        }
    }
}
