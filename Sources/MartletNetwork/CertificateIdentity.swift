import MartletTLS
import XMPPAddress
import XMPPStreams

/// A peer's certificate as the stream engine asks about it.
struct CertificateIdentity: PeerIdentity {
    private let certificate: PeerCertificate

    init(_ certificate: PeerCertificate) {
        self.certificate = certificate
    }

    var isVerified: Bool { certificate.isVerified }

    var failure: String {
        switch certificate.verification {
        case .verified: ""
        case .failed(let words): words
        }
    }

    func matches(_ domain: String) -> Bool {
        guard let ascii = try? Domainpart.asciiForm(domain) else { return false }
        return certificate.matches(domain: ascii, unicodeName: domain)
    }
}
