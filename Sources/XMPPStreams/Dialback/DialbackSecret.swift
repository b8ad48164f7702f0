// XEP-0185: Dialback Key Generation and Validation, version 1.0, complete

import MartletCrypto

/// The secret from which a site makes its dialback keys (XEP-0185). Keys are computed again when they are to be
/// verified: nothing is remembered about those that were given away.
public struct DialbackSecret: Sendable {
    /// XEP-0185 §2: the secret is hashed, and the *hexadecimal* text of the hash is the HMAC key.
    private let key: [UInt8]

    /// Keys made from `secret`; any length.
    public init(_ secret: [UInt8]) {
        key = Array(Hex.encode(Digest.hash(.sha256, secret)).utf8)
    }

    /// The key that proves to `receiving` that the stream which it calls `streamID` comes from `originating`.
    public func dialbackKey(receiving: String, originating: String, streamID: String) -> String {
        Hex.encode(HMAC.authenticate(.sha256, key: key, "\(receiving) \(originating) \(streamID)".utf8))
    }

    /// Whether `key` is what ``dialbackKey(receiving:originating:streamID:)`` gives.
    func verifies(_ key: String, receiving: String, originating: String, streamID: String) -> Bool {
        let genuine = dialbackKey(receiving: receiving, originating: originating, streamID: streamID)
        return constantTimeEqual(Array(genuine.utf8), Array(key.utf8))
    }
}
