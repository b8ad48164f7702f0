/// Every bound on received XML, with the reason for its number. Exceeding one ends the stream with `policy-violation`.
public struct XMLLimits: Hashable, Sendable {
    /// Longest stanza in bytes, from the `<` of its start tag to the `>` of its end tag.
    ///
    /// 256 KiB is what the servers in the field take from clients, so nothing that works elsewhere fails here. RFC 6120 §13.12 demands
    /// at least 10,000.
    public var stanzaBytes = 262_144
    /// Longest stream header in bytes, XML declaration included: five attributes, one of them a domain of at most 1,023 bytes, and a
    /// handful of namespace declarations fit many times.
    public var streamHeaderBytes = 8_192
    /// Deepest nesting, where a stanza itself is at depth 1. Real payloads stay below 20; libxml2 ends at 256, so never set more than 250, and recursion over trees
    /// must stay within a thread's stack.
    public var depth = 100
    /// Most attributes of one element, namespace declarations included. Real elements have fewer than 20; duplicates are found by
    /// comparing each with each, so the square of this must stay small.
    public var attributes = 64
    /// Most namespace declarations in scope at once inside a stanza. A prefix is resolved by walking them.
    public var namespaces = 128
    /// Longest name (prefix or local part) in bytes.
    public var nameBytes = 1_024

    /// Longest namespace name in bytes, as written. Real ones stay below 100. When a tree is written every element may have to repeat its
    /// namespace, so this bounds how much longer than what came in that can get.
    public var namespaceBytes = 256
    /// Names that only the fifth edition of XML 1.0 allows, and namespaces that are no URI, are borne: where something is read again
    /// that was accepted before, or only in order to learn whose stanza it is that is refused.
    public var bearsUnusualNames = false

    /// The limits of an authenticated stream.
    public init() {}

    /// The limits before authentication: the least RFC 6120 §13.12 allows rounded up, which still holds a Kerberos ticket with group
    /// membership.
    public static var beforeAuthentication: XMLLimits {
        var limits = XMLLimits()
        limits.stanzaBytes = 16_384
        return limits
    }
}
