// XEP-0478: Stream Limits Advertisement, version 0.2.0, max-bytes; how long one may be silent depends on what is owed
import XMPPStanzas
import XMPPXML

/// How long a stanza may be on a stream, as the ends tell each other.
public enum StreamLimits {
    /// RFC 6120 §13.12: no server takes less than that, whatever it says.
    public static let leastBytes = 10_000

    /// The element that says what we take.
    static func announcement(of limits: XMLLimits) -> String {
        "<limits xmlns='\(Namespaces.streamLimits)'><max-bytes>\(limits.stanzaBytes)</max-bytes></limits>"
    }

    /// What `parent` (features, or `<bidi/>`) says that the other end takes; nil where it says nothing that can be read.
    static func announced(in parent: Element) -> Int? {
        let text = parent.first("limits", Namespaces.streamLimits)?.first("max-bytes", Namespaces.streamLimits)?.text
        guard let text, let bytes = UInt32(text), bytes > 0 else { return nil }
        return max(leastBytes, Int(bytes))
    }
}
