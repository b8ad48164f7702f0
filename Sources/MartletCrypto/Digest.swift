import MartletPrimitives
import COpenSSL

/// A digest algorithm that XMPP asks for: SHA-1 for entity capabilities and SCRAM-SHA-1, SHA-256 for the rest, SHA-512 for
/// stanza and file hashes (FIPS 180-4).
public enum DigestAlgorithm: Sendable, Equatable {
    /// SHA-1, broken for signatures, sound inside HMAC and PBKDF2.
    case sha1
    /// SHA-256.
    case sha256
    /// SHA-512.
    case sha512

    /// The length of the digest in bytes.
    public var length: Int {
        switch self {
        case .sha1: 20
        case .sha256: 32
        case .sha512: 64
        }
    }

    var number: Int32 {
        switch self {
        case .sha1: Int32(MARTLET_SHA1)
        case .sha256: Int32(MARTLET_SHA256)
        case .sha512: Int32(MARTLET_SHA512)
        }
    }
}

/// Digests of whole messages.
public enum Digest {
    /// The digest of `bytes`, for instance of an array, a slice or the `utf8` of a string.
    @inlinable
    public static func hash(_ algorithm: DigestAlgorithm, _ bytes: some Collection<UInt8>) -> [UInt8] {
        bytes.withContiguousBytes { hash(algorithm, raw: $0) }
    }

    /// The digest of a block of memory.
    public static func hash(_ algorithm: DigestAlgorithm, raw bytes: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: algorithm.length) { result, count in
            let done = martlet_digest(algorithm.number, bytes.baseAddress, bytes.count, result.baseAddress)
            require(done == 1, "OpenSSL could not compute a digest")
            count = algorithm.length
        }
    }
}

extension Collection<UInt8> {
    /// Calls `body` with the bytes as one block, copying them first when they do not lie together.
    @inlinable
    func withContiguousBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        if let result = withContiguousStorageIfAvailable({ body(UnsafeRawBufferPointer($0)) }) {
            return result
        }
        return Array(self).withUnsafeBytes(body)
    }
}
