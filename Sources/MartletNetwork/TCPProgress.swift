import Glibc
import NIOCore

/// What the kernel knows of the bytes that were written to a socket.
enum TCPProgress {
    /// `struct tcp_info` of Linux as far as it is needed: the C library's ends before the last fields.
    private struct Info: Sendable {
        var base = tcp_info()
        var pacingRate: (UInt64, UInt64) = (0, 0)
        /// RFC 4898 tcpEStatsAppHCThruOctetsAcked, of an accepted connection without the SYN.
        var bytesAcknowledged: UInt64 = 0
    }

    /// How many bytes the other side's kernel has acknowledged. To be called on the channel's loop; nil for what is not a TCP
    /// socket, or closed.
    static func acknowledgedBytes(_ channel: any Channel) -> UInt64? {
        guard channel.eventLoop.inEventLoop, let socket = channel as? any SocketOptionProvider else { return nil }
        var answer: UInt64?
        let asked: EventLoopFuture<Info> = socket.unsafeGetSocketOption(
            level: NIOBSDSocket.OptionLevel.tcp, name: NIOBSDSocket.Option(rawValue: TCP_INFO))
        // On its own loop the channel answers at once.
        asked.assumeIsolated().whenSuccess { answer = $0.bytesAcknowledged }
        return answer
    }
}
