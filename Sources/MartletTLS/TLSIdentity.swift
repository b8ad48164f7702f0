import COpenSSL

/// A certificate, the certificates that lead to its authority, and the private key: what this side shows of itself.
///
/// Immutable; a renewed certificate is a new identity in a new `TLSContext`.
public final class TLSIdentity: @unchecked Sendable {
    // SAFETY: both are set once and only read afterwards; OpenSSL counts references to them atomically.
    let chain: OpaquePointer
    let key: OpaquePointer

    /// An identity from PEM text: the certificate first, then its issuers in order; the key may not be under a passphrase.
    public init(certificateChainPEM: [UInt8], keyPEM: [UInt8]) throws(TLSError) {
        guard let chain = martlet_chain_parse(certificateChainPEM, certificateChainPEM.count) else {
            throw TLSError.queued(.certificate, "the certificate is unusable: ")
        }
        guard let key = martlet_key_parse(keyPEM, keyPEM.count) else {
            martlet_chain_free(chain)
            throw TLSError.queued(.key, "the private key is unusable: ")
        }
        guard martlet_key_matches(martlet_chain_at(chain, 0), key) == 1 else {
            let error = TLSError.queued(.key)
            martlet_chain_free(chain)
            martlet_key_free(key)
            throw error
        }
        self.chain = chain
        self.key = key
    }

    /// An identity from two PEM files.
    public convenience init(certificateFile: String, keyFile: String) throws(TLSError) {
        let chain = try PEMFile.read(certificateFile)
        let key = try PEMFile.read(keyFile)
        if let objection = PEMFile.objection(to: chain, .certificate) {
            throw TLSError(.certificate, "\(certificateFile) \(objection)")
        }
        if let objection = PEMFile.objection(to: key, .key) { throw TLSError(.key, "\(keyFile) \(objection)") }
        do {
            try self.init(certificateChainPEM: chain, keyPEM: key)
        } catch {
            throw TLSError(error.kind, "\(error.kind == .key ? keyFile : certificateFile): \(error.words)")
        }
    }

    deinit {
        martlet_chain_free(chain)
        martlet_key_free(key)
    }
}
