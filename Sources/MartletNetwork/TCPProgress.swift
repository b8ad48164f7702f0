import Glibc
import NIOCore

/// What the kernel knows of the bytes that were written to a socket.
enum TCPProgress {
    /// `struct tcp_info` of Linux as far as it is needed: the C library's ends before the last fields.
    private struct Info: Sendable {
        var base = tcp_info()
        var pacingRate: (UInt64, UInt64) = (0, 0)
        var bytes: (UInt64, UInt64) = (0, 0)
        var segments: (UInt32, UInt32) = (0, 0)
        /// Bytes that wait for the other side's window.
        var unsentBytes: UInt32 = 0
    }

    /// Whether the other side's kernel has acknowledged every byte. To be called on the channel's loop; false for what is
    /// not a TCP socket.
    static func isEverythingAcknowledged(_ channel: any Channel) -> Bool {
        guard channel.eventLoop.inEventLoop, let socket = channel as? any SocketOptionProvider else { return false }
        var answer = false
        let asked: EventLoopFuture<Info> = socket.unsafeGetSocketOption(
            level: NIOBSDSocket.OptionLevel.tcp, name: NIOBSDSocket.Option(rawValue: TCP_INFO))
        // On its own loop the channel answers at once.
        asked.assumeIsolated().whenSuccess { answer = $0.base.tcpi_unacked == 0 && $0.unsentBytes == 0 }
        return answer
    }
}
