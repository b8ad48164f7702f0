/// An XML element as a value tree, namespaces resolved.
///
/// Built only where a module needs one: the way of a stanza through the server is its bytes and an `ElementTape`. Comments, processing
/// instructions and prefixes do not exist in it, and the order of attributes is kept but means nothing. Names are written as they are: make
/// them of constants or of what was parsed, never of unchecked input.
public struct Element: Hashable, Sendable {
    /// The local name.
    public var name: String
    /// The namespace; empty for none.
    public var namespace: String
    /// The attributes in document order, without namespace declarations.
    public var attributes: [Attribute]
    /// Child elements and text in document order.
    public var children: [Node]

    /// An element; `attributes` have no namespace, except that the name `xml:lang` is understood.
    public init(_ name: String, _ namespace: String, _ attributes: [(String, String)] = [], _ children: [Node] = []) {
        self.name = name
        self.namespace = namespace
        self.attributes = attributes.map { name, value in
            name == "xml:lang" ? Attribute("lang", namespace: XMLNamespace.xml, value) : Attribute(name, value)
        }
        self.children = children
    }

    /// An element whose only content is text (none if `text` is empty).
    public init(_ name: String, _ namespace: String, _ attributes: [(String, String)] = [], text: String) {
        self.init(name, namespace, attributes, text.isEmpty ? [] : [.text(text)])
    }

    /// An element whose content is other elements.
    public init(_ name: String, _ namespace: String, _ attributes: [(String, String)] = [], elements: [Element]) {
        self.init(name, namespace, attributes, elements.map { .element($0) })
    }

    /// The value of an attribute without namespace; setting nil removes it.
    public subscript(_ attribute: String) -> String? {
        get { self[attribute, ""] }
        set { self[attribute, ""] = newValue }
    }

    /// The value of an attribute in a namespace; setting nil removes it.
    public subscript(_ attribute: String, _ namespace: String) -> String? {
        get { attributes.first { $0.name == attribute && $0.namespace == namespace }?.value }
        set {
            let index = attributes.firstIndex { $0.name == attribute && $0.namespace == namespace }
            switch (index, newValue) {
            case (let index?, let value?): attributes[index].value = value
            case (let index?, nil): attributes.remove(at: index)
            case (nil, let value?): attributes.append(Attribute(attribute, namespace: namespace, value))
            case (nil, nil): break
            }
        }
    }

    /// The value of `xml:lang` on this element itself.
    public var lang: String? {
        get { self["lang", XMLNamespace.xml] }
        set { self["lang", XMLNamespace.xml] = newValue }
    }

    /// The text directly inside this element, concatenated.
    public var text: String {
        var text = ""
        for case .text(let part) in children { text += part }
        return text
    }

    /// The child elements.
    public var elements: [Element] {
        children.compactMap { if case .element(let element) = $0 { element } else { nil } }
    }

    /// The first child element with this name and namespace.
    public func first(_ name: String, _ namespace: String) -> Element? {
        for case .element(let element) in children where element.is(name, namespace) { return element }
        return nil
    }

    /// All child elements with this name and namespace.
    public func all(_ name: String, _ namespace: String) -> [Element] {
        elements.filter { $0.is(name, namespace) }
    }

    /// Whether this element has this name and namespace.
    public func `is`(_ name: String, _ namespace: String) -> Bool {
        self.name == name && self.namespace == namespace
    }

    /// Appends a child element.
    public mutating func append(_ element: Element) {
        children.append(.element(element))
    }

    /// Removes the child elements for which `condition` holds.
    public mutating func removeElements(where condition: (Element) -> Bool) {
        children.removeAll { if case .element(let element) = $0 { condition(element) } else { false } }
    }

    /// This element with its own namespace, and that of the descendants that share it without a break, replaced.
    ///
    /// This is how a stanza passes from `jabber:client` to `jabber:server`: a stanza carried inside another payload (a forwarded message,
    /// say) keeps the namespace it was sent in.
    public func translated(from old: String, to new: String) -> Element {
        guard namespace == old else { return self }
        var copy = self
        copy.namespace = new
        for index in copy.children.indices {
            if case .element(let child) = copy.children[index] {
                copy.children[index] = .element(child.translated(from: old, to: new))
            }
        }
        return copy
    }
}
