// RFC 7395: XMPP over WebSocket, complete but for see-other-uri, which is not needed here
import XMPPStanzas
import XMPPXML

/// A client's stream as messages of a WebSocket (RFC 7395 §3.3): each is one element, and `<open/>` and `<close/>` stand for the tags of
/// the stream's root.
///
/// A core beside the ``StreamEngine``, which knows nothing of it: messages become the bytes of a document, and what the engine writes
/// becomes messages.
public struct WebSocketFraming: Sendable {
    private var cutter = DocumentCutter()
    /// Has read a root, for which every message is a child.
    private var child: StanzaFramer

    private static let namespace = "urn:ietf:params:xml:ns:xmpp-framing"

    /// A stream that has not begun, with messages of at most that many bytes.
    public init(limit: Int) {
        var limits = XMLLimits()
        limits.stanzaBytes = limit
        limits.depth = 250
        child = StanzaFramer(limits: limits)
        child.append(Array("<s>".utf8))
        _ = try? child.next()
    }

    /// A message came: what it is in the document; nil for nothing. `awaitsHeader` says whether the engine does.
    public func received(_ message: [UInt8], awaitsHeader: Bool) -> [UInt8]? {
        guard message.contains(where: { $0 > 0x20 }) else { return nil }
        guard isOneElement(message) else { return DocumentCutter.nonsense }
        if message.starts(with: "<open".utf8) || message.starts(with: "<close".utf8) {
            guard let tape = try? ElementTape(parsing: message, context: NamespaceContext()) else {
                return DocumentCutter.nonsense
            }
            if tape.is("close", Self.namespace) { return DocumentCutter.end }
            if tape.is("open", Self.namespace) {
                guard awaitsHeader else { return DocumentCutter.nonsense }
                let open = tape.element()
                return DocumentCutter.header(
                    to: open["to"], from: open["from"], version: open["version"], language: open.lang)
            }
        }
        return awaitsHeader ? DocumentCutter.nonsense : message
    }

    /// RFC 7395 §3.3.3: the next message cannot go on with what this one began.
    private func isOneElement(_ message: [UInt8]) -> Bool {
        var framer = child
        framer.append(message)
        guard case .element? = try? framer.next() else { return false }
        // Only white space may follow.
        do {
            return try framer.next() == nil && framer.unreadByteCount == 0
        } catch {
            return false
        }
    }

    /// The engine has written this: the messages that it is; nil if that is our fault.
    public mutating func wrote(_ bytes: [UInt8]) -> [[UInt8]]? {
        cutter.cut(bytes)?.map { piece in
            switch piece {
            case .header(let header): Self.open(header)
            case .element(let element): element
            case .end: Array("<close xmlns='\(Self.namespace)'/>".utf8)
            }
        }
    }

    private static func open(_ header: StreamHeader) -> [UInt8] {
        var bytes = Array("<open xmlns='\(namespace)'".utf8)
        for attribute in header.attributes {
            let isLanguage = attribute.namespace == XMLNamespace.xml
            XMLWriter.attribute(attribute.name, prefix: isLanguage ? "xml" : nil, attribute.value, to: &bytes)
        }
        return bytes + Array("/>".utf8)
    }
}
