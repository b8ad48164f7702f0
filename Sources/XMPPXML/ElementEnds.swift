/// The first and the last bytes of an element that is refused for its size or shape: enough to know whose it is, and to answer.
///
/// Where it ends is certain all the same: that takes depth, quotes and sections only, and the detector refuses whatever could deceive it.
/// What stands between is neither checked nor kept.
public struct ElementEnds: Hashable, Sendable {
    /// The first bytes kept: a start tag with addresses of any length, and an identifier of a length that one has.
    static let firstBytes = 16_384
    /// The last bytes kept: the end tag, and before it a small child (the relay's mark has some 200 bytes).
    static let lastBytes = 1_024

    /// The first bytes.
    public let first: [UInt8]
    /// The last bytes, among them perhaps some of the first.
    public let last: [UInt8]

    /// The ends of a complete element.
    public init(of element: [UInt8]) {
        first = Array(element.prefix(Self.firstBytes))
        last = Array(element.suffix(Self.lastBytes))
    }

    init(first: [UInt8], last: [UInt8]) {
        self.first = first
        self.last = last
    }

    /// What is known of the element as an element: its start tag without what stands behind the first bytes, the empty child that it ends
    /// with if there is one, and its end tag. Nil if not even its name is among the first bytes.
    public var abridged: [UInt8]? {
        guard let tag = startTag else { return nil }
        guard let (child, end) = lastChild else { return tag + Array("/>".utf8) }
        return tag + Array(">".utf8) + child + end
    }

    /// `<name a='…' b='…'`, as far as whole attributes go.
    private var startTag: ArraySlice<UInt8>? {
        var quote: UInt8?
        var whole: Int?
        for index in first.indices {
            let byte = first[index]
            if let open = quote {
                if byte == open {
                    quote = nil
                    whole = index + 1
                }
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                quote = byte
            } else if byte == UInt8(ascii: ">") {
                let end = index > 0 && first[index - 1] == UInt8(ascii: "/") ? index - 1 : index
                return first[..<end]
            }
        }
        return whole.map { first[..<$0] }
    }

    /// The child before the end tag, if it is an empty element, and the end tag. In well-formed XML nothing but a tag has a `<`, and no
    /// section ends with `/>`.
    private var lastChild: (child: ArraySlice<UInt8>, end: ArraySlice<UInt8>)? {
        guard let end = last.lastIndex(of: UInt8(ascii: "<")), last[end...].starts(with: "</".utf8),
            last[..<end].suffix(2).elementsEqual("/>".utf8), let start = last[..<end].lastIndex(of: UInt8(ascii: "<"))
        else { return nil }
        return (last[start..<end], last[end...])
    }
}

/// An element whose end is awaited, and of which only the ends are kept.
struct PassedOver: Sendable {
    private(set) var byteCount = 0
    private var first: [UInt8] = []
    private var last: [UInt8] = []

    /// What is kept; complete once the element is.
    var ends: ElementEnds { ElementEnds(first: first, last: Array(last.suffix(ElementEnds.lastBytes))) }

    /// More of it came.
    mutating func append(_ bytes: ArraySlice<UInt8>) {
        byteCount += bytes.count
        first += bytes.prefix(ElementEnds.firstBytes - first.count)
        last = Array(last.suffix(ElementEnds.lastBytes) + bytes.suffix(ElementEnds.lastBytes))
    }
}
