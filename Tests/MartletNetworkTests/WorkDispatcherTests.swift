import Dispatch
import MartletBus
import Synchronization
import Testing

@testable import MartletNetwork

@Suite struct WorkDispatcherTests {
    private let bound = WorkKind.passwords.bound
    private let password = ChosenPassword(password: [1], sha1Salt: [2], sha256Salt: [3])

    @Test("derivations beyond two at work and 64 waiting are refused at once, and taken again when there is room")
    func refusal() async throws {
        #expect(bound == WorkBound(atOnce: 2, waiting: 64))
        let pool = WorkPool(.passwords)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let (results, continuation) = AsyncStream.makeStream(of: Int?.self)
        for number in 0..<bound.outstanding {
            pool.run {
                gate.wait()
                return number
            } then: {
                continuation.yield($0)
            }
        }
        let refused = Mutex(false)
        pool.run({ 0 }, then: { result in refused.withLock { $0 = result == nil } })
        #expect(refused.withLock { $0 }, "at once")
        for _ in 0..<bound.outstanding { gate.signal() }
        var done: [Int?] = []
        var iterator = results.makeAsyncIterator()
        while done.count < bound.outstanding, let result = await iterator.next() { done.append(result) }
        #expect(done.compactMap { $0 }.sorted() == Array(0..<bound.outstanding))
        pool.run({ 7 }, then: { continuation.yield($0) })
        #expect(await iterator.next() == .some(7))
    }

    @Test("the site is told what came of its work, also where it is not done")
    func answers() async {
        let recorder = Recorder()
        let work = WorkDispatcher(site: recorder)
        work.begin(WorkID(1), .deriveKeys(password))
        #expect(await result(1, recorder) == .keys(password.keys()))
        let gate = DispatchSemaphore(value: 0)
        for _ in 0..<bound.outstanding { work.passwords.run({ gate.wait() }, then: { _ in }) }
        work.begin(WorkID(2), .deriveKeys(password))
        #expect(await result(2, recorder) == .refused, "PLAIN and the site share one bound")
        for _ in 0..<bound.outstanding { gate.signal() }
        work.stop()
        work.begin(WorkID(3), .deriveKeys(password))
        #expect(await result(3, recorder) == .refused)
    }

    private func result(_ number: UInt64, _ recorder: Recorder) async -> WorkResult {
        await recorder.first { event in
            if case .workDone(WorkID(number), let result) = event { result } else { nil }
        }
    }
}
