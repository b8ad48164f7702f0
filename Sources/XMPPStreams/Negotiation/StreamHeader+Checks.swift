import XMPPAddress
import XMPPStanzas
import XMPPXML

extension StreamHeader {
    /// What is wrong with the root element of a stream that should carry `contentNamespace`; nil if it is in order.
    func objection(contentNamespace: String) -> StreamError? {
        // RFC 6120 §4.8.1, §4.9.3.10.
        guard namespace == Namespaces.streams else { return StreamError(.invalidNamespace) }
        guard name == "stream" else { return StreamError(.badFormat) }
        // RFC 6120 §4.8.3: the content namespace may have a prefix instead of being the default.
        let declares = defaultNamespace == contentNamespace || context.prefixes.contains { $0.namespace == contentNamespace }
        return declares ? nil : StreamError(.invalidNamespace)
    }

    /// The major number of the version; 0 before XMPP 1.0 (RFC 6120 §4.7.5), nil for what is no version.
    var majorVersion: Int? {
        guard let version else { return 0 }
        if version == "1.0" { return 1 }
        let parts = version.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
            return nil
        }
        // A number too big for us is big.
        return Int(parts[0]) ?? .max
    }

    /// Whether server dialback is declared the old way (XEP-0220 §2.4.1).
    var declaresDialback: Bool { context.prefixes.contains { $0.namespace == Namespaces.dialback } }

    /// The language of what is said on the stream without another (RFC 6120 §4.7.4); nil if none is named, or nothing that could be
    /// one: letters, digits and hyphens (RFC 5646 §2.1).
    var language: String? {
        guard let lang, (1...Self.languageBytes).contains(lang.utf8.count),
            lang.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x2D })
        else { return nil }
        return lang
    }

    /// The longest name of a language that goes with every stanza, bytes. RFC 5646 §4.4.1: 35 are enough for any in practice.
    private static let languageBytes = 35

    /// A domain in an attribute of the header; nil if it is absent or no domain.
    static func domain(_ text: String?) -> JID? {
        guard let text, let jid = try? JID(text), jid.isDomain else { return nil }
        return jid
    }
}
