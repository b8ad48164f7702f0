import MartletBus
import MartletPrimitives
import NIOCore
import Synchronization
import XMPPStreams

/// How much was begun from each address by connections that have not logged in: TLS handshakes above all, of which a thousand take a
/// second. What is beyond an address's budget waits before it is read, each connection behind the one before.
///
/// A login that succeeds gives back what it took, since its account pays from then on: a whole office behind one address logs in as fast as
/// it likes, and only what never ends in a login is slow. Shared by all loops, like ``ConnectionCensus``.
final class LoginKarma: Sendable {
    private let buckets: Mutex<WorkBuckets<RemoteAddress>>

    /// Addresses that are remembered at most: many times what can be connected.
    private static let addresses = 8192

    /// Nobody has begun anything yet.
    init(_ budget: WorkBudget) { buckets = Mutex(WorkBuckets(budget, bound: Self.addresses)) }

    /// The budget of each address from now on.
    func limit(_ budget: WorkBudget) { buckets.withLock { $0.budget = budget } }

    /// Charges an address for a connection that begins. Returns how long that has to wait before it is read, milliseconds.
    func begin(_ address: RemoteAddress, _ work: Int64) -> Int64 {
        buckets.withLock { $0.charge(address, work, at: Self.now) }
    }

    /// Charges an address for what one of its connections has said, which has waited for its turn. Returns how long it has to wait.
    func goOn(_ address: RemoteAddress, _ work: Int64) -> Int64 {
        buckets.withLock { $0.chargeMore(address, work, at: Self.now) }
    }

    private static var now: Instant { Instant(milliseconds: Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000)) }

    /// Gives back what ended in a login.
    func giveBack(_ address: RemoteAddress, _ work: Int64) { buckets.withLock { $0.giveBack(address, work) } }
}
