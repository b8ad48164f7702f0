/// Names a piece of work, from ``Effect/work(_:_:)`` to ``SiteEvent/workDone(_:_:)``.
public struct WorkID: Hashable, Sendable {
    /// Counts from 1 since the start.
    public var value: UInt64
    /// The piece of that number.
    public init(_ value: UInt64) { self.value = value }

    /// Those of bytestreams have numbers of their own.
    public static func bytestream(_ number: UInt64) -> WorkID { WorkID(number | 1 << 63) }
}

/// Everything slow that a site wants done elsewhere: it goes on meanwhile, and is told once. A restart forgets what was under
/// way.
public enum Work: Sendable, Equatable {
    /// The keys of a password, because of somebody; ends in ``WorkResult/keys(_:)``.
    case deriveKeys(ChosenPassword, for: Cause)
    /// A bytestream begins; ends in ``WorkResult/bytestream(_:)``.
    case activateBytestream(BytestreamActivation)

    /// Which bound it counts against.
    public var kind: WorkKind {
        switch self {
        case .deriveKeys: .passwords
        case .activateBytestream: .bytestreams
        }
    }
}

/// What came of a piece of work.
public enum WorkResult: Sendable, Equatable {
    /// It was not done: too much of its kind waits, or the server stops.
    case refused
    /// The keys of a password.
    case keys(PasswordKeys)
    /// A bytestream runs, or why not.
    case bytestream(BytestreamOutcome)
}

/// The kinds of work. Each has threads and a queue of its own: a flood of one kind slows that kind down and nothing else.
public enum WorkKind: Sendable, CaseIterable {
    /// Deriving keys from passwords: milliseconds of CPU that a stranger can ask for. What the streams themselves derive for
    /// PLAIN counts too.
    case passwords
    /// Looking for a bytestream among those of the proxy.
    case bytestreams

    /// How much of it may be going on.
    public var bound: WorkBound {
        switch self {
        // Two leave cores for everything else on the smallest machine. At 5 ms each the last of 64 waits 160 ms; three times
        // that where all of them are chosen with XEP-0077, which asks for the keys of three digests. People and strangers have 64 each.
        case .passwords: WorkBound(atOnce: 2, waiting: 64)
        // A look at a table; as many as wait in the site.
        case .bytestreams: WorkBound(atOnce: 1, waiting: 256)
        }
    }
}

/// How much work of one kind may be going on; what is beyond is refused at once.
public struct WorkBound: Sendable, Equatable {
    /// Pieces at the same time.
    public var atOnce: Int
    /// Pieces that wait for one of those to end, of one class of parties; half of them of one party alone.
    public var waiting: Int

    /// That many.
    public init(atOnce: Int, waiting: Int) {
        self.atOnce = atOnce
        self.waiting = waiting
    }

    /// Pieces at work and waiting together.
    public var outstanding: Int { atOnce + waiting }
}
