import MartletCrypto
import XMPPAddress

/// The server's side of one PLAIN exchange (RFC 4616): a name and a password, checked against the SCRAM-SHA-256 keys.
struct PlainExchange: Sendable {
    /// Who wants in, prepared.
    let localpart: String
    /// The password, prepared (RFC 8265 §4), in UTF-8.
    let password: [UInt8]

    /// Reads the message: `[authzid] NUL authcid NUL passwd` (RFC 4616 §2).
    init(message: [UInt8], domain: JID) throws(SASLFailure) {
        let parts = message.split(separator: 0, omittingEmptySubsequences: false)
        guard parts.count == 3, let authzid = String(validating: parts[0], as: UTF8.self),
            let authcid = String(validating: parts[1], as: UTF8.self),
            let password = String(validating: parts[2], as: UTF8.self),
            let localpart = try? Localpart.prepare(authcid)
        else { throw .malformedRequest }
        if !authzid.isEmpty { try SASLFailure.check(authzid: authzid, localpart: localpart, domain: domain) }
        // No account can have a password that cannot be prepared.
        guard let prepared = try? OpaqueString.prepare(password) else { throw .notAuthorized }
        self.localpart = localpart
        self.password = Array(prepared.utf8)
    }

    /// Whether `keys`, derived from the password with the stored salt and iterations, are the stored ones.
    static func verify(_ keys: SCRAMKeys, _ credentials: StoredCredentials) -> Bool {
        constantTimeEqual(keys.storedKey, credentials.storedKey) && !credentials.isDecoy
    }
}

extension SASLFailure: Error {}

extension SASLFailure {
    /// RFC 6120 §6.3.8: who asks to act as somebody may only ask for himself, by his bare JID.
    static func check(authzid: String, localpart: String, domain: JID) throws(SASLFailure) {
        guard let asked = try? JID(authzid), asked.isBare, asked.localpart == localpart,
            asked.domainpart == domain.domainpart
        else { throw .invalidAuthzid }
    }
}
