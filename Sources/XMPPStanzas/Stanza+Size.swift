import XMPPAddress
import XMPPXML

/// How long a stanza will be where it goes. What comes in is bounded by the stream it comes on; but it leaves with other quotes,
/// escapes and namespaces, and with more attributes than it had. Who asks here before a stanza is taken over never sends another
/// server more than it takes, which to most is a reason to end the stream with everybody's stanzas on it.
extension Stanza {
    /// What sites add to a stanza, in bytes: delay stamps with domains, the relay's mark, the tags.
    public static let additions = 2_048
    /// What they add to a stanza of a client that has not been given its sender yet: the same at two sites, and an address whose
    /// resource has to be escaped. Everybody counts at least as much as whoever comes next, so that nobody after the first refuses it.
    public static let allowance = 12_288
    /// The most bytes of `id`, `type` and `xml:lang` together, as they are written. Real ones stay below 100. They come back with
    /// every answer, also where nothing else does: whoever asks with a megabyte would be answered with it.
    public static let attributeBytes = 4_096

    /// Why the stanza cannot be taken over where nothing longer than `limit` may leave and so much is added; nil if it can.
    public func objection(toMoreThan limit: Int, adding: Int) -> StanzaError? {
        let addresses = Self.size(of: from) + Self.size(of: to)
        let most = Self.size(of: id) + Self.size(of: type) + Self.size(of: lang)
        // Nearly always.
        if most <= Self.attributeBytes, content.count + most + addresses + adding <= limit { return nil }
        let attributes = Self.writtenSize(of: id) + Self.writtenSize(of: type) + Self.writtenSize(of: lang)
        if attributes > Self.attributeBytes {
            return StanzaError(.policyViolation, text: "id, type and language take more than \(Self.attributeBytes) bytes")
        }
        let size = content.count + attributes + Self.writtenSize(of: from) + Self.writtenSize(of: to) + adding
        if size <= limit { return nil }
        // XEP-0478 §4.
        return StanzaError(
            .policyViolation, text: "The stanza would take \(size) bytes on its way, and at most \(limit) are possible")
    }

    private static func writtenSize(of address: JID?) -> Int {
        guard let address else { return 0 }
        return writtenSize(of: address.description)
    }

    private static func writtenSize(of value: String?) -> Int {
        guard let value else { return 0 }
        var written: [UInt8] = []
        XMLWriter.escapeAttribute(value, to: &written)
        return written.count
    }

    /// The stanza without content, and without attributes that are too long to be given back: enough to answer it.
    public var answerableHead: Stanza {
        var head = self
        head.content = []
        head.traits = []
        head.lang = nil
        if Self.size(of: id) > Self.attributeBytes, Self.writtenSize(of: id) > Self.attributeBytes { head.id = nil }
        return head
    }
}
