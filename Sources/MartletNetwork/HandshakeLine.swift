import MartletBus
import MartletPrimitives
import XMPPStreams

/// Which TLS handshakes of those who call us begin when, on one loop.
///
/// A handshake is the dearest thing that can be had for a few bytes by somebody who has said nothing yet: half a millisecond and more. So there are so many
/// in a second, and when more are wanted each address has one in turn; those of addresses from which offices and people came lately
/// (``Acquaintances``) are counted apart. Who waits is not read from, and notices nothing but the wait. A core.
struct HandshakeLine {
    /// What becomes of one who wants to begin.
    enum Answer: Equatable {
        case begin
        case wait
        /// Too many wait.
        case refuse
    }

    private enum Group: UInt8, CaseIterable { case caller }

    /// A line with its own pace.
    private struct Line {
        var tokens: TokenBuckets<Int>
        var waiting = FairLine<Group, RemoteAddress, ConnectionID>(
            Shares(total: 2) { _ in .init(reserved: 0, most: 2) }, waitingPerOwner: HandshakeLine.waiting,
            waitingPerGroup: HandshakeLine.waiting)
    }

    /// So many at once: people who come to the office in the same moment wait for nothing.
    static let burst = 250
    /// And then one in this time, milliseconds, of strangers: 250 in a second are an eighth of a core. After a start everybody is one: two
    /// thousand people are back within seven seconds.
    static let interval: Int64 = 4
    /// The same of those who come from where somebody came before: a thousand are back within two seconds.
    static let familiarInterval: Int64 = 2
    /// So many may wait: a burst of connections of a large office. Their time to log in passes meanwhile.
    static let waiting = 2048

    private var familiar: Line
    private var strange: Line

    /// The line of one of so many loops.
    init(loops: Int = 1) {
        let loops = max(1, loops)
        func tokens(_ interval: Int64) -> TokenBuckets<Int> {
            TokenBuckets(burst: max(1, Self.burst / loops), interval: interval * Int64(loops), bound: 1)
        }
        familiar = Line(tokens: tokens(Self.familiarInterval))
        strange = Line(tokens: tokens(Self.interval))
    }

    /// Somebody at `address` wants to begin.
    mutating func asked(
        _ connection: ConnectionID, _ address: RemoteAddress, isFamiliar: Bool = false, at now: Instant
    ) -> Answer {
        isFamiliar ? Self.ask(connection, address, &familiar, now) : Self.ask(connection, address, &strange, now)
    }

    private static func ask(
        _ connection: ConnectionID, _ address: RemoteAddress, _ line: inout Line, _ now: Instant
    ) -> Answer {
        if line.waiting.count == 0, line.tokens.take(0, at: now) != nil { return .begin }
        return line.waiting.add(connection, address, of: .caller) ? .wait : .refuse
    }

    /// Those that may begin now, in turn of their addresses. Who is not there any more takes nobody's turn.
    mutating func due(at now: Instant, isThere: (ConnectionID) -> Bool = { _ in true }) -> [ConnectionID] {
        Self.due(&familiar, now, isThere) + Self.due(&strange, now, isThere)
    }

    private static func due(_ line: inout Line, _ now: Instant, _ isThere: (ConnectionID) -> Bool) -> [ConnectionID] {
        var due: [ConnectionID] = []
        while line.tokens.wait(0, at: now) == 0, let turn = line.waiting.next() {
            line.waiting.ended(turn.owner, of: turn.group)
            guard isThere(turn.item) else { continue }
            _ = line.tokens.take(0, at: now)
            due.append(turn.item)
        }
        return due
    }

    /// Whether somebody waits.
    var isWaitedFor: Bool { familiar.waiting.count > 0 || strange.waiting.count > 0 }
}
