import MartletCrypto

/// A password that somebody chose on a stream, to be turned into keys away from the site's thread: PBKDF2 takes some 10 ms,
/// in which nobody's messages would move. Answered by ``SiteEvent/keysDerived(_:_:)``.
public struct KeysRequest: Sendable, Equatable {
    /// Names the request in the event that follows.
    public struct ID: Hashable, Sendable {
        /// Counts requests from 1 since the start.
        public var value: UInt64
        /// The request of that number.
        public init(_ value: UInt64) { self.value = value }
    }

    /// Names the request in the event that follows.
    public var id: ID
    /// The UTF-8 of the password, prepared with the OpaqueString profile (RFC 8265 §4).
    public var password: [UInt8]
    /// The salt of the keys for SCRAM-SHA-1. Each digest has one of its own, as every account has: a decoy must not differ in
    /// that.
    public var sha1Salt: [UInt8]
    /// The salt of the keys for SCRAM-SHA-256.
    public var sha256Salt: [UInt8]

    /// That request.
    public init(id: ID, password: [UInt8], sha1Salt: [UInt8], sha256Salt: [UInt8]) {
        self.id = id
        self.password = password
        self.sha1Salt = sha1Salt
        self.sha256Salt = sha256Salt
    }

    /// Does it. Never on an event loop.
    public func run() -> PasswordKeys {
        PasswordKeys(
            sha1: PasswordKeys.Keys(SCRAMKeys(algorithm: .sha1, password: password, salt: sha1Salt)),
            sha256: PasswordKeys.Keys(SCRAMKeys(algorithm: .sha256, password: password, salt: sha256Salt)))
    }
}

extension PasswordKeys.Keys {
    /// What is stored of those keys.
    public init(_ keys: SCRAMKeys) {
        self.init(salt: keys.salt, iterations: keys.iterations, storedKey: keys.storedKey, serverKey: keys.serverKey)
    }
}
