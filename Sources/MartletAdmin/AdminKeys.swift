import MartletBus

/// SCRAM keys on the control socket, as arrays of numbers. The password itself never leaves the command that read it.
public struct AdminKeys: Codable, Sendable, Equatable {
    /// The keys for one digest.
    public struct Keys: Codable, Sendable, Equatable {
        /// The salt given to clients.
        public var salt: [UInt8]
        /// The iteration count given to clients.
        public var iterations: Int
        /// `StoredKey` of RFC 5802 §3.
        public var storedKey: [UInt8]
        /// `ServerKey` of RFC 5802 §3.
        public var serverKey: [UInt8]
    }

    /// For SCRAM-SHA-1.
    public var sha1: Keys
    /// For SCRAM-SHA-256 and PLAIN.
    public var sha256: Keys
    /// For SCRAM-SHA-512; absent where the command is of an earlier version.
    public var sha512: Keys?

    /// The keys of `keys`.
    public init(_ keys: PasswordKeys) {
        sha1 = Keys(keys.sha1)
        sha256 = Keys(keys.sha256)
        sha512 = keys.sha512.map(Keys.init)
    }

    /// As the site takes them; `nil` where lengths or counts are not those of SCRAM.
    var passwordKeys: PasswordKeys? {
        guard let sha1 = sha1.checked(length: 20), let sha256 = sha256.checked(length: 32) else { return nil }
        let strong = sha512?.checked(length: 64)
        guard (strong == nil) == (sha512 == nil) else { return nil }
        return PasswordKeys(sha1: sha1, sha256: sha256, sha512: strong)
    }
}

extension AdminKeys.Keys {
    fileprivate init(_ keys: PasswordKeys.Keys) {
        self.init(salt: keys.salt, iterations: keys.iterations, storedKey: keys.storedKey, serverKey: keys.serverKey)
    }

    fileprivate func checked(length: Int) -> PasswordKeys.Keys? {
        guard storedKey.count == length, serverKey.count == length, (8...64).contains(salt.count),
            (4096...10_000_000).contains(iterations)
        else { return nil }
        return PasswordKeys.Keys(salt: salt, iterations: iterations, storedKey: storedKey, serverKey: serverKey)
    }
}
