/// The optional `<?xml version='1.0' encoding='UTF-8'?>` before a stream header (XML 1.0 §2.8).
enum XMLDeclaration {
    /// Checks the declaration in `range`, from `<?` to `?>`.
    static func check(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(XMLFailure) {
        var index = range.lowerBound + 2
        let end = range.upperBound - 2
        guard bytes.matches("xml", at: index), index + 3 <= end else { throw .restrictedXML }
        index += 3
        // Any other target is a processing instruction.
        guard index == end || XMLCharacters.isWhitespace(bytes[index]) else { throw .restrictedXML }
        var position = 0
        while true {
            let gap = index
            while index < end, XMLCharacters.isWhitespace(bytes[index]) { index += 1 }
            if index == end { break }
            guard index > gap else { throw .notWellFormed }
            position = try checkPart(bytes, &index, end, after: position)
        }
        guard position > 0 else { throw .notWellFormed }
    }

    /// Checks `version`, `encoding` or `standalone`, which come in this order, the first always; returns which one it was.
    private static func checkPart(
        _ bytes: Span<UInt8>, _ index: inout Int, _ end: Int, after position: Int
    ) throws(XMLFailure) -> Int {
        let part: Int
        if bytes.matches("version", at: index), position == 0 {
            part = 1
            index += 7
        } else if bytes.matches("encoding", at: index), position == 1 {
            part = 2
            index += 8
        } else if bytes.matches("standalone", at: index), position == 1 || position == 2 {
            part = 3
            index += 10
        } else {
            throw .notWellFormed
        }
        let value = try quoted(bytes, &index, end)
        switch part {
        case 1:
            guard value.count > 2, value.starts(with: "1.".utf8), value.dropFirst(2).allSatisfy({ (0x30...0x39).contains($0) })
            else {
                throw .notWellFormed
            }
        case 2:
            // Encoding names are compared without regard to case (XML 1.0 §4.3.3).
            guard value.map({ (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }) == Array("utf-8".utf8) else {
                throw .unsupportedEncoding
            }
        default:
            guard value == Array("yes".utf8) || value == Array("no".utf8) else { throw .notWellFormed }
        }
        return part
    }

    private static func quoted(_ bytes: Span<UInt8>, _ index: inout Int, _ end: Int) throws(XMLFailure) -> [UInt8] {
        func skipWhitespace() { while index < end, XMLCharacters.isWhitespace(bytes[index]) { index += 1 } }
        skipWhitespace()
        guard index < end, bytes[index] == UInt8(ascii: "=") else { throw .notWellFormed }
        index += 1
        skipWhitespace()
        guard index < end, bytes[index] == UInt8(ascii: "'") || bytes[index] == UInt8(ascii: "\"") else { throw .notWellFormed }
        let quote = bytes[index]
        index += 1
        var value: [UInt8] = []
        while index < end, bytes[index] != quote {
            value.append(bytes[index])
            index += 1
        }
        guard index < end else { throw .notWellFormed }
        index += 1
        return value
    }
}
