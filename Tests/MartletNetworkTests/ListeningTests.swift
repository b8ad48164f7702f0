import Glibc
import Logging
import MartletBus
import MartletConfiguration
import MartletRuntime
import MartletStore
import NIOCore
import NIOPosix
import Synchronization
import Testing
import XMPPAddress

@testable import MartletNetwork

@Suite struct ListeningTests {
    private func configuration(port: UInt16, more: String = "") throws -> SiteConfiguration {
        try SiteConfiguration.parse(
            """
            [site]
            domain = "pilsen.example"
            [[listeners.client]]
            address = "127.0.0.1"
            port = \(port)
            security = "plain"
            [federation]
            enabled = false
            \(more)
            """, fileName: "test.toml")
    }

    private func network(_ configuration: SiteConfiguration) throws -> Network {
        try Network(
            configuration, contexts: TestContexts.make(), dialbackSecret: [1], descriptors: DescriptorPlan(limit: 512),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { _ in }
    }

    @Test("a busy port names the setting to change")
    func busyPort() throws {
        let port = try FreePort.find()
        let first = try network(configuration(port: port))
        defer { first.stop() }
        try first.listen()
        let second = try network(configuration(port: port))
        defer { second.stop() }
        let error = #expect(throws: Listening.Failure.self) { try second.listen() }
        #expect(error?.description.contains("listeners.client[0].port") == true)
    }

    @Test("a stream is opened and answered with features, and a stanza before authentication ends it")
    func stream() throws {
        let port = try FreePort.find()
        let configuration = try configuration(port: port)
        let network = try network(configuration)
        defer { network.stop() }
        let loop = SiteLoop(
            store: MemoryStore(), policy: SitePolicy(domains: [try JID("pilsen.example")]), on: network.siteThread,
            dispatcher: network.dispatcher, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, diskProbe: { nil })
        network.connect(to: loop)
        loop.start()
        defer { loop.stop() }
        try network.listen()
        let client = try RawClient(port: port)
        client.send(
            "<?xml version='1.0'?><stream:stream to='pilsen.example' version='1.0' xmlns='jabber:client' "
                + "xmlns:stream='http://etherx.jabber.org/streams'>")
        let features = client.receive(until: "</stream:features>")
        #expect(features.contains("SCRAM-SHA-256"))
        #expect(!features.contains("PLAIN<"))
        client.send("<message to='anna@pilsen.example'><body>hello</body></message>")
        #expect(client.receive(until: nil).contains("not-authorized"))
    }

    @Test("the connections of one address are bounded, and others are let in when some leave")
    func perAddress() throws {
        let port = try FreePort.find()
        let network = try network(configuration(port: port, more: "[limits]\nconnections_per_address = 2\n"))
        defer { network.stop() }
        try network.listen()
        let header =
            "<stream:stream to='pilsen.example' version='1.0' xmlns='jabber:client' "
            + "xmlns:stream='http://etherx.jabber.org/streams'>"
        let clients = try (0..<2).map { _ in try RawClient(port: port) }
        for client in clients {
            client.send(header)
            #expect(client.receive(until: "</stream:features>").contains("features"))
        }
        let third = try RawClient(port: port)
        third.send(header)
        #expect(third.receive(until: nil).isEmpty)
    }
}

/// A blocking socket.
final class RawClient: Sendable {
    private let descriptor: Int32

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw FreePort.None() }
    }

    deinit { close(descriptor) }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// Nothing more is sent.
    func shutDown() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// How many bytes come, `count` at most, until the other side closes.
    func receive(count: Int) -> Int {
        var received = 0
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while received < count {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count <= 0 { break }
            received += count
        }
        return received
    }

    /// What comes until `end` has come or the other side closes.
    func receive(until end: String?) -> String {
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count <= 0 { break }
            result += chunk[..<count]
            if let end, String(decoding: result, as: UTF8.self).hasSuffix(end) { break }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
