/// What waits for an account and can be taken away by an operator.
public enum Clearance: String, Sendable, CaseIterable {
    /// Messages in its mailbox that nobody has read.
    case messages
    /// Subscription requests that it has not answered.
    case subscriptions
}

/// What was taken away, or would be: a part of it, as much as one turn looks at.
public struct ClearingOutcome: Sendable, Equatable {
    /// How many.
    public var count = 0
    /// Their bytes.
    public var bytes = 0
    /// Ask again with this; nil at the end.
    public var next: UInt64?

    /// Nothing.
    public init() {}
}
