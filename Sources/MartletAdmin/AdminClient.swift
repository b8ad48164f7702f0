import FoundationEssentials
import Glibc

/// Asks the node that owns a control socket: one request, one answer, then the connection is closed. Blocking, for the
/// command line.
public struct AdminClient {
    private let path: String

    /// A client of the control socket at `path`.
    public init(path: String) {
        self.path = path
    }

    /// The answer, or `nil` where nobody listens: the node is stopped.
    public func ask(_ request: AdminRequest) throws -> AdminAnswer? {
        guard let descriptor = try connect() else { return nil }
        defer { close(descriptor) }
        var line = Array(try JSONEncoder().encode(request))
        line.append(0x0A)
        try send(line, to: descriptor)
        return try JSONDecoder().decode(AdminAnswer.self, from: Data(try receive(from: descriptor)))
    }

    private func connect() throws -> Int32? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw AdminFailure("the path of the control socket is longer than a socket's path can be: \(path)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw AdminFailure("no socket: \(Self.words(errno))") }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 { return descriptor }
        let reason = errno
        close(descriptor)
        if reason == ENOENT || reason == ECONNREFUSED { return nil }
        if reason == EACCES {
            throw AdminFailure("no permission to use \(path): run the command as the user that runs the node, or as root")
        }
        throw AdminFailure("cannot reach the node at \(path): \(Self.words(reason))")
    }

    private func send(_ bytes: [UInt8], to descriptor: Int32) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno != EINTR {
                throw AdminFailure("the node closed the control socket: run the command as the user that runs the node")
            }
        }
    }

    private func receive(from descriptor: Int32) throws -> [UInt8] {
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while result.last != 0x0A {
            let count = read(descriptor, &chunk, chunk.count)
            if count > 0 {
                result += chunk[..<count]
            } else if count == 0 {
                throw AdminFailure("the node closed the control socket without an answer")
            } else if errno != EINTR {
                throw AdminFailure("the control socket failed: \(Self.words(errno))")
            }
        }
        return result
    }

    private static func words(_ code: Int32) -> String { String(cString: strerror(code)) }
}
