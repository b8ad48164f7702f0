import MartletBus
import MartletPrimitives
import XMPPStreams

/// Which TLS handshakes of those who call us begin when, on one loop.
///
/// A handshake is the dearest thing that can be had for a few bytes by somebody who has said nothing yet: half a millisecond and more. So there are so many
/// in a second, and when more are wanted each address has one in turn. Who waits is not read from, and notices nothing but the wait:
/// after an outage a thousand people are back within two seconds. A core.
struct HandshakeLine {
    /// What becomes of one who wants to begin.
    enum Answer: Equatable {
        case begin
        case wait
        /// Too many wait.
        case refuse
    }

    private enum Group: UInt8, CaseIterable { case caller }

    /// So many at once: people who come to the office in the same moment wait for nothing.
    static let burst = 250
    /// And then one in this time, milliseconds: 500 in a second are between a quarter and half of a core.
    static let interval: Int64 = 2
    /// So many may wait: a burst of connections of a large office. Their time to log in passes meanwhile.
    static let waiting = 2048

    private var tokens = TokenBuckets<Int>(burst: burst, interval: interval, bound: 1)
    private var line = FairLine<Group, RemoteAddress, ConnectionID>(
        Shares(total: 2) { _ in .init(reserved: 0, most: 2) }, waitingPerOwner: waiting, waitingPerGroup: waiting)

    /// Somebody at `address` wants to begin.
    mutating func asked(_ connection: ConnectionID, _ address: RemoteAddress, at now: Instant) -> Answer {
        if line.count == 0, tokens.take(0, at: now) != nil { return .begin }
        return line.add(connection, address, of: .caller) ? .wait : .refuse
    }

    /// Those that may begin now, in turn of their addresses.
    mutating func due(at now: Instant) -> [ConnectionID] {
        var due: [ConnectionID] = []
        while line.count > 0, tokens.take(0, at: now) != nil, let turn = line.next() {
            line.ended(turn.owner, of: turn.group)
            due.append(turn.item)
        }
        return due
    }

    /// Whether somebody waits.
    var isWaitedFor: Bool { line.count > 0 }
}
