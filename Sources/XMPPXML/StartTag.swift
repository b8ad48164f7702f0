/// The start tag of an element whose bytes were checked before: where its attributes are and where its content begins.
///
/// For bytes that come from our own storage or that an `ElementTape` has accepted: it is quicker than a tape and checks next to nothing.
/// A stanza is then this header plus a range of content that is copied untouched. Hostile bytes give nil or nonsense, never a crash.
public struct StartTag: Sendable {
    /// The qualified name.
    public let name: Range<Int>
    /// The index after the tag's `>`.
    public let end: Int
    /// Whether the tag is the whole element.
    public let isSelfClosed: Bool

    /// One attribute or declaration: where its qualified name and its raw, still escaped, value stand.
    public struct RawAttribute: Hashable, Sendable {
        /// The qualified name.
        public let name: Range<Int>
        /// The value between the quotes.
        public let value: Range<Int>
    }

    /// A change to a start tag.
    public struct Edit: Sendable {
        /// The qualified name of the attribute.
        public let name: String
        /// The new value, already escaped; nil removes the attribute.
        public let escapedValue: [UInt8]?

        /// Sets an attribute to a value that is escaped here, or removes it.
        public init(_ name: String, _ value: String?) {
            self.name = name
            escapedValue = value.map {
                var escaped: [UInt8] = []
                XMLWriter.escapeAttribute($0, to: &escaped)
                return escaped
            }
        }

        /// Sets an attribute to a value that is escaped already, or removes it.
        public init(_ name: String, escaped value: [UInt8]?) {
            self.name = name
            escapedValue = value
        }
    }

    /// Scans the start tag at the beginning of `bytes`; nil if there is none.
    public init?(scanning bytes: [UInt8]) {
        let span = bytes.span
        guard span.count > 2, span[0] == UInt8(ascii: "<") else { return nil }
        var index = Self.skipName(span, from: 1)
        guard index > 1 else { return nil }
        name = 1..<index
        while let attribute = Self.nextAttribute(span, from: index) { index = attribute.value.upperBound + 1 }
        index = Self.skipWhitespace(span, from: index)
        guard index < span.count else { return nil }
        isSelfClosed = span[index] == UInt8(ascii: "/")
        if isSelfClosed { index += 1 }
        guard index < span.count, span[index] == UInt8(ascii: ">") else { return nil }
        end = index + 1
    }

    /// Calls `body` with every attribute and declaration in order.
    public func forEachAttribute(in bytes: [UInt8], _ body: (RawAttribute) -> Void) {
        let span = bytes.span
        var index = name.upperBound
        while let attribute = Self.nextAttribute(span, from: index) {
            body(attribute)
            index = attribute.value.upperBound + 1
        }
    }

    /// Where the raw value of the attribute with this qualified name stands; nil if it is absent.
    public func attribute(_ qualifiedName: String, in bytes: [UInt8]) -> Range<Int>? {
        let span = bytes.span
        var index = name.upperBound
        while let attribute = Self.nextAttribute(span, from: index) {
            if attribute.name.count == qualifiedName.utf8.count, span.matches(qualifiedName, at: attribute.name.lowerBound) {
                return attribute.value
            }
            index = attribute.value.upperBound + 1
        }
        return nil
    }

    /// Appends the whole element to `output` with the start tag changed and the content untouched.
    ///
    /// A default namespace declaration in the tag is dropped; `declaring` writes another. Attributes set are written after those kept.
    /// Only for elements that are forwardable (`ElementTape.isForwardable(contentNamespace:)`) if the namespace changes.
    public func splice(_ bytes: [UInt8], _ edits: [Edit], declaring namespace: String? = nil, into output: inout [UInt8]) {
        let span = bytes.span
        output.append(contentsOf: bytes[..<name.upperBound])
        if let namespace { XMLWriter.attribute("xmlns", namespace, to: &output) }
        // What lies between two dropped attributes is copied in one piece, white space included.
        var kept = name.upperBound
        var index = name.upperBound
        while let attribute = Self.nextAttribute(span, from: index) {
            let end = attribute.value.upperBound + 1
            if Self.isNamed("xmlns", attribute, span) || edits.contains(where: { Self.isNamed($0.name, attribute, span) }) {
                output.append(contentsOf: bytes[kept..<index])
                kept = end
            }
            index = end
        }
        output.append(contentsOf: bytes[kept..<index])
        for edit in edits {
            guard let value = edit.escapedValue else { continue }
            output.append(UInt8(ascii: " "))
            output.append(contentsOf: edit.name.utf8)
            output.append(contentsOf: "='".utf8)
            output.append(contentsOf: value)
            output.append(UInt8(ascii: "'"))
        }
        output.append(contentsOf: bytes[(isSelfClosed ? end - 2 : end - 1)...])
    }

    private static func isNamed(_ name: String, _ attribute: RawAttribute, _ bytes: Span<UInt8>) -> Bool {
        attribute.name.count == name.utf8.count && bytes.matches(name, at: attribute.name.lowerBound)
    }

    private static func nextAttribute(_ bytes: Span<UInt8>, from start: Int) -> RawAttribute? {
        let first = skipWhitespace(bytes, from: start)
        var index = skipName(bytes, from: first)
        guard index > first else { return nil }
        let name = first..<index
        index = skipWhitespace(bytes, from: index)
        guard index < bytes.count, bytes[index] == UInt8(ascii: "=") else { return nil }
        index = skipWhitespace(bytes, from: index + 1)
        guard index < bytes.count else { return nil }
        let quote = bytes[index]
        guard quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { return nil }
        index += 1
        let value = index
        index = bytes.firstIndex(of: quote, or: quote, from: index, to: bytes.count)
        guard index < bytes.count else { return nil }
        return RawAttribute(name: name, value: value..<index)
    }

    private static func skipName(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index < bytes.count {
            let byte = bytes[index]
            guard byte >= 0x80 || XMLCharacters.isName(byte) || byte == UInt8(ascii: ":") else { break }
            index += 1
        }
        return index
    }

    private static func skipWhitespace(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index < bytes.count, XMLCharacters.isWhitespace(bytes[index]) { index += 1 }
        return index
    }
}
