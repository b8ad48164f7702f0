/// One complete element, checked and laid out flat: offsets into its bytes, no strings.
///
/// This is the hot path's view of a stanza: names, namespaces and attributes are compared in place, and an `Element` is built only for
/// the part a module needs. Parsing one proves the bytes well-formed (XML 1.0), namespace-well-formed (Namespaces in XML 1.0), UTF-8,
/// within `XMLLimits` and free of what RFC 6120 §11.1 forbids. It must accept nothing that libxml2 refuses or reads differently.
public struct ElementTape: Sendable {
    /// An element on the tape.
    public struct Index: Hashable, Sendable {
        var position: Int

        /// The element the tape was made of.
        public static let root = Index(position: 0)
    }

    /// One record of the tape: 32 bytes, in document order. An element is followed by its attributes and declarations, then by its
    /// content.
    struct Record {
        enum Kind: UInt8 {
            case element, attribute, defaultDeclaration, prefixDeclaration, text, cdata
        }

        var kind: Kind
        /// The value or text contains references or carriage returns (or, in attributes, tabs or line feeds) and must be decoded.
        var isEncoded = false
        /// Bytes of the prefix, without the colon; 0 for none.
        var prefixLength: UInt16 = 0
        /// Bytes of the local name. For a prefix declaration, of the prefix declared.
        var localLength: UInt16 = 0
        /// Of an element: how many attribute and declaration records follow it.
        var attributeCount: UInt16 = 0
        /// Where the qualified name starts.
        var nameStart: UInt32 = 0
        /// Of an element: between the tags. Of an attribute: between the quotes. Of text: all of it.
        var contentStart: UInt32 = 0
        var contentEnd: UInt32 = 0
        /// Of an element: after its last `>`.
        var end: UInt32 = 0
        /// Of an element: the tape position after its last descendant (while it is open: its parent's position). Of a declaration: the
        /// position of the first one in scope that declares the same namespace, so that namespaces are compared as numbers.
        var next: UInt32 = 0
        /// Which declaration gives the namespace: see `NamespaceReference`. Of a declaration: the previous one in scope, or -1.
        var namespace: Int32 = NamespaceReference.none
    }

    /// Meanings of `Record.namespace`; values from 0 are the tape position of the declaration.
    enum NamespaceReference {
        static let none: Int32 = -1
        static let xml: Int32 = -2
        static let contextDefault: Int32 = -3
        /// Minus the index in `NamespaceContext.prefixes`.
        static let contextPrefix: Int32 = -4
    }

    /// The element's bytes.
    public let bytes: [UInt8]
    /// The namespaces in force around it.
    public let context: NamespaceContext
    let records: [Record]
    /// Whether the inside can be moved under another start tag (`isForwardable(contentNamespace:)`), as far as parsing can tell.
    let isMovable: Bool

    /// Parses `bytes`, which must be exactly one element.
    public init(
        parsing bytes: [UInt8], context: NamespaceContext = NamespaceContext(), limits: XMLLimits = XMLLimits()
    ) throws(XMLFailure) {
        var parser = TapeParser(context: context, limits: limits)
        try parser.parse(bytes.span)
        self.bytes = bytes
        self.context = context
        records = parser.records
        isMovable = parser.isMovable
    }

    /// Parses the start tag of a stream's root alone: no content, no end tag.
    init(parsingHeader bytes: [UInt8], limits: XMLLimits) throws(XMLFailure) {
        let context = NamespaceContext()
        var parser = TapeParser(context: context, limits: limits)
        try parser.parseHeader(bytes.span)
        self.bytes = bytes
        self.context = context
        records = parser.records
        isMovable = false
    }
}
