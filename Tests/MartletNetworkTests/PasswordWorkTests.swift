import Dispatch
import NIOCore
import NIOPosix
import Testing

@testable import MartletNetwork

@Suite struct PasswordWorkTests {
    @Test("derivations beyond two at work and 64 waiting are refused at once, and taken again when there is room")
    func bound() async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let work = PasswordWork()
        defer { work.stop() }
        let gate = DispatchSemaphore(value: 0)
        let taken = (0..<PasswordWork.threads + PasswordWork.waiting).map { number in
            work.run(on: eventLoop) {
                gate.wait()
                return number
            }
        }
        #expect(taken.allSatisfy { $0 != nil })
        #expect(work.run(on: eventLoop) { 0 } == nil)
        for _ in taken { gate.signal() }
        for (number, future) in taken.enumerated() { #expect(try await future?.get() == number) }
        let again = try #require(work.run(on: eventLoop) { 7 })
        #expect(try await again.get() == 7)
    }
}
