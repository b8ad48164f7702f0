import Logging
import MartletBus
import MartletPrimitives

/// Keeps what strangers can cause at the price of a few bytes from filling the log: of each such kind there are some lines at once, then one in a second,
/// which says how many there were besides.
struct LogBrake {
    /// The kinds of diagnostics of which strangers cause as many as they like.
    private enum Kind: UInt8, CaseIterable {
        case loginRefused, peerRefused, peerAccepted

        init?(_ diagnostic: Diagnostic) {
            switch diagnostic {
            case .loginRefused: self = .loginRefused
            case .peerRefused: self = .peerRefused
            case .peerAccepted: self = .peerAccepted
            default: return nil
            }
        }
    }

    /// Enough for an office on its first day, and for whoever looks for his own mistake.
    static let burst = 50

    private var buckets = TokenBuckets<UInt8>(burst: burst, interval: 1000, bound: Kind.allCases.count)
    private var unsaid = [Int](repeating: 0, count: Kind.allCases.count)

    /// How many were not said before this one; nil where it is not to be said either.
    mutating func admits(_ diagnostic: Diagnostic, at now: Instant) -> Int? {
        guard let kind = Kind(diagnostic) else { return 0 }
        let index = Int(kind.rawValue)
        guard buckets.take(kind.rawValue, at: now) != nil else {
            unsaid[index] += 1
            return nil
        }
        defer { unsaid[index] = 0 }
        return unsaid[index]
    }
}
