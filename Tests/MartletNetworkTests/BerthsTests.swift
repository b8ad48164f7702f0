import MartletBus
import MartletPrimitives
import MartletStore
import Synchronization
import Testing
import XMPPAddress
import XMPPStreams

@testable import MartletNetwork

/// Who may be connected, and who gives way.
@Suite struct BerthsTests {
    private static func account(_ name: String) -> JID {
        JID(preparedLocalpart: name, preparedDomainpart: "pilsen.example", preparedResourcepart: nil)
    }

    private static let brno = JID(preparedLocalpart: nil, preparedDomainpart: "brno.example", preparedResourcepart: nil)

    private func at(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }

    private func enter(_ berths: inout Berths, _ address: String, isServer: Bool = false, at time: Int64 = 0) -> Berths.Number?
    {
        let entry = berths.entered(RemoteAddress(address), isServer: isServer, at: at(time))
        if case .admitted(let number, _) = entry { return number }
        return nil
    }

    @Test("idle connections from many addresses leave room for whoever comes next, who logs in, and for offices")
    func manyAddresses() throws {
        var berths = Berths(total: 400, perAddress: 200)
        for address in 0..<20 {
            for _ in 0..<100 {
                _ = enter(&berths, "192.0.2.\(address)")
                _ = enter(&berths, "192.0.2.\(address)", isServer: true)
            }
        }
        #expect(berths.count(of: .callingClient) <= 100 && berths.count(of: .callingServer) <= 50)
        for person in 0..<200 {
            let number = try #require(enter(&berths, "198.51.100.1", at: Int64(1000 + person)), "person \(person)")
            berths.proved(number, .person, Self.account("p\(person)"))
        }
        #expect(berths.count(of: .person) == 200)
        let office = try #require(enter(&berths, "203.0.113.1", isServer: true, at: 1000))
        berths.proved(office, .office, Self.brno)
        #expect(berths.count(of: .office) == 1)
    }

    @Test("when a part is full the oldest of the address that has most gives way; of a few one that has just come does not")
    func givingWay() {
        var berths = Berths(total: 80, perAddress: 100)
        var first: Berths.Number?
        // Twenty in all: alone an address has half of them.
        for _ in 0..<10 {
            let number = enter(&berths, "192.0.2.1")
            first = first ?? number
        }
        for address in 0..<10 { _ = enter(&berths, "198.51.100.\(address)") }
        #expect(enter(&berths, "192.0.2.1") == nil)
        #expect(berths.count(of: .callingClient) == 20)
        guard case .admitted(_, let other) = berths.entered(RemoteAddress("203.0.113.1"), isServer: false, at: at(900)) else {
            Issue.record("nobody gave way")
            return
        }
        #expect(other == first)
        // It has one now, and waits as everybody does.
        #expect(berths.entered(RemoteAddress("203.0.113.1"), isServer: false, at: at(900)) == .refused(.full))
        #expect(enter(&berths, "203.0.113.2", at: 900) != nil)
        #expect(berths.entered(RemoteAddress("203.0.113.3"), isServer: false, at: at(900)) == .refused(.full))
        #expect(enter(&berths, "203.0.113.3", at: 1000) != nil)
        #expect(berths.count(of: .callingClient) == 20)
        #expect(berths.entered(RemoteAddress("192.0.2.1"), isServer: false, at: at(2000)) == .refused(.full))
    }

    @Test("who opens connections anew before they can be asked to give way keeps nobody out")
    func renewal() {
        var berths = Berths(total: 800, perAddress: 100)
        var held: [(number: Berths.Number, address: String)] = []
        for round in 0..<200 {
            for address in 0..<20 {
                while let number = enter(&berths, "192.0.2.\(address)", at: Int64(round * 100)) {
                    held.append((number, "192.0.2.\(address)"))
                    if berths.count(of: .callingClient) >= 200 { break }
                }
            }
            #expect(enter(&berths, "198.51.\(round).1", at: Int64(round * 100)) != nil, "\(round)")
            // None of theirs becomes a second old.
            for (index, one) in held.enumerated() where index % 9 == round % 9 { berths.left(one.number) }
            held = held.enumerated().filter { $0.offset % 9 != round % 9 }.map(\.element)
        }
    }

    @Test("from where one of our people came lately the next comes in, however many connections strangers hold and open")
    func familiarPeople() throws {
        var berths = Berths(total: 160, perAddress: 100)
        let number = try #require(enter(&berths, "203.0.113.1"))
        berths.proved(number, .person, Self.account("alice"))
        for address in 0..<250 { _ = enter(&berths, "192.0.2.\(address)") }
        #expect(berths.entered(RemoteAddress("198.51.100.1"), isServer: false, at: at(10)) == .refused(.full))
        for _ in 0..<32 { _ = try #require(enter(&berths, "203.0.113.1", at: 10)) }
        #expect(berths.count(of: .person) == 33)
        #expect(enter(&berths, "203.0.113.1", at: 10) == nil, "who is behind the same address may be anybody")
        #expect(enter(&berths, "203.0.113.1", isServer: true, at: 10) != nil)
        #expect(berths.count(of: .office) == 0)
    }

    @Test("where an office is by the configuration, or was found by us, it comes from before it has come")
    func foundOffices() {
        var berths = Berths(total: 160, perAddress: 100)
        berths.met(Self.brno, at: RemoteAddress("203.0.113.1"), .office)
        for address in 0..<250 { _ = enter(&berths, "192.0.2.\(address)", isServer: true) }
        #expect(enter(&berths, "203.0.113.1", isServer: true) != nil)
        #expect(berths.count(of: .office) == 1)
    }

    @Test("who is everywhere makes nobody forget where others were")
    func acquaintances() {
        var people = Acquaintances(bound: 100)
        let (home, work) = (RemoteAddress("home"), RemoteAddress("work"))
        people.met(Self.account("alice"), at: home)
        people.met(Self.account("alice"), at: work)
        for number in 0..<10_000 { people.met(Self.account("eve"), at: RemoteAddress("eve\(number)")) }
        #expect(people.contains(home) && people.contains(work))
        #expect(people.contains(RemoteAddress("eve9999")) && !people.contains(RemoteAddress("eve0")))
        for number in 0..<100 { people.met(Self.account("p\(number)"), at: work) }
        #expect(!people.contains(home), "the first of a hundred and two names is forgotten")
        #expect(people.contains(work), "others are there too")
    }

    @Test("an address that connects again and again is refused, until it has waited")
    func arrivals() {
        var berths = Berths(total: 4000, perAddress: 100)
        var count = 0
        for _ in 0..<1000 {
            guard let number = enter(&berths, "192.0.2.1") else { continue }
            count += 1
            berths.left(number)
        }
        #expect(count == 200)
        #expect(berths.entered(RemoteAddress("192.0.2.1"), isServer: false, at: at(0)) == .refused(.tooOften))
        #expect(enter(&berths, "192.0.2.2") != nil)
        #expect(enter(&berths, "192.0.2.1", at: 1000) != nil)
    }

    @Test("an account has so many connections for itself; those beyond are nobody's, and give way")
    func perAccount() {
        var berths = Berths(total: 1000, perAddress: 1000)
        var numbers: [Berths.Number] = []
        for _ in 0..<100 {
            guard let number = enter(&berths, "192.0.2.1") else { continue }
            numbers.append(number)
            berths.proved(number, .person, Self.account("alice"))
        }
        #expect(berths.count(of: .person) == 64)
        #expect(berths.count(of: .callingClient) == numbers.count - 64)
    }

    @Test("an address from which an office came lately is let in out of the offices' part, a few times")
    func familiarAddress() throws {
        var berths = Berths(total: 160, perAddress: 100)
        let number = try #require(enter(&berths, "203.0.113.1", isServer: true))
        berths.proved(number, .office, Self.brno)
        for address in 0..<100 { _ = enter(&berths, "192.0.2.\(address)", isServer: true) }
        #expect(berths.count(of: .callingServer) == 20)
        for _ in 0..<8 { _ = try #require(enter(&berths, "203.0.113.1", isServer: true)) }
        #expect(berths.count(of: .office) == 9)
        #expect(enter(&berths, "203.0.113.1", isServer: true) == nil)
    }

    @Test("in whatever order connections come, prove themselves, give way and go, nothing is left")
    func anyOrder() {
        for seed in 0..<50 as Range<UInt64> {
            var random = RandomStream(seed: seed)
            var berths = Berths(total: 64, perAddress: 10)
            var live: Set<Berths.Number> = []
            for step in 0..<600 {
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1:
                    let address = RemoteAddress("192.0.2.\(Int.random(in: 0..<30, using: &random))")
                    let entry = berths.entered(address, isServer: Bool.random(using: &random), at: at(Int64(step * 50)))
                    guard case .admitted(let number, let other) = entry else { continue }
                    live.insert(number)
                    if let other { live.remove(other) }
                case 2:
                    guard let number = live.sorted().randomElement(using: &random) else { continue }
                    let group = [Berths.Group.person, .office, .knownPeer].randomElement(using: &random) ?? .person
                    berths.proved(number, group, Self.account("p\(Int.random(in: 0..<5, using: &random))"))
                default:
                    guard let number = live.sorted().randomElement(using: &random) else { continue }
                    live.remove(number)
                    berths.left(number)
                }
                #expect(berths.count == live.count && berths.count <= 64)
            }
            for number in live { berths.left(number) }
            #expect(berths.count == 0)
            #expect(Berths.Group.allCases.allSatisfy { berths.count(of: $0) == 0 })
        }
    }

    @Test("what we need ourselves is kept back, however few descriptors there are")
    func plans() {
        for limit in [64, 256, 512, 1024, 4096, 20_000, 1_000_000] {
            let plan = DescriptorPlan(limit: limit)
            #expect(plan.attempts >= 16 && plan.resolver >= 16 && plan.connections >= 64 && 2 * plan.attempts <= plan.calls)
            guard limit >= 256 else { continue }
            #expect(plan.connections + plan.calls + plan.resolver + 64 <= limit)
        }
    }

    @Test(
        "of the attempts to reach others, strangers have a part, an account one in the people's, and offices find theirs free")
    func attempts() {
        for total in [16, 56, 512] {
            var shares = Dialer.shares(total)
            for number in 0..<1000 {
                while shares.take(.address(RemoteAddress("192.0.2.\(number)")), of: .stranger) {}
            }
            while shares.take(.account(AddressNumber(1)), of: .person) {}
            #expect(shares.held(by: .account(AddressNumber(1)), of: .person) <= total / 2)
            for number in 2..<1000 { _ = shares.take(.account(AddressNumber(UInt64(number))), of: .person) }
            for number in 0..<total / 4 { #expect(shares.admits(.peer(Self.account("o\(number)").domain), of: .office)) }
        }
    }

    @Test("the ending of a connection that gives way is called once, and of no other")
    func endings() throws {
        let census = ConnectionCensus(total: 16, perAddress: 2)
        let ended = LockedCount()
        var numbers: [Berths.Number] = []
        for address in 0..<4 {
            numbers.append(
                try census.enter(RemoteAddress("192.0.2.\(address)"), isServer: false) { ended.add(address) }.get())
        }
        #expect(throws: BerthRefusal(.full)) { try census.enter(RemoteAddress("x"), isServer: false) {}.get() }
        for number in numbers { census.leave(number) }
        #expect(ended.values.isEmpty && census.total == 0)
    }
}

private final class LockedCount: Sendable {
    private let list = Mutex<[Int]>([])
    func add(_ value: Int) { list.withLock { $0.append(value) } }
    var values: [Int] { list.withLock { $0 } }
}
