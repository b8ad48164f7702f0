import MartletTLS
import Testing

@Suite struct HostileInputTests {
    // A context costs more to make than a handshake, so all connections share one.
    private static let client = Result { () throws(TLSError) in try TLSContext(trust: Fixture.trust()) }
    private static let server = Result { () throws(TLSError) in
        try TLSContext(server: Fixture.pilsen.get(), requestingClientCertificates: Fixture.trust())
    }

    private func pair() throws -> Pair {
        try Pair(client: Self.client.get(), server: Self.server.get())
    }

    @Test("Random bytes in place of a handshake end in an error or in waiting, on both ends")
    func randomBytes() throws {
        var random = Seeded(state: 7)
        for _ in 0..<300 {
            let pair = try pair()
            for engine in [pair.client, pair.server] {
                var plaintext: [UInt8] = []
                for _ in 0..<4 {
                    let bytes = random.bytes(Int.random(in: 0..<600, using: &random))
                    _ = try? engine.receive(bytes, plaintext: &plaintext)
                }
                #expect(plaintext.isEmpty)
                #expect(!engine.isEstablished)
            }
        }
    }

    @Test("Random bytes behind plausible record headers end in an error or in waiting")
    func randomRecords() throws {
        var random = Seeded(state: 8)
        for _ in 0..<300 {
            let pair = try pair()
            var plaintext: [UInt8] = []
            for _ in 0..<4 {
                let body = random.bytes(Int.random(in: 0..<400, using: &random))
                let type = UInt8.random(in: 20...24, using: &random)
                let record = [type, 3, 3, UInt8(body.count >> 8), UInt8(body.count & 255)] + body
                _ = try? pair.server.receive(record, plaintext: &plaintext)
            }
            #expect(plaintext.isEmpty)
            #expect(!pair.server.isEstablished)
        }
    }

    @Test("A flipped bit in the handshake never yields wrong data and never crashes")
    func flippedHandshake() throws {
        var random = Seeded(state: 9)
        for _ in 0..<200 {
            let pair = try pair()
            let victim = Bool.random(using: &random)
            do {
                try pair.client.send([1, 2, 3])
                while pair.client.hasOutput || pair.server.hasOutput {
                    var up = pair.client.takeOutput()
                    if !victim { Self.damage(&up, &random) }
                    _ = try pair.server.receive(up, plaintext: &pair.atServer)
                    var down = pair.server.takeOutput()
                    if victim { Self.damage(&down, &random) }
                    _ = try pair.client.receive(down, plaintext: &pair.atClient)
                }
            } catch {}
            #expect(pair.atServer.isEmpty || pair.atServer == [1, 2, 3])
            #expect(pair.atClient.isEmpty)
            _ = pair.client.peerCertificate
            _ = pair.server.peerCertificate
        }
    }

    private static func damage(_ bytes: inout [UInt8], _ random: inout Seeded) {
        guard !bytes.isEmpty else { return }
        bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    }

    @Test("A flipped bit in any byte of a record is noticed and nothing of the record is delivered")
    func flippedRecord() throws {
        let length = 22 + 8
        for index in 0..<length {
            let pair = try pair()
            try pair.pump()
            try pair.client.send([UInt8](repeating: 5, count: 8))
            var record = pair.client.takeOutput()
            try #require(record.count == length)
            record[index] ^= 0x10
            _ = try? pair.server.receive(record, plaintext: &pair.atServer)
            #expect(pair.atServer.isEmpty)
            // A longer length in the header is noticed when the bytes it promises have come.
            if pair.server.failure == nil {
                _ = try? pair.server.receive([UInt8](repeating: 0, count: 20_000), plaintext: &pair.atServer)
            }
            #expect(pair.server.failure != nil)
            #expect(pair.atServer.isEmpty)
        }
    }

    @Test("Cleartext after the handshake, a replayed record and a record out of order are refused")
    func strayRecords() throws {
        let cleartext = try pair()
        try cleartext.pump()
        #expect(throws: TLSError.self) {
            try cleartext.server.receive([UInt8]("<presence/>".utf8), plaintext: &cleartext.atServer)
        }
        let replayed = try pair()
        try replayed.pump()
        try replayed.client.send([1])
        let record = replayed.client.takeOutput()
        _ = try replayed.server.receive(record, plaintext: &replayed.atServer)
        #expect(throws: TLSError.self) { try replayed.server.receive(record, plaintext: &replayed.atServer) }
        #expect(replayed.atServer == [1])
        #expect(replayed.server.failure?.words == "a record was damaged or forged on its way")
        #expect(replayed.server.receivedEnd() == .truncated)
    }

    @Test("A peer that speaks HTTP or XMPP in clear is named")
    func otherProtocols() throws {
        let http = try pair()
        let first = #expect(throws: TLSError.self) {
            try http.server.receive([UInt8]("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), plaintext: &http.atServer)
        }
        #expect(first?.words == "the other side speaks HTTP, not TLS")
        let clear = try pair()
        let second = #expect(throws: TLSError.self) {
            try clear.client.receive([UInt8]("<?xml version='1.0'?><stream:stream>".utf8), plaintext: &clear.atClient)
        }
        #expect(second?.words == "the other side does not speak TLS, or only an outdated version")
    }

    @Test("A handshake message that promises more than is allowed is refused before it has come")
    func hugeMessage() throws {
        let pair = try pair()
        // A ClientHello of 2^24 - 1 bytes.
        let record: [UInt8] = [22, 3, 1, 0x10, 0x00, 1, 0xff, 0xff, 0xff] + [UInt8](repeating: 0, count: 0x1000 - 4)
        #expect(throws: TLSError.self) {
            for _ in 0..<64 { _ = try pair.server.receive(record, plaintext: &pair.atServer) }
        }
    }
}
