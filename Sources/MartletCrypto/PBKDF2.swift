import MartletPrimitives
import COpenSSL

/// A key from a password, made expensive on purpose (RFC 8018 §5.2, with HMAC; `Hi()` of RFC 5802 §2.2).
///
/// It takes milliseconds: never call it on an event loop.
public enum PBKDF2 {
    /// The derived key of `length` bytes. `iterations` and `length` must be at least 1.
    public static func derive(
        _ algorithm: DigestAlgorithm, password: [UInt8], salt: [UInt8], iterations: Int, length: Int
    ) -> [UInt8] {
        require(iterations > 0 && length > 0, "PBKDF2 needs at least one iteration and one byte")
        guard let iterations = Int32(exactly: iterations) else {
            ourFault("PBKDF2 with \(iterations) iterations")
        }
        return [UInt8](unsafeUninitializedCapacity: length) { result, count in
            let done = martlet_pbkdf2(
                algorithm.number, password, password.count, salt, salt.count, iterations, result.baseAddress, length)
            require(done == 1, "OpenSSL could not derive a key")
            count = length
        }
    }
}
