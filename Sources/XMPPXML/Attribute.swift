/// An attribute of an `Element`. Namespace declarations are not attributes here: they are resolved.
public struct Attribute: Hashable, Sendable {
    /// The local name.
    public var name: String
    /// The namespace; empty for an attribute without prefix.
    public var namespace: String
    /// The value, references resolved.
    public var value: String

    /// An attribute.
    public init(_ name: String, namespace: String = "", _ value: String) {
        self.name = name
        self.namespace = namespace
        self.value = value
    }
}
