import XMPPXML

/// A stream error (RFC 6120 §4.9): unrecoverable, it ends the stream.
public struct StreamError: Hashable, Sendable, Error {
    /// RFC 6120 §4.9.3, spelled as on the wire.
    public enum Condition: String, Sendable, CaseIterable {
        case badFormat = "bad-format"
        case badNamespacePrefix = "bad-namespace-prefix"
        case conflict
        case connectionTimeout = "connection-timeout"
        case hostGone = "host-gone"
        case hostUnknown = "host-unknown"
        case improperAddressing = "improper-addressing"
        case internalServerError = "internal-server-error"
        case invalidFrom = "invalid-from"
        case invalidNamespace = "invalid-namespace"
        case invalidXML = "invalid-xml"
        case notAuthorized = "not-authorized"
        case notWellFormed = "not-well-formed"
        case policyViolation = "policy-violation"
        case remoteConnectionFailed = "remote-connection-failed"
        case reset
        case resourceConstraint = "resource-constraint"
        case restrictedXML = "restricted-xml"
        case seeOtherHost = "see-other-host"
        case systemShutdown = "system-shutdown"
        case undefinedCondition = "undefined-condition"
        case unsupportedEncoding = "unsupported-encoding"
        case unsupportedStanzaType = "unsupported-stanza-type"
        case unsupportedVersion = "unsupported-version"
    }

    /// The defined condition.
    public var condition: Condition
    /// Words for a person; generic, since it leaves the site.
    public var text: String?
    /// The address of a `see-other-host` error (RFC 6120 §4.9.3.19): `host`, `host:port` or `[IPv6]:port`.
    public var otherHost: String?

    /// An error of that condition.
    public init(_ condition: Condition, text: String? = nil, otherHost: String? = nil) {
        self.condition = condition
        self.text = text
        self.otherHost = otherHost
    }

    /// The bytes `<stream:error>…</stream:error>`; the prefix `stream` is declared by every stream header we send.
    public var serialized: [UInt8] {
        var bytes = Array("<stream:error><".utf8)
        bytes += condition.rawValue.utf8
        bytes += " xmlns='\(Namespaces.streamErrors)'".utf8
        if let otherHost {
            bytes += ">".utf8
            XMLWriter.escapeText(otherHost, to: &bytes)
            bytes += "</\(condition.rawValue)>".utf8
        } else {
            bytes += "/>".utf8
        }
        if let text {
            bytes += "<text xmlns='\(Namespaces.streamErrors)' xml:lang='en'>".utf8
            XMLWriter.escapeText(text, to: &bytes)
            bytes += "</text>".utf8
        }
        bytes += "</stream:error>".utf8
        return bytes
    }
}

extension StreamError: CustomStringConvertible {
    /// One line for a person.
    public var description: String { text.map { "\(condition.rawValue): \($0)" } ?? condition.rawValue }
}
