import COpenSSL

/// Signatures over files with a site's own key: who carries a file from one office to another need not be trusted.
public enum FileSignature {
    /// The signature of `identity` over `bytes`: over their SHA-256, except with keys that have a hash of their own.
    public static func sign(_ bytes: [UInt8], by identity: TLSIdentity) throws(TLSError) -> [UInt8] {
        var length = 0
        guard let block = martlet_sign(identity.key, bytes, bytes.count, &length) else {
            throw TLSError.queued(.key, "the key cannot sign: ")
        }
        defer { martlet_release(block) }
        return [UInt8](UnsafeBufferPointer(start: block, count: length))
    }

    /// Whether the first certificate of `pem` made `signature` over `bytes`. What the certificate is worth is another
    /// question: ``CertificateFile/verify(pem:trust:time:)``.
    public static func isValid(
        _ signature: [UInt8], over bytes: [UInt8], certificatePEM pem: [UInt8]
    ) throws(TLSError) -> Bool {
        guard let chain = martlet_chain_parse(pem, pem.count), let first = martlet_chain_at(chain, 0) else {
            throw TLSError.queued(.certificate, "the certificate is unusable: ")
        }
        defer { martlet_chain_free(chain) }
        return martlet_verify_signature(first, bytes, bytes.count, signature, signature.count) == 1
    }
}
