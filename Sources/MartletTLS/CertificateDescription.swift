import COpenSSL

/// What is written in a certificate.
public struct CertificateDescription: Sendable, Equatable {
    /// The subject in one line (RFC 4514), at most 512 bytes.
    public let subject: String
    /// The issuer in one line.
    public let issuer: String
    /// The identities it names.
    public let names: CertificateNames
    /// Valid from, in seconds since 1970.
    public let notBefore: Int64
    /// Valid until, in seconds since 1970.
    public let notAfter: Int64
    /// Whether it has signed itself.
    public let isSelfSigned: Bool

    init(_ certificate: OpaquePointer) {
        subject = textFromC(capacity: 512) { martlet_certificate_subject(certificate, 0, $0, $1) }
        issuer = textFromC(capacity: 512) { martlet_certificate_subject(certificate, 1, $0, $1) }
        notBefore = martlet_certificate_not_before(certificate)
        notAfter = martlet_certificate_not_after(certificate)
        isSelfSigned = martlet_certificate_is_self_signed(certificate) == 1
        var names = CertificateNames()
        withUnsafeMutablePointer(to: &names) { pointer in
            martlet_certificate_names(certificate, pointer) { context, kind, bytes, length in
                let block = UnsafeBufferPointer(start: bytes, count: length)
                context?.assumingMemoryBound(to: CertificateNames.self).pointee.add(Int(kind), block)
            }
        }
        self.names = names
    }
}

extension CertificateNames {
    fileprivate mutating func add(_ kind: Int, _ bytes: UnsafeBufferPointer<UInt8>) {
        switch kind {
        case MARTLET_NAME_DNS where Self.isPlausible(bytes):
            dns.append(String(decoding: bytes, as: UTF8.self).lowercased())
        case MARTLET_NAME_SRV where Self.isPlausible(bytes):
            srv.append(String(decoding: bytes, as: UTF8.self).lowercased())
        case MARTLET_NAME_XMPP where !bytes.contains(0):
            if let name = String(validating: bytes, as: UTF8.self) { xmpp.append(name) }
        case MARTLET_NAME_COMMON where !bytes.contains(0):
            if let name = String(validating: bytes, as: UTF8.self) { common.append(name) }
        default:
            break
        }
    }
}
