/// The start tag of a stream's root element (RFC 6120 §4.7), and the namespaces it puts in force for everything inside.
public struct StreamHeader: Hashable, Sendable {
    /// The local name of the root; `stream` if all is well.
    public var name: String
    /// The prefix of the root; empty for none.
    public var prefix: String
    /// The namespace of the root.
    public var namespace: String
    /// The namespaces in force for the stream's children: the content namespace by default, and the prefixes declared.
    public var context: NamespaceContext
    /// The attributes, without namespace declarations.
    public var attributes: [Attribute]

    /// The default namespace for the children: `jabber:client` or `jabber:server` if all is well.
    public var defaultNamespace: String { context.defaultNamespace }
    /// Who opens the stream (RFC 6120 §4.7.1).
    public var from: String? { self["from"] }
    /// Whom the stream is opened to (RFC 6120 §4.7.2).
    public var to: String? { self["to"] }
    /// The stream's identifier (RFC 6120 §4.7.3).
    public var id: String? { self["id"] }
    /// The protocol's version; nil before XMPP 1.0 (RFC 6120 §4.7.5).
    public var version: String? { self["version"] }
    /// The default language of the stream's text (RFC 6120 §4.7.4).
    public var lang: String? { attributes.first { $0.name == "lang" && $0.namespace == XMLNamespace.xml }?.value }

    /// The value of an attribute without namespace.
    public subscript(_ attribute: String) -> String? {
        attributes.first { $0.name == attribute && $0.namespace.isEmpty }?.value
    }

    /// Parses the bytes of the start tag alone, from `<` to `>`.
    init(parsing bytes: [UInt8], limits: XMLLimits) throws(XMLFailure) {
        let tape = try ElementTape(parsingHeader: bytes, limits: limits)
        let root = tape.records[0]
        name = tape.name()
        prefix = String(decoding: bytes[1..<1 + Int(root.prefixLength)], as: UTF8.self)
        namespace = tape.namespace()
        attributes = tape.attributes()
        context = NamespaceContext()
        for record in tape.records {
            switch record.kind {
            case .defaultDeclaration:
                context.defaultNamespace = record.value(in: bytes.span)
            case .prefixDeclaration:
                let prefix = String(
                    decoding: bytes[record.localStart..<record.localStart + Int(record.localLength)], as: UTF8.self)
                // `xml` may be declared, but is always bound.
                if prefix != "xml" { context.prefixes.append(.init(prefix: prefix, namespace: record.value(in: bytes.span))) }
            default: break
            }
        }
    }
}
