import XMPPStanzas
import XMPPXML

/// Cuts what a stream of ours writes into header, elements and end, for ways that carry each by itself: messages of a WebSocket, bodies
/// of HTTP.
struct DocumentCutter: Sendable {
    /// A part of the document.
    enum Piece: Equatable {
        case header(StreamHeader)
        /// One element, which declares its namespaces itself.
        case element([UInt8])
        case end
    }

    private var framer: StanzaFramer

    init() {
        var limits = XMLLimits()
        // What we write ourselves was bounded where it was made.
        limits.stanzaBytes = 1 << 30
        limits.depth = 1 << 15
        limits.streamHeaderBytes = 1 << 16
        framer = StanzaFramer(limits: limits)
    }

    /// The pieces of what was written; nil if it is none, which is our fault.
    mutating func cut(_ bytes: [UInt8]) -> [Piece]? {
        // Behind a login the document begins anew.
        if bytes.starts(with: Self.declaration) { framer.reset() }
        framer.append(bytes)
        var pieces: [Piece] = []
        do {
            while let frame = try framer.next() {
                switch frame {
                case .streamHeader(let header): pieces.append(.header(header))
                case .element(let element): pieces.append(.element(Self.standing(element)))
                case .passedOver: return nil
                case .streamEnd: pieces.append(.end)
                }
            }
        } catch {
            return nil
        }
        return pieces
    }

    private static let declaration = Array("<?xml".utf8)

    /// The element with the declaration that it had from the stream's root, where it has none of its own (RFC 7395 §3.3.3).
    static func standing(_ element: [UInt8]) -> [UInt8] {
        let isStreams = element.dropFirst().starts(with: "stream:".utf8)
        var position = 1
        func skip(while condition: (UInt8) -> Bool) {
            while position < element.count, condition(element[position]) { position += 1 }
        }
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
        skip { !isSpace($0) && $0 != UInt8(ascii: ">") && $0 != UInt8(ascii: "/") }
        let place = position
        let wanted = Array((isStreams ? "xmlns:stream" : "xmlns").utf8)
        while true {
            skip(while: isSpace)
            guard position < element.count, element[position] != UInt8(ascii: ">"), element[position] != UInt8(ascii: "/")
            else { break }
            let start = position
            skip { $0 != UInt8(ascii: "=") && !isSpace($0) }
            if element[start..<position].elementsEqual(wanted) { return element }
            skip { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "'") }
            guard position < element.count else { break }
            let quote = element[position]
            position += 1
            skip { $0 != quote }
            position += 1
        }
        var result: [UInt8] = []
        result.reserveCapacity(element.count + 56)
        result += element[..<place]
        result.append(literal: isStreams ? " xmlns:stream='http://etherx.jabber.org/streams'" : " xmlns='jabber:client'")
        result += element[place...]
        return result
    }

    /// The header that a client would have sent on a socket.
    static func header(to: String?, from: String?, version: String?, language: String?) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(literal: "<?xml version='1.0'?><stream:stream xmlns='jabber:client'")
        bytes.append(literal: " xmlns:stream='http://etherx.jabber.org/streams'")
        if let to { XMLWriter.attribute("to", to, to: &bytes) }
        if let from { XMLWriter.attribute("from", from, to: &bytes) }
        if let version { XMLWriter.attribute("version", version, to: &bytes) }
        if let language { XMLWriter.attribute("lang", prefix: "xml", language, to: &bytes) }
        bytes.append(literal: ">")
        return bytes
    }

    /// The last word that a client would have said on a socket.
    static let end = Array("</stream:stream>".utf8)
    /// What no document can have: the stream ends over it, in its own words.
    static let nonsense = Array("<<".utf8)
}
