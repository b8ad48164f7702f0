import MartletBus
import NIOPosix
import Synchronization

/// The threads for one kind of work, and its bound.
final class WorkPool: Sendable {
    private let bound: WorkBound
    private let pool: NIOThreadPool
    private let outstanding = Atomic<Int>(0)

    /// Threads for `kind`.
    init(_ kind: WorkKind) {
        bound = kind.bound
        pool = NIOThreadPool(numberOfThreads: bound.atOnce)
        pool.start()
    }

    /// Does `work` on one of the threads, and calls `then` there with what came of it. Where too much waits `then` gets `nil`,
    /// at once and on the caller's thread; where the threads end before its turn, `nil` too.
    func run<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result, then: @escaping @Sendable (Result?) -> Void
    ) {
        guard outstanding.add(1, ordering: .relaxed).newValue <= bound.outstanding else {
            outstanding.subtract(1, ordering: .relaxed)
            return then(nil)
        }
        pool.submit { [self] state in
            let result = state == .active ? work() : nil
            outstanding.subtract(1, ordering: .relaxed)
            then(result)
        }
    }

    /// Ends the threads; what waits is not done.
    func stop() {
        pool.shutdownGracefully { _ in }
    }
}
