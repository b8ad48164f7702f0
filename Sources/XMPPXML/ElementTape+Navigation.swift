extension ElementTape {
    /// The local name of an element.
    public func name(of index: Index = .root) -> String {
        let record = records[index.position]
        return String(decoding: bytes[record.localStart..<record.localStart + Int(record.localLength)], as: UTF8.self)
    }

    /// The namespace of an element; empty for none.
    public func namespace(of index: Index = .root) -> String {
        Self.namespace(records[index.position].namespace, records, context, bytes.span)
    }

    static func namespace(
        _ reference: Int32, _ records: [Record], _ context: NamespaceContext, _ bytes: Span<UInt8>
    ) -> String {
        switch reference {
        case 0...: records[Int(reference)].value(in: bytes)
        case NamespaceReference.none: ""
        case NamespaceReference.xml: XMLNamespace.xml
        case NamespaceReference.contextDefault: context.defaultNamespace
        default: context.prefixes[Int(NamespaceReference.contextPrefix - reference)].namespace
        }
    }

    /// Whether an element has this name and namespace. Compares in place.
    public func `is`(_ name: String, _ namespace: String, at index: Index = .root) -> Bool {
        let record = records[index.position]
        return record.localNameEquals(name, in: bytes.span) && namespaceEquals(record.namespace, namespace)
    }

    /// Whether an element is in this namespace, whatever its name. Compares in place.
    public func `is`(inNamespace namespace: String, at index: Index = .root) -> Bool {
        namespaceEquals(records[index.position].namespace, namespace)
    }

    private func namespaceEquals(_ reference: Int32, _ namespace: String) -> Bool {
        if reference >= 0 { return records[Int(reference)].valueEquals(namespace, in: bytes.span) }
        return Self.namespace(reference, records, context, bytes.span) == namespace
    }

    // MARK: Attributes

    private func attributeRecord(_ name: String, _ namespace: String, of index: Index) -> Record? {
        let first = index.position + 1
        for position in first..<first + Int(records[index.position].attributeCount) {
            let record = records[position]
            guard record.kind == .attribute, record.localNameEquals(name, in: bytes.span) else { continue }
            if record.prefixLength == 0 ? namespace.isEmpty : namespaceEquals(record.namespace, namespace) { return record }
        }
        return nil
    }

    /// The value of an attribute, references resolved; nil if it is absent.
    public func attribute(_ name: String, namespace: String = "", of index: Index = .root) -> String? {
        attributeRecord(name, namespace, of: index)?.value(in: bytes.span)
    }

    /// Whether an attribute is present with this value. Compares in place.
    public func attribute(_ name: String, namespace: String = "", of index: Index = .root, equals value: String) -> Bool {
        attributeRecord(name, namespace, of: index)?.valueEquals(value, in: bytes.span) ?? false
    }

    /// Where an attribute's value stands between its quotes, still escaped; nil if it is absent.
    public func rawAttribute(_ name: String, namespace: String = "", of index: Index = .root) -> Range<Int>? {
        attributeRecord(name, namespace, of: index)?.content
    }

    /// The attributes of the root that every stanza may have (RFC 6120 §8.1), found in one pass: five look-ups by name took a
    /// tenth of the parsing of a message.
    public func commonAttributes() -> CommonAttributes {
        var found = CommonAttributes()
        let span = bytes.span
        for position in 1..<1 + Int(records[0].attributeCount) {
            let record = records[position]
            guard record.kind == .attribute else { continue }
            let place = AttributePlace(position: position)
            if record.prefixLength > 0 {
                if record.localNameEquals("lang", in: span), namespaceEquals(record.namespace, XMLNamespace.xml) {
                    found.lang = place
                }
                continue
            }
            // Names this short are compared as numbers.
            switch (record.localLength, span.number(at: record.localStart, Int(record.localLength))) {
            case (2, 0x746F): found.to = place
            case (2, 0x6964): found.id = place
            case (4, 0x7479_7065): found.type = place
            case (4, 0x6672_6F6D): found.from = place
            default: break
            }
        }
        return found
    }

    /// The value of an attribute, references resolved.
    public func value(of place: AttributePlace) -> String { records[place.position].value(in: bytes.span) }

    /// The bytes of an attribute's value between its quotes, if they are the value: no reference, no white space but spaces.
    public func plainValue(of place: AttributePlace) -> ArraySlice<UInt8>? {
        let record = records[place.position]
        return record.isEncoded ? nil : bytes[record.content]
    }

    /// The attributes of an element, without namespace declarations.
    public func attributes(of index: Index = .root) -> [Attribute] {
        let first = index.position + 1
        var attributes: [Attribute] = []
        for record in records[first..<first + Int(records[index.position].attributeCount)] where record.kind == .attribute {
            let name = String(decoding: bytes[record.localStart..<record.localStart + Int(record.localLength)], as: UTF8.self)
            let namespace = record.prefixLength == 0 ? "" : Self.namespace(record.namespace, records, context, bytes.span)
            attributes.append(Attribute(name, namespace: namespace, record.value(in: bytes.span)))
        }
        return attributes
    }

    // MARK: Children

    /// The child elements in document order.
    public func children(of index: Index = .root) -> Children {
        let record = records[index.position]
        return Children(
            tape: self, position: index.position + 1 + Int(record.attributeCount), end: Int(record.next))
    }

    /// The text directly inside an element, concatenated, references resolved.
    public func text(of index: Index = .root) -> String {
        let record = records[index.position]
        var decoded: [UInt8] = []
        var position = index.position + 1 + Int(record.attributeCount)
        while position < Int(record.next) {
            let child = records[position]
            if child.kind == .element {
                position = Int(child.next)
            } else {
                appendValue(of: child, to: &decoded)
                position += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private func appendValue(of record: Record, to decoded: inout [UInt8]) {
        if record.isEncoded {
            XMLReference.decode(bytes.span, record.content, as: record.kind, into: &decoded)
        } else {
            decoded.append(contentsOf: bytes[record.content])
        }
    }

    // MARK: Ranges

    /// The bytes of an element, tags included.
    public func range(of index: Index = .root) -> Range<Int> {
        let record = records[index.position]
        return Int(record.nameStart) - 1..<Int(record.end)
    }

    /// The bytes between an element's tags; empty if it closes itself.
    public func contentRange(of index: Index = .root) -> Range<Int> {
        records[index.position].content
    }

    // MARK: Forwarding

    /// Whether the bytes between the root's tags mean the same under another start tag without prefix, in another content namespace.
    ///
    /// So it is if the root is in `contentNamespace` by default and declares nothing else, no prefix of the stream header is used, and
    /// everything in the content namespace got it by inheritance from the root. Otherwise build the `Element`, `translated(from:to:)` it
    /// and write it.
    public func isForwardable(contentNamespace: String) -> Bool {
        isMovable && namespaceEquals(records[0].namespace, contentNamespace)
    }

    // MARK: Trees

    /// The tree of an element.
    public func element(at index: Index = .root) -> Element {
        element(at: index, inherited: namespace(of: index), from: records[index.position].namespace)
    }

    /// `inherited` is the namespace that the reference `source` means: elements that share a declaration share one string.
    private func element(at index: Index, inherited: String, from source: Int32) -> Element {
        let record = records[index.position]
        let content = index.position + 1 + Int(record.attributeCount)
        let namespace = record.namespace == source ? inherited : namespace(of: index)
        var element = Element(name(of: index), namespace)
        element.attributes = attributes(of: index)
        var position = content
        while position < Int(record.next) {
            if records[position].kind == .element {
                let child = self.element(at: Index(position: position), inherited: namespace, from: record.namespace)
                element.children.append(.element(child))
                position = Int(records[position].next)
            } else {
                // Text and CDATA sections side by side are one text.
                var decoded: [UInt8] = []
                while position < Int(record.next), records[position].kind != .element {
                    appendValue(of: records[position], to: &decoded)
                    position += 1
                }
                if !decoded.isEmpty { element.children.append(.text(String(decoding: decoded, as: UTF8.self))) }
            }
        }
        return element
    }

    /// The child elements of one element: iterate to get their indices.
    public struct Children: Sequence, IteratorProtocol {
        let tape: ElementTape
        var position: Int
        let end: Int

        /// The next child element.
        public mutating func next() -> Index? {
            while position < end {
                let record = tape.records[position]
                guard record.kind == .element else {
                    position += 1
                    continue
                }
                defer { position = Int(record.next) }
                return Index(position: position)
            }
            return nil
        }
    }
}

extension Element {
    /// Parses `bytes`, which must be exactly one element, inside the given namespaces.
    public init(parsing bytes: [UInt8], within context: NamespaceContext, limits: XMLLimits = XMLLimits()) throws(XMLFailure) {
        self = try ElementTape(parsing: bytes, context: context, limits: limits).element()
    }

    /// Parses `bytes`, which must be exactly one element, where `defaultNamespace` is in force.
    public init(parsing bytes: [UInt8], defaultNamespace: String = "") throws(XMLFailure) {
        try self.init(parsing: bytes, within: NamespaceContext(defaultNamespace))
    }
}

/// Where on a tape an attribute stands.
public struct AttributePlace: Sendable {
    fileprivate let position: Int
}

/// The attributes that message, presence and IQ have in common (RFC 6120 §8.1), as far as they are there.
public struct CommonAttributes: Sendable {
    /// The addressee.
    public fileprivate(set) var to: AttributePlace?
    /// The sender.
    public fileprivate(set) var from: AttributePlace?
    /// The sender's identifier.
    public fileprivate(set) var id: AttributePlace?
    /// What kind of message, presence or IQ.
    public fileprivate(set) var type: AttributePlace?
    /// `xml:lang`.
    public fileprivate(set) var lang: AttributePlace?
}
