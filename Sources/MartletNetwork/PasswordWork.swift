import MartletCrypto
import NIOCore
import NIOPosix
import Synchronization

/// Derives SCRAM keys from passwords away from the event loops, those of PLAIN and those that are chosen with XEP-0077: two at
/// a time, 64 waiting.
///
/// A derivation is milliseconds of CPU that a stranger can ask for; bounded like this a flood of logins slows logins down
/// and nothing else.
final class PasswordWork: Sendable {
    /// Derivations at the same time: leaves cores for everything else on the smallest machine.
    static let threads = 2
    /// Derivations waiting: at 5 ms each the last one waits 160 ms; twice that where all of them are chosen with XEP-0077, which
    /// asks for the keys of two digests.
    static let waiting = 64

    private let pool = NIOThreadPool(numberOfThreads: PasswordWork.threads)
    private let outstanding = Atomic<Int>(0)

    init() {
        pool.start()
    }

    /// Runs `work`, or returns `nil` at once where too much waits.
    func run<Result: Sendable>(
        on eventLoop: any EventLoop, _ work: @escaping @Sendable () -> Result
    ) -> EventLoopFuture<Result>? {
        guard outstanding.add(1, ordering: .relaxed).newValue <= Self.threads + Self.waiting else {
            outstanding.subtract(1, ordering: .relaxed)
            return nil
        }
        return pool.runIfActive(eventLoop: eventLoop) { [self] in
            defer { outstanding.subtract(1, ordering: .relaxed) }
            return work()
        }
    }

    /// Ends the threads; what waits is not done.
    func stop() {
        pool.shutdownGracefully { _ in }
    }
}
