/// The parser behind `ElementTape`: one pass, every check, no allocation but the tape itself.
///
/// The bytes are a parameter everywhere instead of a property, because a `Span` cannot be stored.
struct TapeParser {
    typealias Record = ElementTape.Record
    typealias NamespaceReference = ElementTape.NamespaceReference

    private(set) var records: [Record] = []
    private(set) var isMovable = true
    private let context: NamespaceContext
    private let limits: XMLLimits
    private var position = 0
    /// The innermost open element, or -1. Its parent stands in its `next`.
    private var open = -1
    private var depth = 0
    /// The declaration that came last and is in scope, or -1; each knows the one before it.
    private var scope: Int32 = -1
    private var declarationsInScope = 0

    init(context: NamespaceContext, limits: XMLLimits) {
        self.context = context
        self.limits = limits
    }

    mutating func parse(_ bytes: Span<UInt8>) throws(XMLFailure) {
        guard bytes.count <= min(limits.stanzaBytes, Int(Int32.max)) else { throw .oversized }
        records.reserveCapacity(8 + bytes.count / 32)
        guard bytes.count >= 4, bytes[0] == UInt8(ascii: "<") else { throw .notWellFormed }
        try parseStartTag(bytes)
        while open >= 0 { try parseContent(bytes) }
        guard position == bytes.count else { throw .notWellFormed }
    }

    /// Parses a start tag and nothing more.
    mutating func parseHeader(_ bytes: Span<UInt8>) throws(XMLFailure) {
        guard bytes.count <= limits.streamHeaderBytes else { throw .oversized }
        guard bytes.count >= 3, bytes[0] == UInt8(ascii: "<") else { throw .notWellFormed }
        try parseStartTag(bytes)
        guard open == 0, position == bytes.count else { throw .notWellFormed }
    }

    // MARK: Content

    private mutating func parseContent(_ bytes: Span<UInt8>) throws(XMLFailure) {
        if position < bytes.count, bytes[position] != UInt8(ascii: "<") { try parseText(bytes) }
        guard position + 1 < bytes.count else { throw .notWellFormed }
        switch bytes[position + 1] {
        case UInt8(ascii: "/"): try parseEndTag(bytes)
        case UInt8(ascii: "!"): try parseCDATA(bytes)
        case UInt8(ascii: "?"): throw .restrictedXML
        default: try parseStartTag(bytes)
        }
    }

    private mutating func parseText(_ bytes: Span<UInt8>) throws(XMLFailure) {
        var index = position
        var isEncoded = false
        scan: while true {
            index = bytes.endOfPlainText(from: index, stop: UInt8(ascii: "]"))
            guard index < bytes.count else { break }
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "<"):
                break scan
            case UInt8(ascii: "&"):
                index = try skipReference(bytes, at: index)
                isEncoded = true
            case UInt8(ascii: "]"):
                if index + 2 < bytes.count, bytes[index + 1] == UInt8(ascii: "]"), bytes[index + 2] == UInt8(ascii: ">") {
                    throw .notWellFormed
                }
                index += 1
            case 0x0D:
                isEncoded = true
                index += 1
            case 0x80...:
                guard let character = XMLCharacters.decode(bytes, at: index) else { throw .notWellFormed }
                index += character.length
            case 0x00..<0x20 where byte != 0x09 && byte != 0x0A:
                throw .notWellFormed
            default:
                index += 1
            }
        }
        appendText(.text, from: position, to: index, isEncoded: isEncoded)
        position = index
    }

    private mutating func parseCDATA(_ bytes: Span<UInt8>) throws(XMLFailure) {
        let opening = "<![CDATA["
        guard position + 2 < bytes.count, bytes[position + 2] == UInt8(ascii: "[") else { throw .restrictedXML }
        guard bytes.matches(opening, at: position) else { throw .notWellFormed }
        let start = position + opening.utf8.count
        var index = start
        var isEncoded = false
        while true {
            index = bytes.endOfPlainText(from: index, stop: UInt8(ascii: "]"))
            guard index < bytes.count else { throw .notWellFormed }
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "]"):
                if index + 2 < bytes.count, bytes[index + 1] == UInt8(ascii: "]"), bytes[index + 2] == UInt8(ascii: ">") {
                    appendText(.cdata, from: start, to: index, isEncoded: isEncoded)
                    position = index + 3
                    return
                }
                index += 1
            case 0x0D:
                isEncoded = true
                index += 1
            case 0x80...:
                guard let character = XMLCharacters.decode(bytes, at: index) else { throw .notWellFormed }
                index += character.length
            case 0x00..<0x20 where byte != 0x09 && byte != 0x0A:
                throw .notWellFormed
            default:
                index += 1
            }
        }
    }

    private mutating func appendText(_ kind: Record.Kind, from start: Int, to end: Int, isEncoded: Bool) {
        records.append(
            Record(kind: kind, isEncoded: isEncoded, contentStart: UInt32(start), contentEnd: UInt32(end), end: UInt32(end)))
    }

    // MARK: Tags

    private mutating func parseEndTag(_ bytes: Span<UInt8>) throws(XMLFailure) {
        let tag = position
        let record = records[open]
        let length = record.qualifiedLength
        var index = tag + 2
        guard index + length < bytes.count else { throw .notWellFormed }
        guard bytes.equals(index, Int(record.nameStart), length) else { throw .notWellFormed }
        index = skipWhitespace(bytes, from: index + length)
        guard index < bytes.count, bytes[index] == UInt8(ascii: ">") else { throw .notWellFormed }
        position = index + 1
        close(contentEnd: tag)
    }

    private mutating func close(contentEnd: Int) {
        let element = open
        while scope > element {
            scope = records[Int(scope)].namespace
            declarationsInScope -= 1
        }
        // The root's parent is stored as itself.
        let parent = Int(records[element].next)
        open = element == 0 ? -1 : parent
        records[element].contentEnd = UInt32(contentEnd)
        records[element].end = UInt32(position)
        records[element].next = UInt32(records.count)
        depth -= 1
    }

    private mutating func parseStartTag(_ bytes: Span<UInt8>) throws(XMLFailure) {
        depth += 1
        guard depth <= limits.depth else { throw .tooDeep }
        let element = records.count
        var index = position + 1
        var record = Record(kind: .element)
        try parseName(bytes, at: &index, into: &record)
        record.next = UInt32(max(open, 0))
        records.append(record)
        var attributes = 0
        while true {
            let gap = index
            index = skipWhitespace(bytes, from: index)
            guard index < bytes.count else { throw .notWellFormed }
            let byte = bytes[index]
            if byte == UInt8(ascii: ">") || byte == UInt8(ascii: "/") { break }
            guard index > gap else { throw .notWellFormed }
            attributes += 1
            guard attributes <= min(limits.attributes, Int(UInt16.max)) else { throw .tooManyAttributes }
            try parseAttribute(bytes, at: &index, of: element)
        }
        records[element].attributeCount = UInt16(attributes)
        try resolveNamespaces(bytes, of: element)
        open = element
        if bytes[index] == UInt8(ascii: ">") {
            position = index + 1
            records[element].contentStart = UInt32(position)
        } else {
            guard index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: ">") else { throw .notWellFormed }
            position = index + 2
            records[element].contentStart = UInt32(position)
            close(contentEnd: position)
        }
    }

    /// Parses a qualified name (Namespaces in XML 1.0 §4).
    private func parseName(_ bytes: Span<UInt8>, at index: inout Int, into record: inout Record) throws(XMLFailure) {
        let start = index
        try skipNCName(bytes, at: &index)
        var localStart = start
        if index < bytes.count, bytes[index] == UInt8(ascii: ":") {
            record.prefixLength = UInt16(index - start)
            index += 1
            localStart = index
            try skipNCName(bytes, at: &index)
        }
        record.nameStart = UInt32(start)
        record.localLength = UInt16(index - localStart)
    }

    private func skipNCName(_ bytes: Span<UInt8>, at index: inout Int) throws(XMLFailure) {
        let start = index
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x80 {
                guard XMLCharacters.isName(byte) else { break }
                if index == start, !XMLCharacters.isNameStart(byte) { throw .notWellFormed }
                index += 1
            } else {
                guard let character = XMLCharacters.decode(bytes, at: index) else { throw .notWellFormed }
                let isAllowed =
                    index == start
                    ? XMLCharacters.isNameStart(scalar: character.scalar) : XMLCharacters.isName(scalar: character.scalar)
                guard isAllowed else { throw .notWellFormed }
                index += character.length
            }
        }
        guard index > start else { throw .notWellFormed }
        guard index - start <= min(limits.nameBytes, Int(UInt16.max)) else { throw .nameTooLong }
    }

    private mutating func parseAttribute(_ bytes: Span<UInt8>, at index: inout Int, of element: Int) throws(XMLFailure) {
        var record = Record(kind: .attribute)
        try parseName(bytes, at: &index, into: &record)
        index = skipWhitespace(bytes, from: index)
        guard index < bytes.count, bytes[index] == UInt8(ascii: "=") else { throw .notWellFormed }
        index = skipWhitespace(bytes, from: index + 1)
        guard index < bytes.count else { throw .notWellFormed }
        let quote = bytes[index]
        guard quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { throw .notWellFormed }
        index += 1
        record.contentStart = UInt32(index)
        try skipAttributeValue(bytes, at: &index, quote: quote, isEncoded: &record.isEncoded)
        record.contentEnd = UInt32(index)
        index += 1
        for earlier in element + 1..<records.count where records[earlier].hasSameName(as: record, in: bytes) {
            throw .notWellFormed
        }
        try classifyDeclaration(&record, bytes)
        if record.kind != .attribute {
            declarationsInScope += 1
            guard declarationsInScope <= limits.namespaces else { throw .tooManyNamespaces }
            guard record.content.count <= limits.namespaceBytes else { throw .nameTooLong }
            record.namespace = scope
            record.next = firstDeclaration(of: record, bytes)
            scope = Int32(records.count)
        }
        records.append(record)
    }

    private func skipAttributeValue(
        _ bytes: Span<UInt8>, at index: inout Int, quote: UInt8, isEncoded: inout Bool
    ) throws(XMLFailure) {
        while true {
            index = bytes.endOfPlainText(from: index, stop: quote)
            guard index < bytes.count else { throw .notWellFormed }
            let byte = bytes[index]
            switch byte {
            case quote:
                return
            case UInt8(ascii: "<"):
                throw .notWellFormed
            case UInt8(ascii: "&"):
                index = try skipReference(bytes, at: index)
                isEncoded = true
            case 0x09, 0x0A, 0x0D:
                isEncoded = true
                index += 1
            case 0x80...:
                guard let character = XMLCharacters.decode(bytes, at: index) else { throw .notWellFormed }
                index += character.length
            case 0x00..<0x20:
                throw .notWellFormed
            default:
                index += 1
            }
        }
    }

    /// Checks a reference and returns the index after its semicolon. Only the five predefined entities and characters may be referred to.
    private func skipReference(_ bytes: Span<UInt8>, at index: Int) throws(XMLFailure) -> Int {
        guard let reference = XMLReference(bytes, at: index) else {
            // `&name;` is well-formed, but nothing declares it: RFC 6120 §11.1.
            var end = index + 1
            try skipNCName(bytes, at: &end)
            throw end < bytes.count && bytes[end] == UInt8(ascii: ";") ? .restrictedXML : .notWellFormed
        }
        return index + reference.length
    }

    private func skipWhitespace(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index < bytes.count, XMLCharacters.isWhitespace(bytes[index]) { index += 1 }
        return index
    }

    // MARK: Namespaces

    /// Makes a record a declaration if its name says so, and checks it (Namespaces in XML 1.0 §3).
    private func classifyDeclaration(_ record: inout Record, _ bytes: Span<UInt8>) throws(XMLFailure) {
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
    private func firstDeclaration(of record: Record, _ bytes: Span<UInt8>) -> UInt32 {
        var declaration = scope
        while declaration >= 0 {
            let candidate = records[Int(declaration)]
            if candidate.hasSameValue(as: record, in: bytes) { return candidate.next }
            declaration = candidate.namespace
        }
        return UInt32(records.count)
    }

    private mutating func resolveNamespaces(_ bytes: Span<UInt8>, of element: Int) throws(XMLFailure) {
        let record = records[element]
        let reference = try resolve(record, bytes, isElement: true)
        records[element].namespace = reference
        noteMovability(of: element, reference, bytes)
        for attribute in element + 1..<records.count where records[attribute].kind == .attribute {
            let record = records[attribute]
            guard record.prefixLength > 0 else { continue }
            records[attribute].namespace = try resolve(record, bytes, isElement: false)
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

    private mutating func resolve(_ record: Record, _ bytes: Span<UInt8>, isElement: Bool) throws(XMLFailure) -> Int32 {
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
