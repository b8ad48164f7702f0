import MartletCrypto
import XMPPAddress

/// The server's side of one PLAIN exchange (RFC 4616): a name and a password, checked against the SCRAM-SHA-256 keys.
struct PlainExchange: Sendable {
    /// Who wants in, prepared.
    let localpart: String
    /// The password as it is compared now, in UTF-8: prepared as SCRAM wants it (RFC 4616 §2, RFC 4013).
    private(set) var password: [UInt8]
    /// The same prepared with OpaqueString (RFC 8265 §4), where that is another text: keys of earlier versions are of this form.
    private var oldForm: [UInt8]?
    /// What the account's keys are to be made of, where those that fit are of the old form.
    private(set) var newPassword: [UInt8]?

    /// Reads the message: `[authzid] NUL authcid NUL passwd` (RFC 4616 §2).
    init(message: [UInt8], domain: JID) throws(SASLFailure) {
        let parts = message.split(separator: 0, omittingEmptySubsequences: false)
        guard parts.count == 3, let authzid = String(validating: parts[0], as: UTF8.self),
            let authcid = String(validating: parts[1], as: UTF8.self),
            let password = String(validating: parts[2], as: UTF8.self),
            let localpart = try? Localpart.prepare(authcid)
        else { throw .malformedRequest }
        if !authzid.isEmpty { try SASLFailure.check(authzid: authzid, localpart: localpart, domain: domain) }
        let prepared = (try? SASLprep.prepare(password)).map { Array($0.utf8) }
        let old = (try? OpaqueString.prepare(password)).map { Array($0.utf8) }
        // No account can have a password that cannot be prepared.
        guard let first = prepared ?? old else { throw .notAuthorized }
        self.localpart = localpart
        self.password = first
        oldForm = old == first ? nil : old
    }

    /// The keys of the password did not fit; false where it has no other form.
    mutating func triesOldForm() -> Bool {
        guard let old = oldForm else { return false }
        newPassword = password
        password = old
        oldForm = nil
        return true
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
