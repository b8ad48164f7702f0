import XMPPAddress

/// A message that waits for another office, as its sender may see it.
public struct OwnEntry: Sendable, Equatable {
    /// `lane/number`.
    public var id: String
    /// The addressee.
    public var to: JID
    /// How it begins.
    public var words: String
    /// Milliseconds since the stanza was taken over.
    public var age: Int64

    /// A row.
    public init(id: String, to: JID, words: String, age: Int64) {
        self.id = id
        self.to = to
        self.words = words
        self.age = age
    }
}

/// The messages of one account that wait on all links.
public struct OwnEntries: Sendable, Equatable {
    /// The oldest of each link, up to a limit.
    public var rows: [OwnEntry] = []
    /// There are more.
    public var isCut = false

    /// Nothing waits.
    public init() {}
}

/// What became of a message that its sender cancelled.
public enum Cancellation: Sendable, Equatable {
    /// It never left and never will.
    case cancelled
    /// It will not be sent again, but was sent before without being confirmed.
    case mayHaveArrived
    /// It does not wait any more, or never was the sender's.
    case notFound
}
