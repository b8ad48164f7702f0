import Glibc
import NIOCore
import NIOPosix

/// Errors of sockets in words for the operator.
enum NetworkWords {
    static func words(for error: any Error) -> String {
        switch error {
        case let error as IOError: String(cString: strerror(error.errnoCode)).lowercased()
        case let error as ChannelError: words(for: error)
        default: "\(error)"
        }
    }

    private static func words(for error: ChannelError) -> String {
        switch error {
        case .connectTimeout(let time): "no answer within \(time.nanoseconds / 1_000_000_000) s"
        case .ioOnClosedChannel, .alreadyClosed, .eof, .outputClosed: "closed"
        default: "\(error)"
        }
    }
}
