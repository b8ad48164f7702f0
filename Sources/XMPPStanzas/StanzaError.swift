import XMPPXML

/// A stanza error (RFC 6120 §8.3): a value that travels back to the sender, never thrown across the site.
public struct StanzaError: Hashable, Sendable, Error {
    /// RFC 6120 §8.3.3, spelled as on the wire.
    public enum Condition: String, Sendable, CaseIterable {
        case badRequest = "bad-request"
        case conflict
        case featureNotImplemented = "feature-not-implemented"
        case forbidden
        case gone
        case internalServerError = "internal-server-error"
        case itemNotFound = "item-not-found"
        case jidMalformed = "jid-malformed"
        case notAcceptable = "not-acceptable"
        case notAllowed = "not-allowed"
        case notAuthorized = "not-authorized"
        case policyViolation = "policy-violation"
        case recipientUnavailable = "recipient-unavailable"
        case redirect
        case registrationRequired = "registration-required"
        case remoteServerNotFound = "remote-server-not-found"
        case remoteServerTimeout = "remote-server-timeout"
        case resourceConstraint = "resource-constraint"
        case serviceUnavailable = "service-unavailable"
        case subscriptionRequired = "subscription-required"
        case undefinedCondition = "undefined-condition"
        case unexpectedRequest = "unexpected-request"

        /// The error type that RFC 6120 §8.3.3 recommends for the condition.
        public var recommendedKind: Kind {
            switch self {
            case .badRequest, .jidMalformed, .notAcceptable, .policyViolation, .redirect, .gone: .modify
            case .forbidden, .notAuthorized, .registrationRequired, .subscriptionRequired: .auth
            case .recipientUnavailable, .remoteServerTimeout, .resourceConstraint, .unexpectedRequest: .wait
            default: .cancel
            }
        }
    }

    /// RFC 6120 §8.3.2: what the sender may do about it.
    public enum Kind: String, Sendable {
        case auth, cancel, `continue`, modify, wait
    }

    /// The defined condition.
    public var condition: Condition
    /// What the sender may do about it.
    public var kind: Kind
    /// Words for a person; generic, since it leaves the site.
    public var text: String?
    /// A number of before RFC 3920 (XEP-0086), for who looks for it; nil for nearly all.
    public var code: Int?

    /// An error with the type that its condition recommends, unless another is given.
    public init(_ condition: Condition, _ kind: Kind? = nil, text: String? = nil) {
        self.condition = condition
        self.kind = kind ?? condition.recommendedKind
        self.text = text
    }

    /// The `<error/>` child (RFC 6120 §8.3.2); `by` names the entity that made it.
    public func element(by: String? = nil) -> Element {
        var error = Element("error", Namespaces.client, [("type", kind.rawValue)])
        if let code { error["code"] = "\(code)" }
        if let by { error["by"] = by }
        error.children.append(.element(Element(condition.rawValue, Namespaces.stanzaErrors)))
        if let text {
            error.children.append(.element(Element("text", Namespaces.stanzaErrors, text: text)))
        }
        return error
    }
}

extension StanzaError: CustomStringConvertible {
    /// One line for a person.
    public var description: String { text.map { "\(condition.rawValue): \($0)" } ?? condition.rawValue }
}
