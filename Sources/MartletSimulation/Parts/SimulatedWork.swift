import MartletBus

/// What a machine does away from its site, on virtual time: as much of each kind at once as on a real one, and no more waits.
struct SimulatedWork {
    /// When each derivation under way or waiting will have ended, earliest first.
    private var passwords: [Int64] = []

    /// How long keys of a password take, milliseconds: PBKDF2 for two digests.
    private static let derivation: Int64 = 10

    /// How long the disk takes for a part of a file, milliseconds.
    private static let disk: Int64 = 5

    /// Begins a piece of work at `now`. Returns when it will be done, or nil where too much waits.
    mutating func begin(_ work: Work, at now: Int64) -> Int64? {
        switch work {
        case .deriveKeys: Self.begin(work.kind.bound, &passwords, Self.derivation, now)
        case .removeFiles, .readFile, .writeCopy, .keepCopy: now + Self.disk
        case .activateBytestream: now
        }
    }

    /// What comes of it.
    static func result(of work: Work) -> WorkResult {
        switch work {
        case .deriveKeys(let password, _): .keys(password.keys())
        case .removeFiles, .writeCopy, .keepCopy: .done
        // Nobody uploads anything there.
        case .readFile: .failed
        // Nobody sends files there.
        case .activateBytestream: .bytestream(.stopped)
        }
    }

    /// First come, first served, and each takes the same time: a piece begins when all but the last few before it have ended.
    private static func begin(_ bound: WorkBound, _ ends: inout [Int64], _ duration: Int64, _ now: Int64) -> Int64? {
        ends.removeAll { $0 <= now }
        guard ends.count < bound.outstanding else { return nil }
        let start = ends.count < bound.atOnce ? now : ends[ends.count - bound.atOnce]
        ends.append(start + duration)
        return start + duration
    }
}
