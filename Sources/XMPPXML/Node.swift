/// One child of an `Element`.
public enum Node: Hashable, Sendable {
    /// A child element.
    case element(Element)
    /// Character data, references resolved.
    case text(String)
}
