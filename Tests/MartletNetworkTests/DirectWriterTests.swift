import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MartletNetwork

@Suite struct DirectWriterTests {
    /// Writes numbered lines, far more than two kernels hold, as soon as anything is read, and ends the stream behind them.
    private final class Flood: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        /// What the writer said of each line.
        static let said = Mutex<[Bool]>([])
        /// What the writer said when the channel was closed.
        static let late = Mutex<Bool?>(nil)
        static let ended = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self)
        static let lineCount = 40_000

        static func line(_ number: Int) -> String { "line \(number) of those that must stay in order\n" }

        private var writer: DirectWriter?

        func channelActive(context: ChannelHandlerContext) { writer = DirectWriter(context.channel) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard let writer else { return }
            var said: [Bool] = []
            for number in 0..<Self.lineCount {
                Array(Self.line(number).utf8).withUnsafeBytes { said.append(writer.write($0, context)) }
            }
            Self.said.withLock { [said] in $0 = said }
            context.close(mode: .output, promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            // Closed: whoever has the descriptor next must not hear from this connection.
            let isWritten = Array("late".utf8).withUnsafeBytes { writer?.write($0, context) }
            Self.late.withLock { $0 = isWritten }
            Self.ended.succeed()
        }
    }

    @Test("what the kernel does not take goes through the channel, in order, and nothing is written to a socket that is closed")
    func order() async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.socketOption(.so_sndbuf), value: 8192)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Flood()) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(try #require(server.localAddress?.port))
        let received = try await NIOThreadPool.singleton.runIfActive {
            let client = try RawClient(port: port)
            client.send("go")
            return client.receive(until: nil)
        }
        let expected = (0..<Flood.lineCount).map(Flood.line).joined()
        #expect(received == expected)
        try await Flood.ended.futureResult.get()
        try await server.close().get()
        #expect(Flood.late.withLock { $0 } == false)
        let said = Flood.said.withLock { $0 }
        #expect(said.first == true)
        #expect(said.contains(false))
    }
}
