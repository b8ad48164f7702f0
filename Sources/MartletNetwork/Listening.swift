import MartletPrimitives
import Glibc
import Logging
import MartletBus
import NIOCore
import NIOPosix
import XMPPStreams

/// Opens listening sockets and puts a ``ConnectionHandler`` on every connection they accept.
struct Listening {
    /// Why a socket could not be opened, naming the setting to change.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Connections the kernel keeps waiting for us: a whole office reconnects at once after an outage.
    private static let backlog: Int32 = 1024

    /// TCP asks a silent peer after so many seconds, and then this often (nine times on Linux): dead connections count
    /// against the limits of their address for minutes instead of hours.
    private static let keepAliveIdle = 300
    private static let keepAliveInterval = 30

    let loops: [NIOLoopBound<ConnectionLoop>]
    let census: ConnectionCensus
    let logger: Logger
    /// Who serves the connections of the listeners for the web.
    var web: (any WebAcceptor)?

    /// What is done with a connection that was accepted.
    typealias Acceptance = @Sendable (any Channel) throws -> Void

    /// Listens. `[::]` takes IPv4 too; on a machine without IPv6 it is `0.0.0.0`.
    func bind(_ listener: NetworkSettings.Listener, _ group: any EventLoopGroup) throws -> any Channel {
        try bind(listener, group) { try accepted($0, listener) }
    }

    /// The same for connections with which something else is done.
    func bind(
        _ listener: NetworkSettings.Listener, _ group: any EventLoopGroup, accepting: @escaping Acceptance
    ) throws -> any Channel {
        do {
            return try bind(listener, at: listener.address, group, accepting)
        } catch let error as IOError where error.errnoCode == EAFNOSUPPORT && listener.address == "::" {
            return try explained(listener) { try bind(listener, at: "0.0.0.0", group, accepting) }
        } catch {
            return try explained(listener) { throw error }
        }
    }

    private func bind(
        _ listener: NetworkSettings.Listener, at address: String, _ group: any EventLoopGroup,
        _ accepting: @escaping Acceptance
    ) throws -> any Channel {
        let local = try SocketAddress(ipAddress: address, port: Int(listener.port))
        let backoff = logger
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptBackoff(logger: backoff))
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: Self.keepAliveIdle)
            .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: Self.keepAliveInterval)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try accepting(channel) }
            }
        if address.contains(":") {
            let level = NIOBSDSocket.OptionLevel.ipv6
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(level: level, name: .ipv6_v6only), value: address == "::" ? 0 : 1)
        }
        return try bootstrap.bind(to: local).wait()
    }

    private func accepted(_ channel: any Channel, _ listener: NetworkSettings.Listener) throws {
        guard let loop = loops.first(where: { channel.eventLoop === $0.eventLoop })?.value else {
            ourFault("an accepted connection lives on a loop of the group")
        }
        let address = channel.remoteAddress?.remoteAddress ?? .init("unknown")
        let berth: Berths.Number
        switch enter(channel, address, listener) {
        case .success(let number): berth = number
        case .failure(let refusal):
            mention("connection refused", address, refusal.description)
            channel.close(promise: nil)
            return
        }
        channel.closeFuture.whenComplete { [census] _ in census.leave(berth) }
        try channel.syncOptions?.setOption(.writeBufferWaterMark, value: loop.settings.waterMark)
        if case .web = listener.kind { return try welcome(channel, WebVisitor(address, loop, census, berth), loop) }
        if listener.kind != .client {
            let option = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_USER_TIMEOUT))
            try channel.syncOptions?.setOption(option, value: loop.settings.unacknowledgedTime)
        }
        let connection = loop.accept(listener, from: address)
        connection.berth = (census, berth)
        logger.debug(
            "connection accepted",
            metadata: [
                "connection": "\(connection.id)", "address": "\(channel.remoteAddress?.words ?? "")",
                "listener": "\(listener.path)",
            ])
        do {
            try channel.pipeline.syncOperations.addHandler(connection)
        } catch {
            loop.remove(connection.id)
            throw error
        }
    }

    private func welcome(_ channel: any Channel, _ visitor: WebVisitor, _ loop: ConnectionLoop) throws {
        try channel.pipeline.syncOperations.addHandler(TLSHandler(loop, visitor))
        try web?.accept(channel, visitor)
    }

    /// Counts a connection in. What has to give way to another one is told so (RFC 6120 §4.9.3.17).
    private func enter(
        _ channel: any Channel, _ address: RemoteAddress, _ listener: NetworkSettings.Listener
    ) -> Result<Berths.Number, BerthRefusal> {
        let eventLoop = channel.eventLoop
        return census.enter(address, isServer: listener.kind == .server || listener.kind == .component) { [self] in
            eventLoop.execute {
                mention("connection closed for another", address, "it has not said who it is")
                if let web = try? channel.pipeline.syncOperations.handler(type: TLSHandler.self) { return web.abort() }
                guard let handler = try? channel.pipeline.syncOperations.handler(type: ConnectionHandler.self) else {
                    return channel.close(promise: nil)
                }
                handler.giveWay()
            }
        }
    }

    private func mention(_ what: Logger.Message, _ address: RemoteAddress, _ reason: String) {
        guard let count = census.refusalsToMention() else { return }
        logger.notice(what, metadata: ["address": "\(address.text)", "reason": "\(reason)", "count": "\(count)"])
    }

    private func explained(_ listener: NetworkSettings.Listener, _ body: () throws -> any Channel) throws -> any Channel {
        do {
            return try body()
        } catch let error as IOError {
            throw Failure(description: Self.words(for: error.errnoCode, listener) ?? "\(listener.path): \(error)")
        } catch {
            throw Failure(description: "\(listener.path): \(error)")
        }
    }

    private static func words(for code: Int32, _ listener: NetworkSettings.Listener) -> String? {
        switch code {
        case EADDRINUSE:
            "port \(listener.port) is in use by another program: change \(listener.path).port in the configuration, "
                + "or stop that program"
        case EACCES:
            "port \(listener.port) needs privileges (below 1024): change \(listener.path).port in the configuration"
        case EADDRNOTAVAIL:
            "this machine has no address \(listener.address): change \(listener.path).address in the configuration"
        default: nil
        }
    }
}

extension NetworkSettings {
    /// When NIO calls a channel unwritable: at the bound on what waits for a slow reader.
    var waterMark: ChannelOptions.Types.WriteBufferWaterMark {
        .init(low: outboundLimit / 2, high: outboundLimit)
    }
}
