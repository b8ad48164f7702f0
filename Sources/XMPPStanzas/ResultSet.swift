// XEP-0059: Result Set Management, version 1.0, complete
import XMPPXML

/// Which part of a long list somebody wants to see (XEP-0059 §2).
public struct ResultSetRequest: Sendable, Equatable {
    /// From where on.
    public enum Start: Sendable, Equatable {
        /// From the beginning.
        case first
        /// Behind that item (§2.2).
        case after(String)
        /// The items before that one, backwards; nil for the last ones (§2.3, §2.5).
        case before(String?)
        /// From that place on, counted from 0 (§2.6).
        case index(Int)
    }

    /// From where on.
    public var start = Start.first
    /// Items at most; nil where nothing is said, 0 where only their number is wanted (§2.7).
    public var limit: Int?

    /// Everything, from the beginning.
    public init() {}

    /// Reads the `<set/>` of a request; nil where it says what cannot be.
    public init?(_ element: Element) {
        if let max = element.first("max", Namespaces.resultSet) {
            guard let limit = Int(max.text), limit >= 0 else { return nil }
            self.limit = limit
        }
        let before = element.first("before", Namespaces.resultSet)?.text
        let after = element.first("after", Namespaces.resultSet)?.text
        if let index = element.first("index", Namespaces.resultSet) {
            guard let place = Int(index.text), place >= 0, before == nil, after == nil else { return nil }
            start = .index(place)
        } else if let before {
            // Both together mean nothing; `before` says more, since it says in which direction.
            start = .before(before.isEmpty ? nil : before)
        } else if let after, !after.isEmpty {
            start = .after(after)
        }
    }
}

/// Which part of a list an answer is.
public struct ResultSet: Sendable, Equatable {
    /// The first item's id.
    public var first: String?
    /// Its place in the whole list, counted from 0; nil where it is not known.
    public var index: Int?
    /// The last item's id.
    public var last: String?
    /// How many there are in all; nil where it is not known.
    public var count: Int?

    /// Nothing is known.
    public init() {}

    /// The `<set/>` of an answer.
    public var element: Element {
        var set = Element("set", Namespaces.resultSet)
        if let first {
            set.append(
                Element("first", Namespaces.resultSet, index.map { [("index", String($0))] } ?? [], text: first))
        }
        if let last { set.append(Element("last", Namespaces.resultSet, text: last)) }
        if let count { set.append(Element("count", Namespaces.resultSet, text: String(count))) }
        return set
    }
}
