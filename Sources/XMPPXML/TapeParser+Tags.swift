/// Tags, names, attributes and references.
extension TapeParser {
    mutating func parseEndTag(_ bytes: Span<UInt8>) throws(XMLFailure) {
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

    mutating func parseStartTag(_ bytes: Span<UInt8>) throws(XMLFailure) {
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
        if start < bytes.count, bytes[start] < 0x80, !XMLCharacters.isNameStart(bytes[start]) { throw .notWellFormed }
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x80 {
                guard XMLCharacters.isName(byte) else { break }
                index += 1
            } else {
                guard let character = XMLCharacters.decode(bytes, at: index) else { throw .notWellFormed }
                try checkName(character.scalar, isFirst: index == start)
                index += character.length
            }
        }
        guard index > start else { throw .notWellFormed }
        guard index - start <= min(limits.nameBytes, Int(UInt16.max)) else { throw .nameTooLong }
    }

    /// Whether a character beyond ASCII may stand in a name.
    private func checkName(_ scalar: UInt32, isFirst: Bool) throws(XMLFailure) {
        if isFirst ? XMLNameRanges.isStart(scalar) : XMLNameRanges.isName(scalar) { return }
        guard isFirst ? XMLCharacters.isNewNameStart(scalar: scalar) : XMLCharacters.isNewName(scalar: scalar) else {
            throw .notWellFormed
        }
        if !limits.bearsUnusualNames { throw .unusualName }
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
            guard limits.bearsUnusualNames || record.isURI(in: bytes) else { throw .unusualName }
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
    func skipReference(_ bytes: Span<UInt8>, at index: Int) throws(XMLFailure) -> Int {
        guard let reference = XMLReference(bytes, at: index) else {
            // `&name;` is well-formed, but nothing declares it: RFC 6120 §11.1.
            var end = index + 1
            try skipNCName(bytes, at: &end)
            throw end < bytes.count && bytes[end] == UInt8(ascii: ";") ? .restrictedXML : .notWellFormed
        }
        return index + reference.length
    }

    func skipWhitespace(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index < bytes.count, XMLCharacters.isWhitespace(bytes[index]) { index += 1 }
        return index
    }
}
