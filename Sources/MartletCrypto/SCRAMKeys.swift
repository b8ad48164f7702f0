/// What a server keeps of a password for SCRAM (RFC 5802 §3): enough to check a proof, not enough to log in with.
public struct SCRAMKeys: Sendable, Equatable {
    /// The digest the keys belong to: SCRAM-SHA-1 and SCRAM-SHA-256 need separate keys.
    public let algorithm: DigestAlgorithm
    /// The salt given to the client.
    public let salt: [UInt8]
    /// The iteration count given to the client.
    public let iterations: Int
    /// `H(HMAC(SaltedPassword, "Client Key"))`: checks the client's proof.
    public let storedKey: [UInt8]
    /// `HMAC(SaltedPassword, "Server Key")`: signs the server's answer.
    public let serverKey: [UInt8]

    /// The iteration count for new passwords; RFC 7677 §4 asks for at least 4,096.
    public static let defaultIterations = 10_000

    /// Keys that were stored earlier.
    public init(algorithm: DigestAlgorithm, salt: [UInt8], iterations: Int, storedKey: [UInt8], serverKey: [UInt8]) {
        self.algorithm = algorithm
        self.salt = salt
        self.iterations = iterations
        self.storedKey = storedKey
        self.serverKey = serverKey
    }

    /// Keys for a password. Takes milliseconds: never on an event loop.
    ///
    /// `password` is the UTF-8 of the password after preparation with SASLprep (RFC 4013, RFC 5802 §2.2).
    public init(
        algorithm: DigestAlgorithm, password: [UInt8], salt: [UInt8], iterations: Int = SCRAMKeys.defaultIterations
    ) {
        let salted = PBKDF2.derive(
            algorithm, password: password, salt: salt, iterations: iterations, length: algorithm.length)
        self.init(algorithm: algorithm, saltedPassword: salted, salt: salt, iterations: iterations)
    }

    /// Keys from `SaltedPassword`, for a caller that has done the derivation itself.
    public init(algorithm: DigestAlgorithm, saltedPassword: [UInt8], salt: [UInt8], iterations: Int) {
        let clientKey = HMAC.authenticate(algorithm, key: saltedPassword, "Client Key".utf8)
        self.init(
            algorithm: algorithm, salt: salt, iterations: iterations, storedKey: Digest.hash(algorithm, clientKey),
            serverKey: HMAC.authenticate(algorithm, key: saltedPassword, "Server Key".utf8))
    }
}
