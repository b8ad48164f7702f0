import FoundationEssentials
import Glibc
import Logging
import MartletPrimitives

/// Writes each log event as one line on standard error: time, level, message, metadata.
///
/// The service manager that reads standard error keeps files and rotates them. Control characters are escaped, so that
/// nothing a peer sends can forge a line or drive an operator's terminal. A line is one `write`, which the kernel does
/// not mix with others up to the size of a pipe buffer.
public struct LineLogHandler: LogHandler {
    /// Events below it are not written.
    public var logLevel: Logger.Level
    /// Said with every event.
    public var metadata: Logger.Metadata = [:]
    private let descriptor: Int32

    /// A handler that writes to `descriptor`.
    public init(level: Logger.Level, descriptor: Int32 = STDERR_FILENO) {
        logLevel = level
        self.descriptor = descriptor
    }

    /// A value of the metadata.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes the event.
    public func log(event: LogEvent) {
        var line = LogLine()
        line.put(time: Self.now())
        line.put(level: event.level)
        line.put(message: event.message.description)
        var all = metadata
        if let own = event.metadata { all.merge(own) { $1 } }
        for key in all.keys.sorted() { line.put(key: key, value: all[key]?.description ?? "") }
        if let error = event.error { line.put(key: "error", value: String(describing: error)) }
        line.write(to: descriptor)
    }

    private static func now() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}

/// One line of the log while it is put together.
struct LogLine {
    private(set) var bytes: [UInt8] = []

    mutating func put(time: WallTime) {
        bytes += time.description.utf8
    }

    mutating func put(level: Logger.Level) {
        bytes.append(UInt8(ascii: " "))
        let word = level.rawValue
        bytes += word.utf8
        bytes += [UInt8](repeating: UInt8(ascii: " "), count: max(0, 8 - word.utf8.count))
    }

    mutating func put(message: String) {
        putEscaped(message)
    }

    mutating func put(key: String, value: String) {
        bytes.append(UInt8(ascii: " "))
        putEscaped(key)
        bytes.append(UInt8(ascii: "="))
        let isPlain = !value.isEmpty && !value.utf8.contains { $0 == 0x20 || $0 == 0x22 || $0 == 0x3D }
        if !isPlain { bytes.append(UInt8(ascii: "\"")) }
        putEscaped(value)
        if !isPlain { bytes.append(UInt8(ascii: "\"")) }
    }

    /// C0, DEL, C1 (U+0080 to U+009F), the bidirectional controls and line separators become `\u{…}`.
    private mutating func putEscaped(_ text: String) {
        // Nearly all text needs no escape.
        if text.utf8.allSatisfy({ 0x20..<0x7F ~= $0 && $0 != 0x5C && $0 != 0x22 }) {
            bytes += text.utf8
            return
        }
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A: bytes += "\\n".utf8
            case 0x0D: bytes += "\\r".utf8
            case 0x09: bytes += "\\t".utf8
            case 0x5C: bytes += "\\\\".utf8
            case 0x22: bytes += "\\\"".utf8
            case 0..<0x20, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069:
                bytes += "\\u{\(String(scalar.value, radix: 16))}".utf8
            default: bytes += Unicode.UTF8.encode(scalar).map(Array.init) ?? []
            }
        }
    }

    /// A log that cannot be written to must not stop the server: what does not go out is lost.
    func write(to descriptor: Int32) {
        var line = bytes
        line.append(0x0A)
        var sent = 0
        while sent < line.count {
            let count = line[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                sent += count
            } else if errno != EINTR {
                return
            }
        }
    }
}
