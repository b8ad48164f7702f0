/// By what a peer has shown that it took an entry over: the rungs of `Docs/relay-protocol.md` §6, best first.
public enum EntryProof: UInt8, CaseIterable, Sendable {
    /// Another Martlet's `<have/>`: it is on the peer's disk.
    case have = 0
    /// XEP-0198: the peer has counted it.
    case count = 1
    /// The answer to a ping behind it: the peer has parsed it.
    case fence = 2
    /// The peer's closing tag after ours: the peer has parsed it.
    case close = 3

    /// For the operator.
    public var words: String {
        switch self {
        case .have: "have"
        case .count: "stream management"
        case .fence: "ping fence"
        case .close: "closing tag"
        }
    }
}

/// How many entries of a lane were proven by what.
public struct EntryProofCounts: Sendable, Equatable {
    private var counts: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    /// None.
    public init() {}

    /// The count of one proof.
    public subscript(proof: EntryProof) -> UInt64 {
        get {
            switch proof {
            case .have: counts.0
            case .count: counts.1
            case .fence: counts.2
            case .close: counts.3
            }
        }
        set {
            switch proof {
            case .have: counts.0 = newValue
            case .count: counts.1 = newValue
            case .fence: counts.2 = newValue
            case .close: counts.3 = newValue
            }
        }
    }

    /// For the operator: "812 by have, 3 by ping fence"; empty where there are none.
    public var words: String {
        EntryProof.allCases.filter { self[$0] > 0 }.map { "\(self[$0]) by \($0.words)" }.joined(separator: ", ")
    }

    /// Equal where every count is.
    public static func == (left: EntryProofCounts, right: EntryProofCounts) -> Bool { left.counts == right.counts }
}
