import COpenSSL

/// PEM text with certificates, for `martlet check` and the like.
public enum CertificateFile {
    /// What is written in the first certificate, which is the one that counts in a chain.
    public static func describe(pem: [UInt8]) throws(TLSError) -> CertificateDescription {
        let all = try describeAll(pem: pem)
        guard let first = all.first else { throw TLSError(.certificate, "there is no certificate") }
        return first
    }

    /// What is written in all certificates, in the order of the text.
    public static func describeAll(pem: [UInt8]) throws(TLSError) -> [CertificateDescription] {
        guard let chain = martlet_chain_parse(pem, pem.count) else {
            throw TLSError.queued(.certificate, "the certificate is unusable: ")
        }
        defer { martlet_chain_free(chain) }
        return (0..<martlet_chain_count(chain)).compactMap { martlet_chain_at(chain, $0) }.map { CertificateDescription($0) }
    }

    /// What the other side would say of a chain, checked against `trust` at `time` (seconds since 1970; nil: now).
    public static func verify(
        pem: [UInt8], trust: TrustStore, time: Int64? = nil
    ) throws(TLSError) -> PeerCertificate {
        guard let chain = martlet_chain_parse(pem, pem.count), let first = martlet_chain_at(chain, 0) else {
            throw TLSError.queued(.certificate, "the certificate is unusable: ")
        }
        defer { martlet_chain_free(chain) }
        let verification = PeerVerification.judge(first, others: chain, asClient: false, trust: trust, time: time)
        return PeerCertificate(first, verification: verification)
    }
}
