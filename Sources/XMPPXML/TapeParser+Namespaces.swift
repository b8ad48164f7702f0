/// Declarations and what prefixes mean (Namespaces in XML 1.0).
extension TapeParser {
    /// Makes a record a declaration if its name says so, and checks it (Namespaces in XML 1.0 §3).
    func classifyDeclaration(_ record: inout Record, _ bytes: Span<UInt8>) throws(XMLFailure) {
        let name = Int(record.nameStart)
        if record.prefixLength == 0 {
            guard record.localLength == 5, bytes.matches("xmlns", at: name) else { return }
            record.kind = .defaultDeclaration
            if record.valueEquals(XMLNamespace.xml, in: bytes) || record.valueEquals(XMLNamespace.xmlns, in: bytes) {
                throw .notWellFormed
            }
        } else if record.prefixLength == 5, bytes.matches("xmlns", at: name) {
            record.kind = .prefixDeclaration
            let isXMLPrefix = record.localLength == 3 && bytes.matches("xml", at: name + 6)
            let isXMLNSPrefix = record.localLength == 5 && bytes.matches("xmlns", at: name + 6)
            guard !isXMLNSPrefix,
                isXMLPrefix == record.valueEquals(XMLNamespace.xml, in: bytes),
                !record.valueEquals(XMLNamespace.xmlns, in: bytes),
                record.contentStart < record.contentEnd
            else { throw .notWellFormed }
        }
    }

    /// The position of the first declaration in scope of the namespace that `record`, about to be appended, declares.
    ///
    /// Found once here, because attributes are compared pairwise: doing it there would let a stanza of 256 KiB cost a quarter of a second.
    func firstDeclaration(of record: Record, _ bytes: Span<UInt8>) -> UInt32 {
        // Decoded once, for the same reason.
        let decoded = record.isEncoded ? record.decodedValue(in: bytes) : nil
        var declaration = scope
        while declaration >= 0 {
            let candidate = records[Int(declaration)]
            if candidate.hasSameValue(as: record, decoded, in: bytes) { return candidate.next }
            declaration = candidate.namespace
        }
        return UInt32(records.count)
    }

    mutating func resolveNamespaces(_ bytes: Span<UInt8>, of element: Int) throws(XMLFailure) {
        let record = records[element]
        let reference = try resolve(record, bytes)
        records[element].namespace = reference
        noteMovability(of: element, reference, bytes)
        for attribute in element + 1..<records.count where records[attribute].kind == .attribute {
            let record = records[attribute]
            guard record.prefixLength > 0 else { continue }
            records[attribute].namespace = try resolve(record, bytes)
            // No two attributes may have the same expanded name (Namespaces in XML 1.0 §6.3).
            for earlier in element + 1..<attribute
            where records[earlier].kind == .attribute && records[earlier].prefixLength > 0 {
                if records[earlier].hasSameLocalName(as: record, in: bytes),
                    sameNamespace(records[earlier].namespace, records[attribute].namespace, bytes)
                {
                    throw .notWellFormed
                }
            }
        }
    }

    private mutating func resolve(_ record: Record, _ bytes: Span<UInt8>) throws(XMLFailure) -> Int32 {
        if record.prefixLength == 0 {
            var declaration = scope
            while declaration >= 0 {
                if records[Int(declaration)].kind == .defaultDeclaration {
                    let isEmpty = records[Int(declaration)].contentStart == records[Int(declaration)].contentEnd
                    return isEmpty ? NamespaceReference.none : declaration
                }
                declaration = records[Int(declaration)].namespace
            }
            return NamespaceReference.contextDefault
        }
        let name = Int(record.nameStart)
        let length = Int(record.prefixLength)
        if length == 3, bytes.matches("xml", at: name) { return NamespaceReference.xml }
        var declaration = scope
        while declaration >= 0 {
            let candidate = records[Int(declaration)]
            if candidate.kind == .prefixDeclaration, Int(candidate.localLength) == length,
                bytes.equals(name, Int(candidate.nameStart) + 6, length)
            {
                return declaration
            }
            declaration = candidate.namespace
        }
        isMovable = false
        for (index, binding) in context.prefixes.enumerated()
        where binding.prefix.utf8.count == length && bytes.matches(binding.prefix, at: name) {
            return NamespaceReference.contextPrefix - Int32(index)
        }
        throw .notWellFormed
    }

    /// See `ElementTape.isForwardable(contentNamespace:)`.
    private mutating func noteMovability(of element: Int, _ reference: Int32, _ bytes: Span<UInt8>) {
        guard isMovable else { return }
        if element == 0 {
            let declaresPrefix = records.dropFirst().contains { $0.kind == .prefixDeclaration }
            isMovable = records[0].prefixLength == 0 && !declaresPrefix
            return
        }
        let root = records[0].namespace
        let declaresDefault = reference > element
        let parent = records[Int(records[element].next)].namespace
        if declaresDefault {
            // Says the same again under a parent that inherits the root's: it would keep the old namespace.
            if parent == root, sameNamespace(reference, root, bytes) { isMovable = false }
        } else if reference == root, parent != root {
            // Inherits the root's namespace across a prefixed element of another one.
            isMovable = false
        }
    }

    private func sameNamespace(_ one: Int32, _ other: Int32, _ bytes: Span<UInt8>) -> Bool {
        if one == other { return true }
        if one < 0 { return other < 0 ? wellKnown(one) == wellKnown(other) : sameNamespace(other, one, bytes) }
        let declaration = records[Int(one)]
        if other < 0 { return declaration.valueEquals(wellKnown(other), in: bytes) }
        return declaration.next == records[Int(other)].next
    }

    /// The namespace of a reference that is not to the tape.
    private func wellKnown(_ reference: Int32) -> String {
        switch reference {
        case NamespaceReference.none: ""
        case NamespaceReference.xml: XMLNamespace.xml
        case NamespaceReference.contextDefault: context.defaultNamespace
        default: context.prefixes[Int(NamespaceReference.contextPrefix - reference)].namespace
        }
    }
}
