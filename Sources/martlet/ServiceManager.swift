import FoundationEssentials
import Glibc
import Synchronization

/// Tells systemd how the node fares (sd_notify(3)): that it serves, that it ends, and, where the unit has a watchdog, that it is alive.
///
/// Without `$NOTIFY_SOCKET` nobody listens, and nothing is sent. The protocol is a datagram with lines of words; the library for it
/// would bring systemd's own to every machine that runs none.
struct ServiceManager {
    private let socket: String?
    /// How often a sign of life is due, milliseconds; nil without a watchdog.
    let interval: Int?

    /// What the environment says, which is taken out of it: no child is to speak for us.
    static func fromEnvironment() -> ServiceManager {
        let environment = ProcessInfo.processInfo.environment
        var limit = environment["WATCHDOG_USEC"].flatMap { Int($0) }
        if let pid = environment["WATCHDOG_PID"], pid != "\(getpid())" { limit = nil }
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { unsetenv(name) }
        return ServiceManager(socket: environment["NOTIFY_SOCKET"], interval: limit.map { max(1, $0 / 1000 / 3) })
    }

    /// Says something; what nobody takes is lost, as the manager wants it.
    func say(_ state: State) {
        guard let socket, var address = Self.address(socket) else { return }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(state.words.utf8)
        let length = socklen_t(MemoryLayout<sa_family_t>.size + socket.utf8.count)
        withUnsafePointer(to: &address) {
            // SAFETY: a sockaddr_un is a sockaddr of its family, and the kernel reads no more than `length` of it.
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    /// What there is to say.
    enum State {
        case ready(String)
        case status(String)
        case stopping
        case alive

        var words: String {
            switch self {
            case .ready(let status): "READY=1\nSTATUS=\(status)"
            case .status(let status): "STATUS=\(status)"
            case .stopping: "STOPPING=1\nSTATUS=saying good-bye"
            case .alive: "WATCHDOG=1"
            }
        }
    }

    /// A path, or with @ at its beginning a name in the abstract namespace.
    private static func address(_ path: String) -> sockaddr_un? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }
}

/// Whether the site's thread still does what it is given: asked from time to time, and what it answered is the sign of life.
final class Heart: Sendable {
    private let answered = Atomic<Bool>(true)

    /// Whether it has answered since it was asked last; asks anew then.
    func beats(_ ask: (@escaping @Sendable () -> Void) -> Void) -> Bool {
        guard answered.exchange(false, ordering: .acquiringAndReleasing) else { return false }
        ask { [self] in answered.store(true, ordering: .releasing) }
        return true
    }
}
