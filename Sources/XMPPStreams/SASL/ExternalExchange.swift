// XEP-0178: Best Practices for Use of SASL EXTERNAL with Certificates, version 1.2, servers only

import MartletCrypto
import XMPPAddress

/// The receiving side of SASL EXTERNAL between servers (RFC 4422 appendix A, RFC 6120 §13.7.2, XEP-0178 §3).
///
/// It exists only where it was offered: after the peer's certificate was found to prove `domain`. So all that is left to
/// check is that the peer does not ask for another name.
struct ExternalExchange: Sendable, Equatable {
    /// The proven domain: the `from` of the peer's stream header.
    let domain: JID

    /// Checks the authorization identity: none, or the domain itself.
    func check(authzid: [UInt8]) throws(SASLFailure) {
        if authzid.isEmpty { return }
        guard let text = String(validating: authzid, as: UTF8.self), (try? JID(text)) == domain else {
            throw .invalidAuthzid
        }
    }
}
