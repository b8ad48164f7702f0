/// The namespaces in force around a piece of XML: what a stream header declares for the stanzas inside it.
public struct NamespaceContext: Hashable, Sendable {
    /// One prefix bound to a namespace.
    public struct Binding: Hashable, Sendable {
        /// The prefix, without a colon.
        public var prefix: String
        /// The namespace's name.
        public var namespace: String

        /// A prefix bound to a namespace.
        public init(prefix: String, namespace: String) {
            self.prefix = prefix
            self.namespace = namespace
        }
    }

    /// The namespace of elements without prefix; empty for none.
    public var defaultNamespace: String
    /// The declared prefixes, in document order. `xml` is always bound and never listed.
    public var prefixes: [Binding]

    /// A context with this default namespace and these prefixes.
    public init(_ defaultNamespace: String = "", prefixes: [Binding] = []) {
        self.defaultNamespace = defaultNamespace
        self.prefixes = prefixes
    }
}

/// Namespaces that XML itself and the stream layer define.
public enum XMLNamespace {
    /// What the prefix `xml` is always bound to.
    public static let xml = "http://www.w3.org/XML/1998/namespace"
    /// What the prefix `xmlns` is always bound to; nothing else may be.
    public static let xmlns = "http://www.w3.org/2000/xmlns/"
    /// The namespace of streams (RFC 6120 §4.8.1).
    public static let streams = "http://etherx.jabber.org/streams"
}
