/// Finds where the stream header, each stanza and the stream end in a stream of bytes: eight bytes of state, no allocation.
///
/// An idle push parser costs 16 KB per connection and keeps 75 KB after one large stanza, so a connection has only this. It knows depth,
/// quotes and CDATA sections, and refuses at once what RFC 6120 §11.1 forbids; names, attributes, references, UTF-8 and namespaces are
/// checked on the completed stanza by `ElementTape`. It must never see a boundary where a full parser sees none.
struct StanzaDetector: Sendable {
    /// What a scan ended with.
    enum Event {
        /// All bytes are scanned and nothing is complete.
        case incomplete
        /// The XML declaration ended; the stream header follows.
        case declaration
        /// The start tag of the stream's root ended.
        case header
        /// A first-level child of the root ended.
        case element
        /// The end tag of the root ended.
        case streamEnd
    }

    private enum State: UInt8 {
        /// Between stanzas, or before the header: the next byte must be `<`.
        case outside
        /// After `<`.
        case opening
        case startTag
        /// After `/` in a start tag.
        case closing
        case singleQuoted
        case doubleQuoted
        case endTag
        case text
        /// After `<!`.
        case markup
        /// After `<![`.
        case sectionName
        case section
        /// After one, and after two or more, `]` in a CDATA section.
        case sectionBracket
        case sectionBrackets
        /// After `<?`.
        case declaration
        case declarationQuestion
    }

    private var state = State.outside
    private var isInHeader = true
    private var isDeclarationAllowed = true
    private var sectionNameBytes: UInt8 = 0
    /// Open elements, the root not counted.
    private var depth: UInt16 = 0

    /// Whether nothing has begun: white space here is not part of anything.
    var isBetween: Bool { state == .outside }

    /// Whether the stream header has not ended yet.
    var awaitsHeader: Bool { isInHeader }

    /// Goes on at `position` until something is complete (then `position` is just after it) or `end` is reached.
    mutating func scan(
        _ bytes: Span<UInt8>, _ position: inout Int, end: Int, maximumDepth: Int
    ) throws(XMLFailure) -> Event {
        var index = position
        defer { position = index }
        while index < end {
            let byte = bytes[index]
            switch state {
            case .text:
                index = bytes.firstIndex(of: UInt8(ascii: "<"), or: UInt8(ascii: "<"), from: index, to: end)
                if index < end {
                    index += 1
                    state = .opening
                }
                continue
            case .startTag:
                while index < end, !Self.endsTagRun(bytes[index]) { index += 1 }
                if index == end { continue }
                switch bytes[index] {
                case UInt8(ascii: "'"): state = .singleQuoted
                case UInt8(ascii: "\""): state = .doubleQuoted
                case UInt8(ascii: "/"): state = .closing
                case UInt8(ascii: ">"):
                    if isInHeader {
                        isInHeader = false
                        state = .outside
                        index += 1
                        return .header
                    }
                    depth += 1
                    state = .text
                default: throw .notWellFormed
                }
            case .singleQuoted, .doubleQuoted:
                let quote = state == .singleQuoted ? UInt8(ascii: "'") : UInt8(ascii: "\"")
                index = bytes.firstIndex(of: quote, or: UInt8(ascii: "<"), from: index, to: end)
                if index == end { continue }
                guard bytes[index] == quote else { throw .notWellFormed }
                state = .startTag
            case .endTag:
                while index < end, !Self.endsTagRun(bytes[index]) { index += 1 }
                if index == end { continue }
                guard bytes[index] == UInt8(ascii: ">") else { throw .notWellFormed }
                index += 1
                if depth == 0 { return .streamEnd }
                depth -= 1
                if depth == 0 {
                    state = .outside
                    return .element
                }
                state = .text
                continue
            case .section:
                index = bytes.firstIndex(of: UInt8(ascii: "]"), or: UInt8(ascii: "]"), from: index, to: end)
                if index == end { continue }
                state = .sectionBracket
            case .closing:
                guard byte == UInt8(ascii: ">"), !isInHeader else { throw .notWellFormed }
                index += 1
                if depth == 0 {
                    state = .outside
                    return .element
                }
                state = .text
                continue
            case .outside:
                guard byte == UInt8(ascii: "<") else { throw .notWellFormed }
                state = .opening
            case .opening:
                try open(byte, maximumDepth)
            case .markup:
                // A comment or a document type declaration.
                guard byte == UInt8(ascii: "[") else { throw .restrictedXML }
                guard depth > 0 else { throw .notWellFormed }
                sectionNameBytes = 0
                state = .sectionName
            case .sectionName:
                guard byte == Self.sectionName(sectionNameBytes) else { throw .notWellFormed }
                sectionNameBytes += 1
                if sectionNameBytes == 6 { state = .section }
            case .sectionBracket:
                state = byte == UInt8(ascii: "]") ? .sectionBrackets : .section
            case .sectionBrackets:
                if byte == UInt8(ascii: ">") {
                    state = .text
                } else if byte != UInt8(ascii: "]") {
                    state = .section
                }
            case .declaration:
                if byte == UInt8(ascii: "?") { state = .declarationQuestion }
            case .declarationQuestion:
                guard byte == UInt8(ascii: ">") else { throw .notWellFormed }
                isDeclarationAllowed = false
                state = .outside
                index += 1
                return .declaration
            }
            index += 1
        }
        return .incomplete
    }

    private mutating func open(_ byte: UInt8, _ maximumDepth: Int) throws(XMLFailure) {
        switch byte {
        case UInt8(ascii: "/"):
            guard !isInHeader else { throw .notWellFormed }
            state = .endTag
        case UInt8(ascii: "!"):
            state = .markup
        case UInt8(ascii: "?"):
            guard isInHeader, isDeclarationAllowed else { throw .restrictedXML }
            state = .declaration
        default:
            guard XMLCharacters.isNameStart(byte) || byte >= 0x80 else { throw .notWellFormed }
            guard isInHeader || Int(depth) < min(maximumDepth, Int(UInt16.max)) else { throw .tooDeep }
            state = .startTag
        }
    }

    /// Whether a byte inside a tag, outside quotes, needs a look: `" ' / < >`.
    @inline(__always)
    private static func endsTagRun(_ byte: UInt8) -> Bool {
        byte < 64 && tagRunEnds &>> UInt64(byte) & 1 != 0
    }

    /// One bit for each of the first 64 characters.
    private static let tagRunEnds: UInt64 =
        1 << 0x22 | 1 << 0x27 | 1 << 0x2F | 1 << 0x3C | 1 << 0x3E

    private static func sectionName(_ position: UInt8) -> UInt8 {
        switch position {
        case 0: UInt8(ascii: "C")
        case 1, 3: position == 1 ? UInt8(ascii: "D") : UInt8(ascii: "T")
        case 2, 4: UInt8(ascii: "A")
        default: UInt8(ascii: "[")
        }
    }
}
