import MartletPrimitives
import NIOCore
import Synchronization
import XMPPAddress
import XMPPStreams

/// The accepted connections of all loops (``Berths``), and how each is closed that has to give way.
final class ConnectionCensus: Sendable {
    private struct State {
        var berths: Berths
        /// How a connection is told to go. Look-up only.
        var endings: [Berths.Number: @Sendable () -> Void] = [:]
        /// Refused since the last one that was mentioned.
        var unmentioned = 0
        var mentioned: NIODeadline?
    }

    private let state: Mutex<State>

    /// A census with these limits.
    init(total: Int, perAddress: Int) {
        state = Mutex(State(berths: Berths(total: total, perAddress: perAddress)))
    }

    /// Changes the limit per address for connections to come.
    func limit(perAddress: Int) {
        state.withLock { $0.berths.perAddress = perAddress }
    }

    private static var now: Instant { Instant(milliseconds: Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000)) }

    /// Counts a connection in, or says why it may not stay. `end` is called, on any thread, when it has to give way.
    func enter(
        _ address: RemoteAddress, isServer: Bool, end: @escaping @Sendable () -> Void
    ) -> Result<Berths.Number, BerthRefusal> {
        let (result, ending) = state.withLock { state -> (Result<Berths.Number, BerthRefusal>, (@Sendable () -> Void)?) in
            switch state.berths.entered(address, isServer: isServer, at: Self.now) {
            case .admitted(let number, let other):
                state.endings[number] = end
                return (.success(number), other.flatMap { state.endings.removeValue(forKey: $0) })
            case .refused(let refusal): return (.failure(BerthRefusal(refusal)), nil)
            }
        }
        ending?()
        return result
    }

    /// The connection belongs to somebody from now on.
    func proved(_ number: Berths.Number, _ group: Berths.Group, _ name: JID) {
        state.withLock { $0.berths.proved(number, group, name) }
    }

    /// Somebody is at an address.
    func met(_ name: JID, at address: RemoteAddress, _ group: Berths.Group) {
        state.withLock { $0.berths.met(name, at: address, group) }
    }

    /// Whether an office, or one of our people, came from there lately.
    func isFamiliar(_ address: RemoteAddress, isServer: Bool) -> Bool {
        state.withLock { $0.berths.isFamiliar(address, isServer: isServer) }
    }

    /// Counts a refusal; the number of refusals to be logged now: a flood of connections is not to become a flood of lines.
    func refusalsToMention(at now: NIODeadline = .now()) -> Int? {
        state.withLock { state in
            state.unmentioned += 1
            if let last = state.mentioned, now - last < .seconds(1) { return nil }
            state.mentioned = now
            defer { state.unmentioned = 0 }
            return state.unmentioned
        }
    }

    /// Counts a connection out that was counted in.
    func leave(_ number: Berths.Number) {
        state.withLock { state in
            state.berths.left(number)
            state.endings[number] = nil
        }
    }

    /// How many are in, those who were told to go not counted.
    var total: Int { state.withLock { $0.berths.count } }
}

/// A connection may not stay.
struct BerthRefusal: Error, Equatable, CustomStringConvertible {
    let reason: Berths.Refusal

    init(_ reason: Berths.Refusal) { self.reason = reason }

    var description: String { reason.words }
}
