import MartletCrypto
import MartletTLS
import Testing

@Suite struct HandshakeTests {
    /// Contexts whose client speaks `client` and whose server speaks `server`.
    private func contexts(
        client: ClosedRange<TLSVersion> = .tls12 ... .tls13, server: ClosedRange<TLSVersion> = .tls12 ... .tls13
    ) throws -> (client: TLSContext, server: TLSContext) {
        (
            try TLSContext(trust: Fixture.trust(), versions: client),
            try TLSContext(server: Fixture.pilsen.get(), versions: server)
        )
    }

    @Test("Two ends agree on TLS 1.3 and exchange data both ways")
    func exchange() throws {
        let (client, server) = try contexts()
        let pair = try Pair(client: client, server: server, time: Fixture.now)
        #expect(pair.client.state == .handshaking)
        #expect(pair.client.protocolVersion == nil)
        try pair.pump()
        #expect(pair.client.isEstablished && pair.server.isEstablished)
        #expect(pair.client.protocolVersion == .tls13)
        #expect(pair.server.cipher == "TLS_AES_128_GCM_SHA256")
        #expect(pair.server.serverName == "pilsen.example")
        try pair.client.send([UInt8]("<ping/>".utf8))
        try pair.server.send([UInt8]("<pong/>".utf8))
        try pair.pump()
        #expect(pair.atServer == [UInt8]("<ping/>".utf8))
        #expect(pair.atClient == [UInt8]("<pong/>".utf8))
        #expect(!pair.sentByClient.contains([UInt8]("<ping/>".utf8)))
    }

    @Test("TLS 1.2 is spoken with a peer that knows no more, with forward secrecy")
    func version12() throws {
        let (client, server) = try contexts(client: .tls12 ... .tls12)
        let pair = try Pair(client: client, server: server)
        try pair.client.send([1, 2, 3])
        try pair.pump()
        #expect(pair.server.protocolVersion == .tls12)
        #expect(pair.server.cipher == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
        #expect(pair.atServer == [1, 2, 3])
    }

    @Test("A server that wants TLS 1.3 refuses a client that offers 1.2, and both can say why")
    func versionRefused() throws {
        let (client, server) = try contexts(client: .tls12 ... .tls12, server: .tls13 ... .tls13)
        let pair = try Pair(client: client, server: server)
        var plaintext: [UInt8] = []
        let hello = pair.client.takeOutput()
        let refusal = try #require(
            #expect(throws: TLSError.self) { try pair.server.receive(hello, plaintext: &plaintext) })
        #expect(refusal.kind == .handshake)
        #expect(refusal.words.hasPrefix("no TLS version in common"))
        #expect(pair.server.hasOutput, "the alert must be carried to the client")
        let alert = pair.server.takeOutput()
        let heard = #expect(throws: TLSError.self) { try pair.client.receive(alert, plaintext: &plaintext) }
        #expect(heard?.words == "the other side ended it with the alert: protocol version")
        #expect(throws: refusal) { try pair.server.send([1]) }
        #expect(throws: refusal) { try pair.server.receive(hello, plaintext: &plaintext) }
    }

    @Test("The bytes may be cut anywhere", arguments: [TLSVersion.tls12, .tls13])
    func pieces(version: TLSVersion) throws {
        let (client, server) = try contexts(client: version...version)
        let message = (0..<17_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for piece in [1, 2, 3, 4, 5, 6, 7, 11, 64, 255, 1_024, 16_384, 20_000] {
            let pair = try Pair(client: client, server: server)
            try pair.pump(piece: piece)
            try pair.client.send(message)
            try pair.server.send(message)
            try pair.pump(piece: piece)
            #expect(pair.atServer == message)
            #expect(pair.atClient == message)
        }
    }

    @Test("What is sent before the handshake has ended arrives after it, in order")
    func earlyData() throws {
        let (client, server) = try contexts()
        let pair = try Pair(client: client, server: server)
        try pair.client.send([1])
        try pair.server.send([7])
        try pair.client.send([2, 3])
        #expect(pair.client.waitingBytes == 3)
        try pair.pump(piece: 9)
        try pair.client.send([4])
        try pair.pump()
        #expect(pair.atServer == [1, 2, 3, 4])
        #expect(pair.atClient == [7])
        #expect(pair.client.waitingBytes == 0)
    }

    @Test("Several sends before one takeOutput become one record")
    func coalescing() throws {
        let (client, server) = try contexts()
        let pair = try Pair(client: client, server: server)
        try pair.pump()
        for byte in 0..<100 { try pair.server.send([UInt8(byte)]) }
        #expect(pair.server.hasOutput)
        let run = pair.server.takeOutput()
        #expect(!pair.server.hasOutput)
        #expect(run.count == 100 + 22)
        var plaintext: [UInt8] = []
        #expect(try pair.client.receive(run, plaintext: &plaintext) == .established)
        #expect(plaintext == Array(0..<100))
    }

    @Test("What is sent in pieces around the size of a record arrives in order")
    func recordSizes() throws {
        let (client, server) = try contexts()
        let pair = try Pair(client: client, server: server)
        try pair.pump()
        var expected: [UInt8] = []
        for size in [1, 16_383, 16_384, 16_385, 0, 40_000, 5, 16_384, 2] {
            let piece = [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)
            expected += piece
            try pair.client.send(piece)
        }
        try pair.pump()
        #expect(pair.atServer == expected)
    }

    @Test("An answer may be sent while plaintext is delivered")
    func reentrancy() throws {
        let (client, server) = try contexts()
        let pair = try Pair(client: client, server: server)
        try pair.pump()
        try pair.client.send([1, 2])
        let run = pair.client.takeOutput()
        let result = run.withUnsafeBytes { bytes in
            Result { () throws(TLSError) in
                try pair.server.receive(bytes) { block in try? pair.server.send(block) }
            }
        }
        #expect(try result.get() == .established)
        try pair.pump()
        #expect(pair.atClient == [1, 2])
    }

    @Test("A large transfer arrives whole")
    func large() throws {
        let (client, server) = try contexts()
        let pair = try Pair(client: client, server: server)
        try pair.pump()
        var random = Seeded(state: 1)
        let message = random.bytes(3_000_001)
        try pair.server.send(message)
        try pair.pump(piece: 65_536)
        #expect(pair.atClient == message)
    }

    @Test("close_notify is told from a connection that was cut")
    func endings() throws {
        let (client, server) = try contexts()
        let pair = try Pair(client: client, server: server)
        #expect(pair.server.receivedEnd() == .handshakeUnfinished)
        try pair.pump()
        #expect(pair.server.receivedEnd() == .truncated)
        try pair.client.send([1])
        pair.client.shutdown()
        #expect(throws: TLSError.self) { try pair.client.send([2]) }
        pair.client.shutdown()
        try pair.pump()
        #expect(pair.atServer == [1])
        #expect(pair.server.state == .closed)
        #expect(pair.server.receivedEnd() == .closed)
        // The other direction stays open (RFC 8446 §6.1).
        try pair.server.send([9])
        pair.server.shutdown()
        try pair.pump()
        #expect(pair.atClient == [9])
        #expect(pair.client.state == .closed)
    }

    @Test("A shutdown before the handshake has ended is harmless")
    func earlyShutdown() throws {
        let (client, server) = try contexts()
        let pair = try Pair(client: client, server: server)
        try pair.server.send([1])
        pair.server.shutdown()
        try pair.pump()
        #expect(pair.atClient.isEmpty)
        #expect(pair.client.state == .closed)
    }

    @Test("RFC 9266: the exporter yields the same bytes on both ends and others on other connections")
    func exporter() throws {
        var seen: [[UInt8]] = []
        for version in [TLSVersion.tls12, .tls13, .tls13] {
            let (client, server) = try contexts(client: version...version)
            let pair = try Pair(client: client, server: server)
            #expect(pair.client.tlsExporter() == nil)
            try pair.pump()
            let binding = try #require(pair.client.tlsExporter())
            #expect(binding.count == 32)
            #expect(binding == pair.server.tlsExporter())
            #expect(binding != pair.server.exporter(label: "EXPORTER-Other", length: 32))
            #expect(!seen.contains(binding))
            seen.append(binding)
        }
    }

    @Test("RFC 5929 §4: the end point is the server certificate's hash, the same on both ends")
    func endPoint() throws {
        let (client, server) = try contexts()
        let pair = try Pair(client: client, server: server, time: Fixture.now)
        #expect(pair.server.serverEndPoint() == nil)
        try pair.pump()
        let binding = try #require(pair.client.serverEndPoint())
        #expect(binding == pair.server.serverEndPoint())
        let certificate = try #require(pair.client.peerCertificate)
        #expect(binding == Digest.hash(.sha256, certificate.der))
    }

    @Test("XEP-0368: ALPN is agreed on, absent is fine, another protocol is refused")
    func applicationProtocols() throws {
        let client = try TLSContext(trust: Fixture.trust())
        let server = try TLSContext(server: Fixture.pilsen.get(), alpn: ["xmpp-server", "xmpp-client"])
        let agreed = try Pair(client: client, server: server, alpn: ["h2", "xmpp-client"])
        try agreed.pump()
        #expect(agreed.client.alpnProtocol == "xmpp-client")
        #expect(agreed.server.alpnProtocol == "xmpp-client")
        let absent = try Pair(client: client, server: server)
        try absent.pump()
        #expect(absent.server.isEstablished)
        #expect(absent.server.alpnProtocol == nil)
        let refused = try Pair(client: client, server: server, alpn: ["h2"])
        let error = #expect(throws: TLSError.self) { try refused.pump() }
        #expect(error?.words == "no application protocol (ALPN) in common")
        let indifferent = try Pair(client: client, server: TLSContext(server: Fixture.pilsen.get()), alpn: ["h2"])
        try indifferent.pump()
        #expect(indifferent.client.alpnProtocol == nil)
        #expect(throws: TLSError.self) { try TLSEngine(connecting: client, serverName: "a.example", alpn: [""]) }
    }

    @Test("RFC 6066 §3: an address is not sent as a server name", arguments: ["127.0.0.1", "::1", "fe80::1", ""])
    func addressLiterals(name: String) throws {
        let (client, server) = try contexts()
        let pair = try Pair(client: client, server: server, serverName: name)
        try pair.pump()
        #expect(pair.server.serverName == nil)
    }
}
