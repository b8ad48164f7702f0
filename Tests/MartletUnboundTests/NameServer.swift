import Glibc

/// A name server of our own for one test: Debian's unbound, answering for `.example` from a list of records. Every other
/// name does not exist for it. It ends with the value.
final class NameServer: Sendable {
    static let program = "/usr/sbin/unbound"
    static let isInstalled = access(program, X_OK) == 0

    enum Failure: Error { case notStarted(String) }

    /// A port of 127.0.0.1 that nobody has, now and most likely for the time of a test. A name server wants it for UDP and for
    /// TCP, where on a busy machine thousands of outgoing connections have one each.
    static func freePort() -> UInt16 {
        for _ in 0..<100 {
            let port = bound(SOCK_DGRAM, 0)
            if port != 0, bound(SOCK_STREAM, port) == port { return port }
        }
        return 0
    }

    /// The port that a socket gets which asks for `port`, or for any; 0 if somebody else has it.
    private static func bound(_ kind: __socket_type, _ port: UInt16) -> UInt16 {
        let descriptor = socket(AF_INET, Int32(kind.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        return isBound ? UInt16(bigEndian: address.sin_port) : 0
    }

    let port: UInt16
    /// As the resolver wants it.
    var address: String { "127.0.0.1@\(port)" }

    private let process: pid_t
    private let configuration: String

    /// Starts a server and waits until it serves.
    init(_ records: [String], port: UInt16 = NameServer.freePort()) throws {
        self.port = port
        configuration = try writeTemporary(Self.configuration(records, port))
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure.notStarted("no pipe") }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        var process = pid_t()
        let command: [String] = [Self.program, "-d", "-c", configuration]
        let words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        defer { for word in words { free(word) } }
        let code = posix_spawn(&process, Self.program, &actions, nil, words + [nil], environ)
        close(ends[1])
        guard code == 0 else { throw Failure.notStarted(String(cString: strerror(code))) }
        self.process = process
        // Its log tells when it serves; the pipe ends if it does not come to that.
        var log: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 4_096)
        while !String(decoding: log, as: UTF8.self).contains("start of service") {
            let count = read(ends[0], &bytes, bytes.count)
            guard count > 0 else { throw Failure.notStarted(String(decoding: log, as: UTF8.self)) }
            log += bytes[..<count]
        }
    }

    deinit {
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
        unlink(configuration)
    }

    private static func configuration(_ records: [String], _ port: UInt16) -> String {
        """
        server:
          interface: 127.0.0.1@\(port)
          port: \(port)
          access-control: 127.0.0.0/8 allow
          do-ip6: no
          num-threads: 1
          verbosity: 1
          module-config: "iterator"
          chroot: ""
          username: ""
          pidfile: ""
          use-syslog: no
          logfile: ""
          local-zone: "." static
          local-zone: "refused.example." refuse
        \(records.map { "  local-data: '\($0)'" }.joined(separator: "\n"))
        remote-control:
          control-enable: no

        """
    }
}

/// A new file in the directory for temporary files; the caller removes it.
func writeTemporary(_ text: String) throws -> String {
    var template = Array("/tmp/martlet-unbound-XXXXXX\0".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw NameServer.Failure.notStarted("no temporary file") }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count else { throw NameServer.Failure.notStarted("no room") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
