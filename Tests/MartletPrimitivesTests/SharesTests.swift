import MartletPrimitives
import Testing

/// For what changes as it answers, which `#expect` takes no part in.
private func check(_ isSo: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isSo, sourceLocation: sourceLocation)
}

private enum Group: UInt8, CaseIterable { case office, person, stranger }

@Suite struct SharesTests {
    private static func shares() -> Shares<Group, Int> {
        Shares(total: 32) { group in
            switch group {
            case .office: .init(reserved: 8, most: 32)
            case .person: .init(reserved: 8, most: 20)
            case .stranger: .init(reserved: 4, most: 10)
            }
        }
    }

    @Test("one party never takes a group: alone it gets half of what there is, and there is something left for who comes next")
    func oneParty() {
        var shares = Self.shares()
        var count = 0
        while shares.take(1, of: .stranger) { count += 1 }
        #expect(count == 5)
        check(shares.take(2, of: .stranger))
    }

    @Test("however many strangers there are, what is reserved for others is there, and strangers keep their bound")
    func manyStrangers() {
        var shares = Self.shares()
        for party in 0..<1000 { _ = shares.take(party, of: .stranger) }
        #expect(shares.taken(by: .stranger) == 10)
        for party in 0..<1000 { _ = shares.take(party, of: .person) }
        #expect(shares.taken(by: .person) == 14)
        for party in 0..<8 { check(shares.take(party, of: .office)) }
        check(!shares.take(100, of: .office))
        #expect(shares.taken == 32)
    }

    @Test("in whatever order things begin and end: nobody has more than is his, what is reserved can be had, and nothing leaks")
    func anyOrder() {
        for seed in 0..<200 as Range<UInt64> {
            var random = RandomStream(seed: seed)
            var shares = Self.shares()
            var held: [(Int, Group)] = []
            for _ in 0..<400 {
                let group = Group.allCases.randomElement(using: &random) ?? .office
                let party = Int.random(in: 0..<12, using: &random)
                if Bool.random(using: &random), let index = held.indices.randomElement(using: &random) {
                    let (party, group) = held.remove(at: index)
                    shares.giveBack(party, of: group)
                } else if shares.take(party, of: group) {
                    held.append((party, group))
                }
                #expect(shares.taken == held.count && shares.taken <= shares.total)
                #expect(shares.taken(by: .stranger) <= 10 && shares.taken(by: .person) <= 20)
                for (group, reserved) in [(Group.office, 8), (.person, 8), (.stranger, 4)]
                where shares.taken(by: group) < reserved {
                    // Somebody who has nothing yet gets what is reserved.
                    #expect(shares.admits(-1, of: group))
                }
            }
            for (party, group) in held { shares.giveBack(party, of: group) }
            #expect(shares.taken == 0 && shares.holders == 0)
        }
    }
}

@Suite struct FairLineTests {
    private static func line(atOnce: Int = 2) -> FairLine<Group, Int, Int> {
        FairLine(
            Shares(total: atOnce + 2) { group in
                group == .office ? .init(reserved: 2, most: atOnce + 2) : .init(reserved: 0, most: atOnce)
            }, waitingPerOwner: 50, waitingPerGroup: 100)
    }

    @Test("who comes with one waits for one of each other party, not for all that somebody has asked for")
    func turns() {
        var line = Self.line()
        for item in 0..<40 { check(line.add(item, 1, of: .stranger)) }
        var order: [Int] = []
        let first = line.next()
        order.append(first?.item ?? -1)
        check(line.add(1000, 2, of: .stranger))
        check(line.add(2000, 3, of: .stranger))
        line.ended(1, of: .stranger)
        while let turn = line.next() {
            order.append(turn.item)
            line.ended(turn.owner, of: turn.group)
        }
        #expect(order.prefix(4) == [0, 1, 1000, 2000])
        #expect(order.count == 42)
        #expect(line.count == 0 && line.shares.taken == 0)
    }

    @Test("offices go first, and find their part free while strangers wait")
    func offices() {
        var line = Self.line()
        for party in 0..<50 { _ = line.add(party, party, of: .stranger) }
        while line.next() != nil {}
        #expect(line.shares.taken(by: .stranger) == 2)
        check(line.add(-1, 1, of: .office))
        let next = line.next()
        #expect(next?.group == .office)
    }

    @Test("one party does not fill the line of its group, and a full line says so")
    func full() {
        var line = Self.line()
        var count = 0
        while line.add(0, 1, of: .stranger) { count += 1 }
        #expect(count == 50)
        check(line.add(0, 2, of: .stranger))
        for party in 3..<1000 { _ = line.add(0, party, of: .stranger) }
        check(!line.add(0, 1000, of: .stranger))
        #expect(line.count == 100)
        let left = line.removeAll().count
        let next = line.next()
        #expect(left == 100 && line.count == 0 && next == nil)
    }
}

@Suite struct TokenBucketsTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }

    @Test("a burst at once, then one in each interval; others do not feel it")
    func burst() {
        var buckets = TokenBuckets<Int>(burst: 3, interval: 100, bound: 10)
        for _ in 0..<3 { check(buckets.take(1, at: at(0)) == 0) }
        check(buckets.take(1, at: at(0)) == nil)
        #expect(buckets.wait(1, at: at(0)) == 100)
        check(buckets.take(2, at: at(0)) == 0)
        check(buckets.take(1, at: at(99)) == nil)
        check(buckets.take(1, at: at(100)) == 0)
        check(buckets.take(1, at: at(100)) == nil)
        // After a long silence: the burst, and no more.
        for _ in 0..<3 { check(buckets.take(1, at: at(100_000)) == 0) }
        check(buckets.take(1, at: at(100_000)) == nil)
    }

    @Test("who can wait gets the next ones, in order, as far as the patience goes")
    func patience() {
        var buckets = TokenBuckets<Int>(burst: 1, interval: 100, bound: 10)
        let waits = (0..<5).map { _ in buckets.take(1, at: at(0), patience: 300) }
        #expect(waits == [0, 100, 200, 300, nil])
    }

    @Test("at no rate more than burst and interval allow, and the table keeps its bound")
    func anyRate() {
        for seed in 0..<50 as Range<UInt64> {
            var random = RandomStream(seed: seed)
            var buckets = TokenBuckets<Int>(burst: 4, interval: 50, bound: 8)
            var now: Int64 = 0
            var granted: [Int: [Int64]] = [:]
            for _ in 0..<2000 {
                now += Int64.random(in: 0..<10, using: &random)
                let owner = Int.random(in: 0..<8, using: &random)
                if buckets.take(owner, at: at(now)) != nil { granted[owner, default: []].append(now) }
                #expect(buckets.count <= 8)
            }
            for times in granted.values {
                for index in times.indices.dropFirst(4) { #expect(times[index] - times[index - 4] >= 50) }
                #expect(Int64(times.count) <= 4 + now / 50 + 1)
            }
            for owner in 100..<200 { _ = buckets.take(owner, at: at(now)) }
            #expect(buckets.count <= 8)
        }
    }
}
