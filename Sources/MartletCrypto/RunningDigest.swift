import COpenSSL
import MartletPrimitives

/// The digest of what comes bit by bit, such as a file that is being sent. Used by one thread at a time.
public final class RunningDigest {
    private let state: UnsafeMutableRawPointer
    private let length: Int

    /// The digest of nothing so far.
    public init(_ algorithm: DigestAlgorithm) {
        guard let state = martlet_digest_begin(algorithm.number) else { ourFault("OpenSSL could not begin a digest") }
        self.state = state
        length = algorithm.length
    }

    deinit { martlet_digest_free(state) }

    /// The next bytes.
    public func take(_ bytes: UnsafeRawBufferPointer) {
        require(martlet_digest_take(state, bytes.baseAddress, bytes.count) == 1, "OpenSSL could not compute a digest")
    }

    /// The digest of everything; the last call.
    public func end() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: length) { result, count in
            require(martlet_digest_end(state, result.baseAddress) == 1, "OpenSSL could not compute a digest")
            count = length
        }
    }
}
