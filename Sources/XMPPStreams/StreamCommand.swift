import XMPPStanzas

/// What the site tells a connection's stream to do.
public enum StreamCommand: Sendable, Equatable {
    /// Writes these bytes: whole stanzas or nonzas, serialised for the stream's content namespace.
    case send([UInt8])
    /// Names the place behind what was sent before, for ``ClientStreamEvent/arrived(_:)``; the last one counts.
    case mark(UInt64)
    /// Reads no more for so many milliseconds: whoever speaks here has caused more work than its share. What was read is kept, and
    /// nothing is lost; TCP slows the other side down.
    case rest(Int64)
    /// Closes in good order after what was sent before; with an error, says it first.
    indirect case close(StreamError?)
    /// Ends the connection without a word and throws away what it has not carried yet, also in the kernel: the line is dead,
    /// and what was written must not arrive when it returns.
    case abort
    /// The answer to `credentialsWanted`.
    indirect case credentials(StoredCredentials)
    /// The answer to `credentialsWanted` where too many attempts failed or too much waits: temporary-auth-failure.
    case refuseCredentials
    /// The answer to `authenticated` and `componentShown`: success is sent now.
    case admit
    /// The answer to `authenticated` where more was wanted than to be let in, and to `tokenShown`: success is sent now, with that.
    indirect case welcome(Welcome)
    /// The answer to `authenticated` or `tokenShown`: a SASL failure is sent; to `componentShown`: the stream ends with `not-authorized`.
    case refuse(SASLFailure)
    /// The answer to `registrationRequested` was sent before: the stream goes on.
    case registrationHandled
    /// The site is still at what this stream brought: nothing more of it is read before ``goOn``.
    case hold
    /// What was held goes on.
    case goOn
    /// The answer to `dialbackKeyReceived`.
    indirect case dialbackVerdict(DomainPair, DialbackVerdict)
}

/// SASL failure conditions (RFC 6120 §6.5).
public enum SASLFailure: String, Sendable {
    case aborted
    case accountDisabled = "account-disabled"
    case credentialsExpired = "credentials-expired"
    case encryptionRequired = "encryption-required"
    case incorrectEncoding = "incorrect-encoding"
    case invalidAuthzid = "invalid-authzid"
    case invalidMechanism = "invalid-mechanism"
    case malformedRequest = "malformed-request"
    case mechanismTooWeak = "mechanism-too-weak"
    case notAuthorized = "not-authorized"
    case temporaryAuthFailure = "temporary-auth-failure"
}
