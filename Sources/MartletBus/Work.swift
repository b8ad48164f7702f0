import MartletStore

/// Names a piece of work, from ``Effect/work(_:_:)`` to ``SiteEvent/workDone(_:_:)``.
public struct WorkID: Hashable, Sendable {
    /// Counts from 1 since the start.
    public var value: UInt64
    /// The piece of that number.
    public init(_ value: UInt64) { self.value = value }

    /// Those of files and of bytestreams have numbers of their own.
    public static func files(_ number: UInt64) -> WorkID { WorkID(number | 1 << 62) }
    /// Whether it is one of files.
    public var isOfFiles: Bool { value >> 62 == 1 }
    /// Those of bytestreams.
    public static func bytestream(_ number: UInt64) -> WorkID { WorkID(number | 1 << 63) }
}

/// Everything slow that a site wants done elsewhere: it goes on meanwhile, and is told once. A restart forgets what was under
/// way.
public enum Work: Sendable, Equatable {
    /// The keys of a password, because of somebody; ends in ``WorkResult/keys(_:)``.
    case deriveKeys(ChosenPassword, for: Cause)
    /// Files that nobody needs any more go from the disk; ends in ``WorkResult/done``.
    case removeFiles([UploadToken])
    /// A part of a file for another office, as base64; ends in ``WorkResult/part(_:)``. Less than was asked for comes at the end of a file.
    case readFile(UploadToken, offset: UInt64, count: Int, for: Cause)
    /// A part of a copy, as base64, behind what is there; at its start what is there goes. Ends in ``WorkResult/done``.
    case writeCopy(UploadToken, offset: UInt64, [UInt8])
    /// A copy has all its bytes: it is named and safe if it has that SHA-256. Ends in ``WorkResult/done``.
    case keepCopy(UploadToken, digest: [UInt8])
    /// A bytestream begins; ends in ``WorkResult/bytestream(_:)``.
    case activateBytestream(BytestreamActivation)

    /// Which bound it counts against.
    public var kind: WorkKind {
        switch self {
        case .deriveKeys: .passwords
        case .removeFiles, .readFile, .writeCopy, .keepCopy: .files
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
    /// It was done.
    case done
    /// It could not be done: the file is not there, or the disk has refused.
    case failed
    /// A part of a file, as base64.
    case part([UInt8])
    /// A bytestream runs, or why not.
    case bytestream(BytestreamOutcome)
}

/// The kinds of work. Each has threads and a queue of its own: a flood of one kind slows that kind down and nothing else.
public enum WorkKind: Sendable, CaseIterable {
    /// Deriving keys from passwords: milliseconds of CPU that a stranger can ask for. What the streams themselves derive for
    /// PLAIN counts too.
    case passwords
    /// Files: what waits for the disk.
    case files
    /// Looking for a bytestream among those of the proxy.
    case bytestreams

    /// How much of it may be going on.
    public var bound: WorkBound {
        switch self {
        // Two leave cores for everything else on the smallest machine. At 5 ms each the last of 64 waits 160 ms; three times
        // that where all of them are chosen with XEP-0077, which asks for the keys of three digests. People and strangers have 64 each.
        case .passwords: WorkBound(atOnce: 2, waiting: 64)
        // A disk does two things at once well. What waits is small: parts of copies, one of each office, and names to be removed.
        case .files: WorkBound(atOnce: 2, waiting: 256)
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
