import ArgumentParser
import Glibc
import Logging
import MartletBus
import MartletConfiguration
import MartletCrypto
import MartletNetwork
import MartletRuntime
import MartletStore
import MartletTLS
import Synchronization
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// A site with its network on loopback, and clients at the other ends of its sockets: for what a batch's effects cost on their way
/// from the site to the kernel. In clear; what TLS adds is a step of its own.
final class LoopbackSite {
    /// What the bench could not do with a socket.
    struct SocketFailure: Error, CustomStringConvertible {
        let description: String

        /// That, and what the system says about it.
        init(_ what: String) { description = "\(what): \(String(cString: strerror(errno)))" }
    }

    private let network: Network
    private let site: SiteLoop
    private let connections: [ConnectionID]
    private let sockets: [Int32]

    /// Starts it and logs `count` clients in. `directory` gets a certificate.
    init(directory: String, clients count: Int) throws {
        guard mkdir(directory, 0o700) == 0 else { throw ValidationError("\(directory) cannot be made") }
        let issued = try SelfSignedCertificate.make(domain: "pilsen.example", days: 1)
        try Self.write(issued.certificatePEM, to: directory + "/certificate.pem")
        try Self.write(issued.keyPEM, to: directory + "/key.pem")
        let port = try Self.freePort()
        let configuration = try SiteConfiguration.parse(
            """
            [site]
            domain = "pilsen.example"
            [[listeners.client]]
            address = "127.0.0.1"
            port = \(port)
            security = "plain"
            allow_plain_auth_without_tls = true
            [federation]
            enabled = false
            [limits]
            connections_per_address = \(count)
            """, fileName: directory + "/martlet.toml")
        let logger = Logger(label: "martlet-bench") { _ in SwiftLogNoOpLogHandler() }
        network = try Network(
            configuration, contexts: TLSContexts(configuration), dialbackSecret: [1],
            descriptors: DescriptorPlan(limit: 1024 + 10 * count), logger: logger
        ) { _ in }
        let admissions = Admissions(network.dispatcher)
        let domain = try JID("pilsen.example")
        site = SiteLoop(
            store: MemoryStore(), policy: SitePolicy(domains: [domain]), on: network.siteThread, dispatcher: admissions,
            logger: logger, diskProbe: { nil })
        network.connect(to: site)
        site.start()
        try network.listen()
        let keys = SCRAMKeys(algorithm: .sha256, password: Array("secret".utf8), salt: [1], iterations: 1)
        let stored = PasswordKeys.Keys(salt: [1], iterations: 1, storedKey: keys.storedKey, serverKey: keys.serverKey)
        var sockets: [Int32] = []
        for index in 0..<count {
            site.post(
                .command(
                    CommandID(UInt64(index)),
                    .accounts(.add(LoadedSite.account(index), PasswordKeys(sha1: stored, sha256: stored)))))
            sockets.append(try Self.logIn("person\(index)", port))
        }
        self.sockets = sockets
        connections = admissions.admitted
        precondition(connections.count == count, "each client is admitted once")
    }

    /// Ends everything.
    func stop() {
        for socket in sockets { close(socket) }
        site.stop()
        network.stop()
    }

    /// Sends `bytes` to each client with one batch of effects. Returns what that cost the site's thread.
    func send(_ bytes: [UInt8]) throws -> Cost {
        var effects: [Effect] = []
        for (place, connection) in connections.enumerated() {
            effects.append(.stream(connection, .send(bytes)))
            effects.append(.stream(connection, .mark(UInt64(place))))
        }
        let spent = Mutex(Cost())
        let done = Semaphore()
        network.siteThread.execute { [effects, network] in
            let start = Reading()
            network.dispatcher.dispatch(effects)
            let cost = Cost(since: start)
            spent.withLock { $0 = cost }
            done.signal()
        }
        done.wait()
        for socket in sockets { try Self.receive(bytes.count, from: socket) }
        return spent.withLock { $0 }
    }

    // MARK: the clients' ends

    /// A client that has bound a resource.
    private static func logIn(_ user: String, _ port: UInt16) throws -> Int32 {
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard withAddress(port, { connect(client, $0, $1) }) == 0 else { throw SocketFailure("connect") }
        let header =
            "<stream:stream to='pilsen.example' version='1.0' xmlns='jabber:client' xmlns:stream='\(Namespaces.streams)'>"
        let secret = Base64.encode(Array("\0\(user)\0secret".utf8))
        try ask(client, header, until: "</stream:features>")
        try ask(client, "<auth xmlns='\(Namespaces.sasl)' mechanism='PLAIN'>\(secret)</auth>", until: "<success")
        try ask(client, header, until: "</stream:features>")
        try ask(client, "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'/></iq>", until: "</iq>")
        return client
    }

    private static func ask(_ socket: Int32, _ text: String, until end: String) throws {
        let bytes = Array(text.utf8)
        guard Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { throw SocketFailure("send") }
        var answer = ""
        var chunk = [UInt8](repeating: 0, count: 4096)
        while !answer.contains(end) {
            let count = recv(socket, &chunk, chunk.count, 0)
            guard count > 0 else { throw SocketFailure("the server answered \(answer)") }
            answer += String(decoding: chunk[..<count], as: UTF8.self)
        }
    }

    private static func receive(_ total: Int, from socket: Int32) throws {
        var chunk = [UInt8](repeating: 0, count: total)
        var rest = total
        while rest > 0 {
            let count = recv(socket, &chunk, rest, 0)
            guard count > 0 else { throw SocketFailure("recv") }
            rest -= count
        }
    }

    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withAddress(0) { bind(descriptor, $0, $1) } == 0
        let isKnown = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
        }
        guard isBound, isKnown else { throw SocketFailure("no free port") }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func withAddress(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    private static func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else { throw SocketFailure(path) }
        fputs(text, file)
        fclose(file)
    }
}

/// The network's dispatcher, and which connections were admitted.
private final class Admissions: EffectDispatcher {
    private let dispatcher: any EffectDispatcher
    private let connections = Mutex<[ConnectionID]>([])

    init(_ dispatcher: any EffectDispatcher) { self.dispatcher = dispatcher }

    var admitted: [ConnectionID] { connections.withLock { $0 } }

    func dispatch(_ effects: [Effect]) {
        for case .stream(let connection, .admit) in effects { connections.withLock { $0.append(connection) } }
        dispatcher.dispatch(effects)
    }

    func handled(_ reports: [HandledReport]) { dispatcher.handled(reports) }
}
