import MartletPrimitives
import XMPPStreams

/// What attempts and streams have taught about how a peer is reached. Owned by its ``PeerLink``.
struct Reach: Equatable {
    /// We were never let in, and configuration does not name the peer: it may not exist at all.
    private(set) var isStranger: Bool
    /// Pauses in a row that led to nothing.
    private(set) var failures = 0
    /// Attempts in a row in which DNS said that the domain does not exist.
    private(set) var absences = 0
    /// The last attempt failed. While that is so, a stream that the peer opened is used where there is one (XEP-0288).
    private(set) var cannotBeDialled = false
    /// Why the last attempt or stream failed, for the operator; empty after an attempt that succeeded.
    private(set) var lastError = ""

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
    mutating func heard() { failures = 0 }

    /// Nothing is tried for the moment.
    mutating func rested(after reason: String) { lastError = reason }

    /// A pause begins before the next attempt.
    mutating func pauseBegan(after reason: String) {
        failures += 1
        lastError = reason
    }

    /// Nobody waits for the peer any more.
    mutating func gaveUp(_ reason: String) {
        absences = 0
        failures = 0
        lastError = reason
    }

    /// How long to wait before the next attempt, milliseconds, with jitter: in the second half of a pause that doubles from
    /// `minimum` up to `maximum`. `draw` is any random number.
    func pause(from minimum: Int64, upTo maximum: Int64, draw: UInt64) -> Int64 {
        let base = min(minimum << Int64(min(failures, 20)), maximum)
        return base / 2 + Int64(draw % UInt64(max(base / 2, 1)))
    }
}
