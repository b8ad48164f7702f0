import MartletCrypto

/// A password that somebody chose or showed on a stream, to be turned into keys: ``Work/deriveKeys(_:for:)``.
public struct ChosenPassword: Sendable, Equatable {
    /// The UTF-8 of the password, prepared with SASLprep (RFC 4013).
    public var password: [UInt8]
    /// The salt of the keys for SCRAM-SHA-1. Each digest has one of its own, as every account has: a decoy must not differ in
    /// that.
    public var sha1Salt: [UInt8]
    /// The salt of the keys for SCRAM-SHA-256.
    public var sha256Salt: [UInt8]
    /// The salt of the keys for SCRAM-SHA-512.
    public var sha512Salt: [UInt8]

    /// That password, with these salts.
    public init(password: [UInt8], sha1Salt: [UInt8], sha256Salt: [UInt8], sha512Salt: [UInt8]) {
        self.password = password
        self.sha1Salt = sha1Salt
        self.sha256Salt = sha256Salt
        self.sha512Salt = sha512Salt
    }

    /// Derives the keys. Never on an event loop: PBKDF2 takes some 15 ms, in which nobody's messages would move.
    public func keys() -> PasswordKeys {
        PasswordKeys(
            sha1: PasswordKeys.Keys(SCRAMKeys(algorithm: .sha1, password: password, salt: sha1Salt)),
            sha256: PasswordKeys.Keys(SCRAMKeys(algorithm: .sha256, password: password, salt: sha256Salt)),
            sha512: PasswordKeys.Keys(SCRAMKeys(algorithm: .sha512, password: password, salt: sha512Salt)))
    }
}

extension PasswordKeys.Keys {
    /// What is stored of those keys.
    public init(_ keys: SCRAMKeys) {
        self.init(salt: keys.salt, iterations: keys.iterations, storedKey: keys.storedKey, serverKey: keys.serverKey)
    }
}
