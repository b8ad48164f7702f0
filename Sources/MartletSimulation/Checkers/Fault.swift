/// Something that went against the promise: which rule, and the words for people.
public struct Fault: Equatable, Sendable, CustomStringConvertible {
    /// The rules (`Docs/relay-protocol.md` §9).
    public enum Kind: String, Sendable {
        /// A message neither arrived nor came back.
        case lost
        /// A message arrived twice.
        case duplicated
        /// A message arrived after a later one of the same pair.
        case disordered
        /// A message arrived and came back as not delivered.
        case deliveredAndBounced = "delivered and bounced"
        /// An acknowledgement left a site before what it covers was on disk.
        case ackBeforeCommit = "acknowledged before the commit"
        /// A number of a lane stood for two stanzas.
        case numberChanged = "number given twice"
        /// acked ≤ emitted have ≤ have ≤ assigned does not hold.
        case lanesDisagree = "lanes disagree"
        /// A lane stopped although no store went back in time, or not further than what is kept and known.
        case stopped = "stopped without need"
        /// Something waits although nothing is wrong any more.
        case notDrained = "not drained"
        /// The log's references are not those of the queues.
        case references
        /// What arrived is not in an archive, or is there twice.
        case archive
        /// A contact list shows something else than the truth.
        case presence
        /// A question was asked or answered twice.
        case queryTwice = "query twice"
        /// A site wrote what is not XML, or a client could not go on.
        case malformed
        /// One event has caused more than a turn may (``TurnBound``).
        case longTurn = "a long turn"
        /// Two runs of the same seed differ.
        case digests = "two runs differ"
    }

    /// The rule.
    public var kind: Kind
    /// What happened.
    public var words: String

    /// That fault.
    public init(_ kind: Kind, _ words: String) {
        self.kind = kind
        self.words = words
    }

    /// For people.
    public var description: String { "\(kind.rawValue): \(words)" }
}
