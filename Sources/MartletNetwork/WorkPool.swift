import MartletBus
import MartletPrimitives
import NIOPosix
import Synchronization

/// The threads for one kind of work, and its bound: people's work before strangers', and among these one piece for each in turn, so that
/// whoever floods it waits behind himself.
final class WorkPool: Sendable {
    /// Does the work, or only says that it is not done.
    private typealias Job = @Sendable (_ isDone: Bool) -> Void

    private let pool: NIOThreadPool
    private let line: Mutex<FairLine<Standing, Party, Job>>

    /// Threads for `kind`.
    init(_ kind: WorkKind) {
        let bound = kind.bound
        pool = NIOThreadPool(numberOfThreads: bound.atOnce)
        pool.start()
        // Twice as many are handed over as are worked at: one party alone, which gets half, keeps all threads busy.
        let shares = Shares<Standing, Party>(total: 2 * bound.atOnce) { _ in .init(reserved: 0, most: 2 * bound.atOnce) }
        line = Mutex(FairLine(shares, waitingPerOwner: bound.waiting, waitingPerGroup: bound.waiting))
    }

    /// Does `work` for `cause` on one of the threads, and calls `then` there with what came of it. Where too much waits `then` gets `nil`,
    /// at once and on the caller's thread; where the threads end before its turn, `nil` too.
    func run<Result: Sendable>(
        for cause: Cause, _ work: @escaping @Sendable () -> Result, then: @escaping @Sendable (Result?) -> Void
    ) {
        let isTaken = line.withLock { $0.add({ then($0 ? work() : nil) }, cause.party, of: cause.standing) }
        guard isTaken else { return then(nil) }
        handOver()
    }

    private func handOver() {
        while let turn = line.withLock({ $0.next() }) {
            pool.submit { [self] state in
                turn.item(state == .active)
                line.withLock { $0.ended(turn.owner, of: turn.group) }
                handOver()
            }
        }
    }

    /// Ends the threads; what waits is not done.
    func stop() {
        for job in line.withLock({ $0.removeAll() }) { job(false) }
        pool.shutdownGracefully { _ in }
    }
}
