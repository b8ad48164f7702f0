import COpenSSL

/// A certificate and its key as PEM text, ready to be written to files. The key's file must be readable by its owner only.
public struct IssuedCertificate: Sendable, Equatable, CustomStringConvertible {
    /// The certificate.
    public let certificatePEM: String
    /// The private key (PKCS #8, no passphrase).
    public let keyPEM: String

    /// PEM text made elsewhere, or a certificate with the certificates of its authorities behind it.
    public init(certificatePEM: String, keyPEM: String) {
        self.certificatePEM = certificatePEM
        self.keyPEM = keyPEM
    }

    /// The certificate; the key is left out, so that it does not get into a log.
    public var description: String { certificatePEM }
}

/// When a certificate is valid, in seconds since 1970.
public struct CertificateValidity: Sendable, Equatable {
    /// Valid from.
    public var notBefore: Int64
    /// Valid until.
    public var notAfter: Int64

    /// Between two instants.
    public init(notBefore: Int64, notAfter: Int64) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    /// A number of days from `now` (nil: the time of the machine), and the hour before it, for peers whose clocks are slow.
    public static func days(_ days: Int, from now: Int64? = nil) -> CertificateValidity {
        let now = now ?? martlet_now()
        return CertificateValidity(notBefore: now - 3_600, notAfter: now + Int64(days) * 86_400)
    }
}

/// An authority of one's own, with a P-256 key: for a company's sites among themselves, for demonstrations and for tests.
public final class CertificateAuthority: @unchecked Sendable {
    // SAFETY: both are set once and only read afterwards; OpenSSL counts references to them atomically.
    private let certificate: OpaquePointer
    private let key: OpaquePointer
    /// The authority's certificate and key, to be stored.
    public let pem: IssuedCertificate

    /// A new authority with a self-signed certificate.
    public init(name: String, validity: CertificateValidity) throws(TLSError) {
        let made = try CertificateMaker.make(
            commonName: name, names: [], validity: validity, uses: MARTLET_USE_AUTHORITY, issuer: nil)
        certificate = made.certificate
        key = made.key
        pem = made.pem
    }

    /// An authority that was stored earlier.
    public init(certificatePEM: String, keyPEM: String) throws(TLSError) {
        let identity = try TLSIdentity(certificateChainPEM: [UInt8](certificatePEM.utf8), keyPEM: [UInt8](keyPEM.utf8))
        guard let certificate = martlet_chain_at(identity.chain, 0) else {
            throw TLSError(.certificate, "there is no certificate")
        }
        martlet_certificate_retain(certificate)
        martlet_key_retain(identity.key)
        self.certificate = certificate
        key = identity.key
        pem = IssuedCertificate(certificatePEM: certificatePEM, keyPEM: keyPEM)
    }

    deinit {
        martlet_certificate_free(certificate)
        martlet_key_free(key)
    }

    /// A certificate with a new key for `names`: DNS-IDs, A-labels, "*." allowed in front.
    ///
    /// `serviceNames` become SRV-IDs ("_xmpp-server.pilsen.example"), `xmppAddresses` id-on-xmppAddr names.
    /// COMPAT(ejabberd 23.01): an xmppAddr makes its incoming server connections crash, so leave them out.
    public func issue(
        names: [String], serviceNames: [String] = [], xmppAddresses: [String] = [], validity: CertificateValidity,
        usage: CertificateUsage = .serverAndClient
    ) throws(TLSError) -> IssuedCertificate {
        let made = try CertificateMaker.make(
            commonName: names.first,
            names: CertificateMaker.alternatives(dns: names, srv: serviceNames, xmpp: xmppAddresses),
            validity: validity, uses: usage.flags, issuer: (certificate, key))
        defer { made.free() }
        return made.pem
    }

    /// An authority below this one. What it issues is shown together with its own certificate.
    public func issueAuthority(name: String, validity: CertificateValidity) throws(TLSError) -> CertificateAuthority {
        let made = try CertificateMaker.make(
            commonName: name, names: [], validity: validity, uses: MARTLET_USE_AUTHORITY, issuer: (certificate, key))
        defer { made.free() }
        return try CertificateAuthority(certificatePEM: made.pem.certificatePEM, keyPEM: made.pem.keyPEM)
    }
}
