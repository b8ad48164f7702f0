/// Why received XML is refused. The fault is always the sender's; the value says which stream error answers it (RFC 6120 §4.9.3).
public enum XMLFailure: Error, Hashable, Sendable {
    /// The bytes violate XML 1.0 or Namespaces in XML 1.0 (including a wrong UTF-8 sequence or a character XML forbids).
    case notWellFormed
    /// A comment, processing instruction, document type or entity reference that RFC 6120 §11.1 forbids.
    case restrictedXML
    /// A stanza or stream header is longer than `XMLLimits` allows.
    case oversized
    /// Elements are nested deeper than `XMLLimits.depth`.
    case tooDeep
    /// One element has more attributes than `XMLLimits.attributes`.
    case tooManyAttributes
    /// More namespace declarations are in scope at once than `XMLLimits.namespaces`.
    case tooManyNamespaces
    /// A name is longer than `XMLLimits.nameBytes`, or a namespace than `XMLLimits.namespaceBytes`.
    case nameTooLong
    /// A name that only the fifth edition of XML 1.0 allows, or a namespace that is no URI: well-formed to some of the parsers in the
    /// field, the end of the stream to others.
    case unusualName
    /// The XML declaration names an encoding other than UTF-8 (RFC 6120 §11.6).
    case unsupportedEncoding

    /// The stream error condition that answers this failure (RFC 6120 §4.9.3).
    public var streamErrorCondition: String {
        switch self {
        case .notWellFormed, .unusualName: "not-well-formed"
        case .restrictedXML: "restricted-xml"
        case .unsupportedEncoding: "unsupported-encoding"
        case .oversized, .tooDeep, .tooManyAttributes, .tooManyNamespaces, .nameTooLong: "policy-violation"
        }
    }
}

extension XMLFailure: CustomStringConvertible {
    /// One line for a person.
    public var description: String { "the XML is not acceptable: \(streamErrorCondition)" }
}
