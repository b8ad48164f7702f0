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

    /// How long something is past, in its largest unit: "3 hours ago".
    static func ago(milliseconds: Int64) -> String {
        let seconds = max(0, milliseconds / 1000)
        for (name, length) in [("day", Int64(86_400)), ("hour", 3600), ("minute", 60)] where seconds >= length {
            let count = seconds / length
            return "\(count) \(name)\(count == 1 ? "" : "s") ago"
        }
        return seconds < 2 ? "a moment ago" : "\(seconds) seconds ago"
    }

    private static func words(for error: ChannelError) -> String {
        switch error {
        case .connectTimeout(let time): "no answer within \(time.nanoseconds / 1_000_000_000) s"
        case .ioOnClosedChannel, .alreadyClosed, .eof, .outputClosed: "closed"
        default: "\(error)"
        }
    }
}
