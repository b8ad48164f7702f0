/// The parser behind `ElementTape`: one pass, every check, no allocation but the tape itself.
///
/// The bytes are a parameter everywhere instead of a property, because a `Span` cannot be stored.
struct TapeParser {
    typealias Record = ElementTape.Record
    typealias NamespaceReference = ElementTape.NamespaceReference

    var records: [Record] = []
    var isMovable = true
    let context: NamespaceContext
    let limits: XMLLimits
    var position = 0
    /// The innermost open element, or -1. Its parent stands in its `next`.
    var open = -1
    var depth = 0
    /// The declaration that came last and is in scope, or -1; each knows the one before it.
    var scope: Int32 = -1
    var declarationsInScope = 0

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

    mutating func appendText(_ kind: Record.Kind, from start: Int, to end: Int, isEncoded: Bool) {
        records.append(
            Record(kind: kind, isEncoded: isEncoded, contentStart: UInt32(start), contentEnd: UInt32(end), end: UInt32(end)))
    }
}
