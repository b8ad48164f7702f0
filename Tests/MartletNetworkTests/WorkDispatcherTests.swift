import Dispatch
import MartletBus
import MartletStore
import Synchronization
import Testing
import XMPPStreams

@testable import MartletNetwork

@Suite struct WorkDispatcherTests {
    private let bound = WorkKind.passwords.bound
    private let password = ChosenPassword(password: [1], sha1Salt: [2], sha256Salt: [3], sha512Salt: [4])

    private func stranger(_ number: Int) -> Cause { Cause(.stranger, .address(RemoteAddress("192.0.2.\(number)"))) }
    private let person = Cause(.person, .account(AddressNumber(1)))

    @Test(
        "derivations beyond two at work and 64 waiting are refused at once, half of them of one address, and people have their own"
    )
    func refusal() async throws {
        #expect(bound == WorkBound(atOnce: 2, waiting: 64))
        let pool = WorkPool(.passwords)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let (results, continuation) = AsyncStream.makeStream(of: Int?.self)
        let refused = Mutex(0)
        let taken = Mutex(0)
        func ask(_ cause: Cause, _ number: Int) {
            pool.run(for: cause) {
                gate.wait()
                return number
            } then: { result in
                if result == nil { refused.withLock { $0 += 1 } } else { taken.withLock { $0 += 1 } }
                continuation.yield(result)
            }
        }
        for number in 0..<100 { ask(stranger(1), number) }
        #expect(refused.withLock { $0 } == 100 - 34, "two handed over, half of the line")
        ask(stranger(2), 1)
        for number in 3..<100 { ask(stranger(number), number) }
        let before = refused.withLock { $0 }
        ask(stranger(100), 1)
        #expect(refused.withLock { $0 } == before + 1, "at once")
        ask(person, 1000)
        #expect(refused.withLock { $0 } == before + 1, "strangers take no place of people")
        for _ in 0..<200 { gate.signal() }
        let all = 100 + 1 + 97 + 1 + 1
        var done: [Int?] = []
        var iterator = results.makeAsyncIterator()
        while done.count < all, let result = await iterator.next() { done.append(result) }
        #expect(taken.withLock { $0 } == 4 + 64 + 1)
        pool.run(for: stranger(1), { 7 }, then: { continuation.yield($0) })
        #expect(await iterator.next() == .some(7))
    }

    @Test("whoever floods the line waits behind himself")
    func turns() async throws {
        let pool = WorkPool(.passwords)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let order = Mutex<[Int]>([])
        let (results, continuation) = AsyncStream.makeStream(of: Int?.self)
        for number in 0..<30 {
            pool.run(for: stranger(1)) {
                gate.wait()
                order.withLock { $0.append(number) }
                return number
            } then: {
                continuation.yield($0)
            }
        }
        pool.run(for: stranger(2), { order.withLock { $0.append(1000) } }, then: { _ in continuation.yield(1000) })
        for _ in 0..<30 { gate.signal() }
        var iterator = results.makeAsyncIterator()
        for _ in 0..<31 { _ = await iterator.next() }
        let place = try #require(order.withLock { $0.firstIndex(of: 1000) })
        #expect(place < 8, "\(place)")
    }

    @Test("the site is told what came of its work, also where it is not done")
    func answers() async {
        let recorder = Recorder()
        let work = WorkDispatcher(site: recorder)
        work.begin(WorkID(1), .deriveKeys(password, for: stranger(1)))
        #expect(await result(1, recorder) == .keys(password.keys()))
        let gate = DispatchSemaphore(value: 0)
        for number in 0..<200 { work.passwords.run(for: stranger(number), { gate.wait() }, then: { _ in }) }
        work.begin(WorkID(2), .deriveKeys(password, for: stranger(1)))
        #expect(await result(2, recorder) == .refused, "PLAIN and the site share one bound")
        for _ in 0..<200 { gate.signal() }
        work.stop()
        work.begin(WorkID(3), .deriveKeys(password, for: stranger(1)))
        #expect(await result(3, recorder) == .refused)
    }

    private func result(_ number: UInt64, _ recorder: Recorder) async -> WorkResult {
        await recorder.first { event in
            if case .workDone(WorkID(number), let result) = event { result } else { nil }
        }
    }
}
