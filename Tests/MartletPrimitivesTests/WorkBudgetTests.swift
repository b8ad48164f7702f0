import MartletPrimitives
import Testing

@Suite struct WorkBudgetTests {
    /// A tenth of the time, a second's worth at once.
    private let budget = WorkBudget(perSecond: 100_000, burst: 100_000, longestRest: 5000)
    private func at(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }

    @Test("a burst is free; what goes beyond is a debt, which is paid at the budget's pace")
    func debt() {
        var bucket = WorkBucket()
        #expect(bucket.charge(60_000, to: budget, at: at(1000)) == 0)
        #expect(bucket.charge(40_000, to: budget, at: at(1000)) == 0)
        #expect(bucket.charge(20_000, to: budget, at: at(1000)) == 200)
        #expect(bucket.rest(budget, at: at(1150)) == 50)
        #expect(bucket.rest(budget, at: at(1200)) == 0)
        // Nothing was saved up: the next piece is a debt again.
        #expect(bucket.charge(1000, to: budget, at: at(1200)) == 10)
    }

    @Test(
        "over any time somebody gets the burst and the budget's part of the time, whatever the pieces",
        arguments: [50, 3000, 90_000])
    func pace(piece: Int64) {
        var bucket = WorkBucket()
        var (now, done) = (at(0), Int64(0))
        while now < at(60_000) {
            done += piece
            now = now + bucket.charge(piece, to: budget, at: now)
        }
        #expect(done >= 60 * 100_000)
        #expect(done <= 61 * 100_000 + 2 * piece)
    }

    @Test("no debt is remembered that takes longer to pay than the longest rest")
    func longest() {
        var bucket = WorkBucket()
        #expect(bucket.charge(1 << 40, to: budget, at: at(0)) == 5000)
        #expect(bucket.charge(1, to: budget, at: at(0)) == 5000)
        #expect(bucket.rest(budget, at: at(5000)) == 0)
    }

    @Test("those of one owner queue for their turns; who had his waits for himself only; what ended well is given back")
    func buckets() {
        var buckets = WorkBuckets<String>(WorkBudget(perSecond: 5000, burst: 10_000, longestRest: 20_000), bound: 4)
        let waits = (0..<15).map { _ in buckets.charge("192.0.2.1", 1000, at: at(0)) }
        #expect(waits == Array(repeating: 0, count: 10) + [200, 400, 600, 800, 1000])
        let more = buckets.chargeMore("192.0.2.1", 50, at: at(0))
        #expect(more == 10)
        let other = buckets.charge("192.0.2.2", 1000, at: at(0))
        #expect(other == 0)
        buckets.giveBack("192.0.2.1", 10_000)
        let again = buckets.charge("192.0.2.1", 1000, at: at(0))
        #expect(again == 0)
        for number in 0..<1000 { _ = buckets.charge("name \(number)", 1, at: at(10)) }
        #expect(buckets.count <= 5)
    }

    @Test("after a pause the bucket is full and holds no more than a burst; what is given back was never taken")
    func pause() {
        var bucket = WorkBucket()
        #expect(bucket.isFull(at: at(0)))
        _ = bucket.charge(150_000, to: budget, at: at(0))
        #expect(!bucket.isFull(at: at(1499)))
        #expect(bucket.isFull(at: at(1500)))
        #expect(bucket.charge(100_000, to: budget, at: at(100_000)) == 0)
        #expect(bucket.charge(10_000, to: budget, at: at(100_000)) == 100)
        bucket.giveBack(50_000, to: budget)
        #expect(bucket.rest(budget, at: at(100_000)) == 0)
        #expect(bucket.charge(40_000, to: budget, at: at(100_000)) == 0)
    }
}
