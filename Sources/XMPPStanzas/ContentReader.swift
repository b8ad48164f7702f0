import XMPPXML

/// Reads the content of a ``Stanza`` as trees, for the modules that look inside.
public enum ContentReader {
    /// Bounds of content that was within bounds when it was received, whatever these were then: nothing is refused twice.
    private static let limits: XMLLimits = {
        var limits = XMLLimits()
        limits.stanzaBytes = 1 << 30
        // What libxml2 ends at: no stanza can have been deeper.
        limits.depth = 256
        limits.attributes = 4096
        limits.namespaces = 65536
        limits.nameBytes = 65535
        limits.bearsUnusualNames = true
        return limits
    }()

    /// The child elements in `content`, which is the inside of a stanza; none if it is not, which cannot happen to content
    /// that was parsed or written here.
    public static func elements(in content: [UInt8]) -> [Element] {
        let context = NamespaceContext(Namespaces.client)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.count + 7)
        bytes += "<c>".utf8
        bytes += content
        bytes += "</c>".utf8
        guard let tape = try? ElementTape(parsing: bytes, context: context, limits: limits) else { return [] }
        return tape.children().map { tape.element(at: $0) }
    }
}
