import MartletCrypto
import Testing
import XMPPAddress

@testable import XMPPStreams

@Suite("SCRAM")
struct SCRAMServerExchangeTests {
    /// The account of the RFCs' examples; its password is "pencil".
    static func credentials(
        _ digest: DigestAlgorithm, salt: String, password: String = "pencil", isDecoy: Bool = false
    ) -> StoredCredentials {
        let salt = Base64.decode(salt) ?? []
        let keys = SCRAMKeys(algorithm: digest, password: Array(password.utf8), salt: salt, iterations: 4096)
        return StoredCredentials(
            account: jid("user@example.com"), salt: salt, iterations: 4096, storedKey: keys.storedKey,
            serverKey: keys.serverKey, generation: 7, isDecoy: isDecoy)
    }

    func exchange(
        _ first: String, _ mechanism: SASLMechanism = .scramSHA1, isPlus: Bool = false, _ tls: TLSFacts? = nil
    ) throws(SASLFailure) -> SCRAMServerExchange {
        guard let offered = OfferedMechanism(mechanism.rawValue + (isPlus ? "-PLUS" : "")) else { throw .invalidMechanism }
        return try SCRAMServerExchange(
            clientFirst: Array(first.utf8), offered, ChannelBindings(tls), domain: jid("example.com"))
    }

    @Test("RFC 5802 §5: the example of SCRAM-SHA-1")
    func sha1() throws {
        var scram = try exchange("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")
        #expect(scram.localpart == "user")
        let challenge = scram.challenge(
            Self.credentials(.sha1, salt: "QSXCR+Q6sek8bf92"), nonce: "3rfcNHYJY1ZVvWVs7j")
        #expect(
            challenge
                == Array("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096".utf8))
        let final = try scram.finish(
            clientFinal: Array(
                "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=".utf8))
        #expect(final == Array("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=".utf8))
    }

    @Test("RFC 7677 §3: the example of SCRAM-SHA-256")
    func sha256() throws {
        var scram = try exchange("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", .scramSHA256)
        let challenge = scram.challenge(
            Self.credentials(.sha256, salt: "W22ZaJ0SNY7soEsUEjb6gQ=="), nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
        #expect(
            challenge
                == Array(
                    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".utf8))
        let final = try scram.finish(
            clientFinal: Array(
                ("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                    + "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").utf8))
        #expect(final == Array("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".utf8))
    }

    @Test("a wrong proof, nonce, binding or length is not-authorized, and so is a decoy with the right proof")
    func refused() throws {
        let nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
        let right = "c=biws,r=\(nonce),p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
        let finals = [
            "c=biws,r=\(nonce),p=v0X8v3Bz2T0CJGbJQyF0X+HI4Tt=", "c=biws,r=\(nonce),p=",
            "c=biws,r=\(nonce)x,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "c=eSws,r=\(nonce),p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "c=biws,r=\(nonce),p=v0X8v3Bz2T0CJGbJQyF0X+HI4TsA",
        ]
        for (final, isDecoy) in finals.map({ ($0, false) }) + [(right, true)] {
            var scram = try exchange("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")
            _ = scram.challenge(
                Self.credentials(.sha1, salt: "QSXCR+Q6sek8bf92", isDecoy: isDecoy), nonce: "3rfcNHYJY1ZVvWVs7j")
            let expected: SASLFailure = final.contains("Tt=") ? .malformedRequest : .notAuthorized
            #expect(throws: expected, "\(final)") { try scram.finish(clientFinal: Array(final.utf8)) }
        }
    }

    @Test("client-final that is not one is malformed-request")
    func malformedFinal() throws {
        var scram = try exchange("n,,n=user,r=abc")
        _ = scram.challenge(Self.credentials(.sha1, salt: "QSXCR+Q6sek8bf92"), nonce: "def")
        for final in ["", ",", ",,", "c=biws", "c=biws,r=abcdef", "r=abcdef,c=biws,p=AAAA", "c=biws,r=abcdef,p=!", "p=,p=,p="] {
            #expect(throws: SASLFailure.malformedRequest, "\(final)") { try scram.finish(clientFinal: Array(final.utf8)) }
        }
    }

    @Test("client-first that is not one is malformed-request")
    func malformedFirst() throws {
        let firsts = [
            "", "n", "n,", "n,,", "n,,n=user", "n,,r=abc,n=user", "n,,m=x,n=user,r=abc", "x,,n=user,r=abc",
            "n,,n=,r=abc", "n,,n=us=er,r=abc", "n,,n=user,r=", "n,,n=user,r=a b", "n,user,n=user,r=abc",
            "p=tls-exporter,,n=user,r=abc", "n,,n=a@b,r=abc", "n,,n=\u{0},r=abc",
        ]
        for first in firsts {
            #expect(throws: SASLFailure.malformedRequest, "\(first)") { try exchange(first) }
        }
        let offered = try #require(OfferedMechanism("SCRAM-SHA-1"))
        #expect(throws: SASLFailure.malformedRequest) {
            try SCRAMServerExchange(
                clientFirst: [0x6E, 0x2C, 0x2C, 0x6E, 0x3D, 0xFF, 0x2C, 0x72, 0x3D, 0x61], offered, ChannelBindings(nil),
                domain: jid("example.com"))
        }
    }

    @Test("RFC 5802 §5.1: names are decoded, then prepared")
    func names() throws {
        #expect(try exchange("n,,n=JULIET,r=abc").localpart == "juliet")
        #expect(try exchange("n,,n=a=2Cb=3Dc,r=abc").localpart == "a,b=c")
    }

    @Test("RFC 6120 §6.3.8: nobody acts for somebody else")
    func authorization() throws {
        #expect(try exchange("n,a=user@example.com,n=user,r=abc").localpart == "user")
        for authzid in ["other@example.com", "user@example.net", "user@example.com/x", "example.com", "@"] {
            #expect(throws: SASLFailure.invalidAuthzid) { try exchange("n,a=\(authzid),n=user,r=abc") }
        }
    }

    @Test("RFC 5802 §6: who could bind the channel and was not offered it sees a downgrade")
    func downgrade() throws {
        let tls = TLSFacts(exporter: { [1, 2, 3] })
        #expect(throws: SASLFailure.notAuthorized) { try exchange("y,,n=user,r=abc", .scramSHA1, tls) }
        _ = try exchange("y,,n=user,r=abc")
        _ = try exchange("n,,n=user,r=abc", .scramSHA1, tls)
        #expect(throws: SASLFailure.malformedRequest) {
            try exchange("n,,n=user,r=abc", .scramSHA1, isPlus: true, tls)
        }
        #expect(throws: SASLFailure.malformedRequest) {
            try exchange("p=tls-unique,,n=user,r=abc", .scramSHA1, isPlus: true, tls)
        }
    }

    @Test("RFC 5802 §6: the binding's data is part of what is proven", arguments: ["tls-exporter", "tls-server-end-point"])
    func binding(name: String) throws {
        let tls = TLSFacts(exporter: { [1, 2, 3] }, serverEndPoint: [4, 5])
        let data: [UInt8] = name == "tls-exporter" ? [1, 2, 3] : [4, 5]
        for (input, isRight) in [(data, true), ([1, 2, 4], false), ([], false)] {
            let header = "p=\(name),,"
            var scram = try exchange(header + "n=user,r=abc", .scramSHA256, isPlus: true, tls)
            let credentials = Self.credentials(.sha256, salt: "W22ZaJ0SNY7soEsUEjb6gQ==")
            let challenge = scram.challenge(credentials, nonce: "def")
            let final = SCRAMClient.final(
                first: "n=user,r=abc", header: Array(header.utf8) + input, challenge: challenge, password: "pencil", .sha256)
            if isRight {
                #expect(try scram.finish(clientFinal: final).starts(with: "v=".utf8))
            } else {
                #expect(throws: SASLFailure.notAuthorized) { try scram.finish(clientFinal: final) }
            }
        }
    }

    private func exchange(
        _ first: String, _ mechanism: SASLMechanism, _ tls: TLSFacts
    ) throws(SASLFailure) -> SCRAMServerExchange {
        try exchange(first, mechanism, isPlus: false, tls)
    }
}

/// The client's side, for tests.
enum SCRAMClient {
    static func final(
        first: String, header: [UInt8], challenge: [UInt8], password: String, _ digest: DigestAlgorithm
    ) -> [UInt8] {
        let parts = challenge.split(separator: UInt8(ascii: ",")).map { $0.dropFirst(2) }
        let salt = Base64.decode(parts[1]) ?? []
        let iterations = Int(String(decoding: parts[2], as: UTF8.self)) ?? 1
        let salted = PBKDF2.derive(
            digest, password: Array(password.utf8), salt: salt, iterations: iterations, length: digest.length)
        let clientKey = HMAC.authenticate(digest, key: salted, "Client Key".utf8)
        let storedKey = Digest.hash(digest, clientKey)
        var final = Array("c=".utf8) + Base64.encodedBytes(header) + Array(",r=".utf8) + parts[0]
        let message = Array(first.utf8) + Array(",".utf8) + challenge + Array(",".utf8) + final
        let signature = HMAC.authenticate(digest, key: storedKey, message)
        final += ",p=".utf8
        final += Base64.encodedBytes(zip(clientKey, signature).map { $0 ^ $1 })
        return final
    }
}
