import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MartletNetwork

@Suite struct LoopMailboxTests {
    @Test("everything posted arrives once and in order, whatever the threads do")
    func order() async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let seen = Mutex<[Int]>([])
        let done = eventLoop.makePromise(of: Void.self)
        let mailbox = LoopMailbox<Int>(eventLoop: eventLoop) { items in
            let isComplete = seen.withLock { seen in
                seen += items
                return seen.count == 10_000
            }
            if isComplete { done.succeed() }
        }
        for start in stride(from: 0, to: 10_000, by: 10) { mailbox.post(Array(start..<start + 10)) }
        try await done.futureResult.get()
        #expect(seen.withLock { $0 } == Array(0..<10_000))
    }
}
