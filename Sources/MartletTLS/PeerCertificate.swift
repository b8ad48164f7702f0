import COpenSSL
import MartletCrypto

/// The certificate the other side has shown, read and judged.
public struct PeerCertificate: Sendable, Equatable {
    /// Whether it leads to a trusted authority, is valid now and may be used for TLS.
    public let verification: PeerVerification
    /// Subject, names and validity.
    public let description: CertificateDescription
    /// The whole certificate (DER), for TLSA records with selector 0.
    public let der: [UInt8]
    /// Its SubjectPublicKeyInfo (DER), for TLSA records with selector 1.
    public let publicKeyDER: [UInt8]

    init(_ certificate: OpaquePointer, verification: PeerVerification) {
        self.verification = verification
        description = CertificateDescription(certificate)
        der = Self.block(martlet_certificate_der, certificate)
        publicKeyDER = Self.block(martlet_certificate_public_key_der, certificate)
    }

    /// The pin: SHA-256 of the SubjectPublicKeyInfo, 32 bytes (as in RFC 7469 §2.4). It survives renewals that keep the key.
    public var publicKeyPin: [UInt8] { Digest.hash(.sha256, publicKeyDER) }

    /// Whether the chain is verified.
    public var isVerified: Bool { verification == .verified }

    /// Whether the certificate names `domain` as the identity of an XMPP server (RFC 6120 §13.7.1.2); see
    /// `CertificateNames.matches`. Verification is not part of it.
    public func matches(domain asciiName: String, unicodeName: String? = nil) -> Bool {
        description.names.matches(domain: asciiName, unicodeName: unicodeName)
    }

    /// Why the certificate does not prove that its holder is `domain`, for the operator; nil when it does.
    public func objection(domain asciiName: String, unicodeName: String? = nil) -> String? {
        var words: [String] = []
        if case .failed(let reasons) = verification { words.append(reasons) }
        if !matches(domain: asciiName, unicodeName: unicodeName) {
            words.append("certificate is for \(description.names.summary), not \(asciiName)")
        }
        return words.isEmpty ? nil : words.joined(separator: "; ")
    }

    private static func block(
        _ make: (OpaquePointer?, UnsafeMutablePointer<Int>?) -> UnsafeMutablePointer<UInt8>?, _ certificate: OpaquePointer
    ) -> [UInt8] {
        var length = 0
        guard let bytes = make(certificate, &length) else { return [] }
        defer { martlet_release(bytes) }
        return [UInt8](UnsafeBufferPointer(start: bytes, count: length))
    }
}
