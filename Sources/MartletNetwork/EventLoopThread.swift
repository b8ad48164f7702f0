import MartletRuntime
import NIOCore
import NIOPosix

/// A site's thread that is an event loop: the one that carries the connections, or one of its own.
public struct EventLoopThread: SiteThread {
    private let eventLoop: any EventLoop
    /// What has no other owner.
    private let group: MultiThreadedEventLoopGroup?

    /// The thread of that event loop.
    public init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        group = nil
    }

    /// A thread of its own, for a site without network; ``end()`` ends it.
    public init() {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        eventLoop = group.next()
        self.group = group
    }

    /// Ends a thread that was made here, after its site.
    public func end() {
        try? group?.syncShutdownGracefully()
    }

    /// Calls `work` soon, never from within this call.
    public func execute(_ work: @escaping @Sendable () -> Void) {
        eventLoop.execute(work)
    }

    /// Calls `work` after that many milliseconds; never before the loop has looked at its sockets, which work that is due
    /// again and again would otherwise starve.
    public func schedule(after milliseconds: Int64, _ work: @escaping @Sendable () -> Void) {
        eventLoop.scheduleTask(in: milliseconds > 0 ? .milliseconds(milliseconds) : Self.nextRound, work)
    }

    /// Longer than the loop needs to find that nothing else is due.
    private static let nextRound = TimeAmount.microseconds(50)
}
