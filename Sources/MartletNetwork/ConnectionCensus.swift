import MartletPrimitives
import NIOCore
import Synchronization
import XMPPStreams

/// Counts accepted connections, in all and per remote address, so that one machine cannot take every descriptor.
final class ConnectionCensus: Sendable {
    /// Why a connection is not accepted.
    enum Refusal: Equatable, Sendable {
        case full
        case addressFull

        /// For the log, naming what to change.
        var words: String {
            switch self {
            case .full: "the descriptor limit leaves no room"
            case .addressFull: "limits.connections_per_address"
            }
        }
    }

    private struct Counts {
        var total = 0
        /// Refused since the last one that was mentioned.
        var unmentioned = 0
        var mentioned: NIODeadline?
        var perAddress: [RemoteAddress: Int] = [:]
    }

    private let counts = Mutex(Counts())
    private let limits: Mutex<(total: Int, perAddress: Int)>

    /// A census with these limits.
    init(total: Int, perAddress: Int) {
        limits = Mutex((total, perAddress))
    }

    /// Changes the limit per address for connections to come.
    func limit(perAddress: Int) {
        limits.withLock { $0.perAddress = perAddress }
    }

    /// Counts a connection in, or says why it may not stay.
    func enter(_ address: RemoteAddress) -> Refusal? {
        let limits = limits.withLock { $0 }
        return counts.withLock { counts in
            if counts.total >= limits.total { return .full }
            let present = counts.perAddress[address, default: 0]
            if present >= limits.perAddress { return .addressFull }
            counts.total += 1
            counts.perAddress[address] = present + 1
            return nil
        }
    }

    /// Counts a refusal; the number of refusals to be logged now: a flood of connections is not to become a flood of lines.
    func refusalsToMention(at now: NIODeadline = .now()) -> Int? {
        counts.withLock { counts in
            counts.unmentioned += 1
            if let last = counts.mentioned, now - last < .seconds(1) { return nil }
            counts.mentioned = now
            defer { counts.unmentioned = 0 }
            return counts.unmentioned
        }
    }

    /// Counts a connection out that was counted in.
    func leave(_ address: RemoteAddress) {
        counts.withLock { counts in
            counts.total -= 1
            let rest = counts.perAddress[address, default: 1] - 1
            counts.perAddress[address] = rest > 0 ? rest : nil
        }
    }

    /// How many are in.
    var total: Int { counts.withLock(\.total) }
}
