import MartletPrimitives
import COpenSSL

/// Message authentication with a key and a digest (RFC 2104).
public enum HMAC {
    /// The authentication code of `message` under `key`, as long as the algorithm's digest.
    @inlinable
    public static func authenticate(
        _ algorithm: DigestAlgorithm, key: some Collection<UInt8>, _ message: some Collection<UInt8>
    ) -> [UInt8] {
        key.withContiguousBytes { key in
            message.withContiguousBytes { message in authenticate(algorithm, rawKey: key, raw: message) }
        }
    }

    /// The authentication code of a block of memory.
    public static func authenticate(
        _ algorithm: DigestAlgorithm, rawKey key: UnsafeRawBufferPointer, raw message: UnsafeRawBufferPointer
    ) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: algorithm.length) { result, count in
            let done = martlet_hmac(
                algorithm.number, key.baseAddress, key.count, message.baseAddress, message.count, result.baseAddress)
            require(done == 1, "OpenSSL could not compute an HMAC")
            count = algorithm.length
        }
    }
}
