import MartletPrimitives
import XMPPStreams

/// What a pause follows.
enum Setback: Equatable {
    /// Nothing came from the peer.
    case noAnswer
    /// The peer was there, and would have nothing to do with us.
    case rebuff
    /// A stream that had only just begun is lost: everything that a new one costs both sides was for little.
    case shortLife
    /// A stream is lost that was good for some time.
    case loss
}

/// What attempts and streams have taught about how a peer is reached. Owned by its ``PeerLink``.
struct Reach: Equatable {
    /// We were never let in, and configuration does not name the peer: it may not exist at all.
    private(set) var isStranger: Bool
    /// Pauses in a row that led to nothing.
    private(set) var failures = 0
    /// Times in a row that the peer was there and would have nothing to do with us.
    private(set) var rebuffs = 0
    /// Streams in a row that were lost when they had only just begun.
    private(set) var shortLives = 0
    /// Attempts in a row in which DNS said that the domain does not exist.
    private(set) var absences = 0
    /// The last attempt failed. While that is so, a stream that the peer opened is used where there is one (XEP-0288).
    private(set) var cannotBeDialled = false
    /// Why the last attempt or stream failed, for the operator; empty after an attempt that succeeded.
    private(set) var lastError = ""

    /// The longest pause before a stream to an office follows one that was lost at once, milliseconds.
    private static let pauseWhileFlapping: Int64 = 5000

    /// Of a peer to which nothing has happened yet.
    init(isStranger: Bool) {
        self.isStranger = isStranger
    }

    /// Configuration names the peer, or it was reached before.
    mutating func becameKnown() { isStranger = false }

    /// An attempt failed.
    mutating func attemptFailed(_ failure: DialFailure) {
        cannotBeDialled = true
        lastError = failure.words
        switch failure {
        case .noSuchDomain: absences += 1
        case .serviceNotOffered: break
        case .unreachable, .refused: absences = 0
        }
    }

    /// A stream is authenticated, which says that the peer exists, whoever opened it; only one of ours says that it can be
    /// dialled.
    mutating func streamBegan(openedBy opener: LinkStream.Opener) {
        absences = 0
        isStranger = false
        guard opener == .us else { return }
        cannotBeDialled = false
        lastError = ""
    }

    /// The peer gave a sign of life.
    mutating func heard() {
        failures = 0
        rebuffs = 0
    }

    /// Nothing is tried for the moment.
    mutating func rested(after reason: String) { lastError = reason }

    /// A pause begins before the next attempt.
    mutating func pauseBegan(after reason: String, _ setback: Setback) {
        failures += 1
        lastError = reason
        switch setback {
        case .noAnswer: break
        case .rebuff: rebuffs += 1
        case .shortLife: shortLives += 1
        case .loss: shortLives = 0
        }
    }

    /// Nobody waits for the peer any more.
    mutating func gaveUp(_ reason: String) {
        absences = 0
        failures = 0
        rebuffs = 0
        lastError = reason
    }

    /// How long the next attempt to reach an office may hang, milliseconds. Every fourth time in a row as long as any: its line
    /// may have become slower than what is known of it.
    func patience(of pace: LinePace) -> Int64 {
        failures % 4 == 3 ? LinePace.longestConnect : pace.connectPatience
    }

    /// How long to wait before the next attempt, milliseconds, with jitter: in the second half of a pause that doubles from
    /// `minimum` up to `maximum`. For one of our offices only while it is there and will not have us: one that does not answer
    /// is called all the time, so that it is reached when its line is back; and one whose line flaps, which costs everybody's
    /// presence each time, nearly so. `draw` is any random number.
    func pause(
        from minimum: Int64, upTo maximum: Int64, isOffice: Bool = false, after setback: Setback = .noAnswer, draw: UInt64
    ) -> Int64 {
        func doubled(_ times: Int, _ limit: Int64) -> Int64 { min(minimum << Int64(min(times, 20)), limit) }
        let base =
            switch setback {
            case _ where !isOffice: doubled(failures, maximum)
            case .noAnswer, .loss: min(minimum, maximum)
            case .rebuff: doubled(rebuffs, maximum)
            case .shortLife: doubled(shortLives, min(maximum, max(minimum, Self.pauseWhileFlapping)))
            }
        return base / 2 + Int64(draw % UInt64(max(base / 2, 1)))
    }
}
