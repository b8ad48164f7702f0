// XEP-0078: Non-SASL Authentication, version 2.5, complete for passwords under TLS; on streams without version
import MartletPrimitives
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Clients from before XMPP 1.0: a stream without version, a login that names the resource, and the same session behind it.
extension ClientNegotiation {
    /// Whether such a stream may be opened: nothing on it could tell a client to begin TLS, so that has to be there.
    func takesOldStreams(_ stream: XMLStream) -> Bool {
        guard stream.tls != nil || stream.configuration.allowsPlainWithoutTLS else { return false }
        return mechanisms(stream).contains(SASLMechanism.plain.rawValue)
    }

    /// An IQ in `jabber:iq:auth` before authentication.
    mutating func oldLoginReceived(_ stanza: Stanza, _ query: Element, _ stream: inout XMLStream) {
        // §5: not after SASL has failed.
        if failedAttempts > 0, profile != .old { return stream.fail(StreamError(.policyViolation)) }
        guard let domain, case .none = exchange, stanza.id != nil else { return stream.fail(StreamError(.notAuthorized)) }
        profile = .old
        oldLogin = Stanza(.iq, from: domain, to: nil, id: stanza.id, type: stanza.type)
        if stanza.iqType == .get {
            let fields = ["username", "password", "resource"].map { Element($0, Namespaces.oldLogin) }
            return answerOldLogin(with: Element("query", Namespaces.oldLogin, elements: fields), &stream)
        }
        func text(_ name: String) -> String { query.first(name, Namespaces.oldLogin)?.text ?? "" }
        guard !text("username").isEmpty, !text("password").isEmpty, !text("resource").isEmpty else {
            // §3.1: something is missing; a digest could only be checked by whoever keeps passwords.
            return refuseOldLogin(.notAcceptable, &stream)
        }
        var request = LoginRequest()
        request.resource = text("resource")
        self.request = request
        let message = "\u{0}\(text("username"))\u{0}\(text("password"))"
        do throws(SASLFailure) {
            try take(.auth(mechanism: SASLMechanism.plain.rawValue, initialResponse: Array(message.utf8)), &stream)
        } catch {
            fail(error, &stream)
        }
    }

    /// The client is let in, and bound.
    mutating func oldLoginSucceeded(_ identity: JID, _ stream: inout XMLStream) {
        stream.resume()
        account = identity.bare
        answerOldLogin(with: nil, &stream)
        forgetLogin(&stream)
        stream.authenticated()
    }

    /// §3.1: codes for those who know no conditions, and nothing of what was sent.
    mutating func oldLoginFailed(_ failure: SASLFailure, _ stream: inout XMLStream) {
        switch failure {
        case .temporaryAuthFailure: refuseOldLogin(.resourceConstraint, &stream)
        case .malformedRequest, .incorrectEncoding: refuseOldLogin(.notAcceptable, &stream)
        default: refuseOldLogin(.notAuthorized, &stream)
        }
    }

    private func answerOldLogin(with payload: Element?, _ stream: inout XMLStream) {
        guard let oldLogin else { ourFault("an answer to a login that nobody has wanted") }
        let reply = Stanza(
            .iq, from: oldLogin.from, to: nil, id: oldLogin.id, type: "result", payloads: payload.map { [$0] } ?? [])
        stream.write(reply.serialized())
    }

    private func refuseOldLogin(_ condition: StanzaError.Condition, _ stream: inout XMLStream) {
        guard let oldLogin else { ourFault("an answer to a login that nobody has wanted") }
        let (code, type) =
            switch condition {
            case .notAcceptable: ("406", "modify")
            case .resourceConstraint: ("500", "wait")
            default: ("401", "auth")
            }
        let error = Element(
            "error", Namespaces.client, [("code", code), ("type", type)],
            elements: [Element(condition.rawValue, Namespaces.stanzaErrors)])
        let reply = Stanza(.iq, from: oldLogin.from, to: nil, id: oldLogin.id, type: "error", payloads: [error])
        stream.write(reply.serialized())
    }
}
