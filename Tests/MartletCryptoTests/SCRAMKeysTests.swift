import MartletCrypto
import Testing

@Suite struct SCRAMKeysTests {
    /// The exchange of RFC 5802 §5 or RFC 7677 §3: the stored keys must verify the client's proof and make the server's signature.
    private func check(
        _ algorithm: DigestAlgorithm, salt: String, message: String, proof: String, signature: String
    ) throws {
        let salt = try #require(Base64.decode(salt))
        let proof = try #require(Base64.decode(proof))
        let keys = SCRAMKeys(algorithm: algorithm, password: [UInt8]("pencil".utf8), salt: salt, iterations: 4096)
        let clientSignature = HMAC.authenticate(algorithm, key: keys.storedKey, message.utf8)
        let clientKey = zip(proof, clientSignature).map { $0 ^ $1 }
        #expect(Digest.hash(algorithm, clientKey) == keys.storedKey)
        #expect(Base64.encode(HMAC.authenticate(algorithm, key: keys.serverKey, message.utf8)) == signature)
    }

    @Test("RFC 5802 §5: the example exchange of SCRAM-SHA-1")
    func sha1() throws {
        let nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
        try check(
            .sha1, salt: "QSXCR+Q6sek8bf92",
            message: "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=\(nonce),s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=\(nonce)",
            proof: "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", signature: "rmF9pqV8S7suAoZWja4dJRkFsKQ=")
    }

    @Test("RFC 7677 §3: the example exchange of SCRAM-SHA-256")
    func sha256() throws {
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        try check(
            .sha256, salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
            message: "n=user,r=rOprNGfwEbeRWgbNEkqO,r=\(nonce),s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=\(nonce)",
            proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    }

    @Test("New passwords get the default iteration count")
    func defaults() {
        let keys = SCRAMKeys(algorithm: .sha256, password: [1], salt: [2])
        #expect(keys.iterations == 10_000)
        #expect(keys == SCRAMKeys(algorithm: .sha256, password: [1], salt: [2], iterations: 10_000))
    }
}
