import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

@Suite struct FederationLanesTests {
    typealias Harness = FederationHarness

    private static let siren = JID(preparedLocalpart: "siren", preparedDomainpart: "brno.example", preparedResourcepart: nil)
    private static let news = JID(preparedLocalpart: "news", preparedDomainpart: "pilsen.example", preparedResourcepart: "x")

    private static func harness() -> Harness {
        var harness = Harness()
        harness.policy.federation.laneRules = LaneRules(urgent: [siren], bulk: [news.bare])
        return harness
    }

    private static func bodies(_ sent: [Element]) -> [String] {
        sent.compactMap { $0.first("body", Namespaces.client)?.text }
    }

    private static func have(_ mark: RelayMark?, lane: LaneClass) -> Element {
        var have = Harness.have(mark)
        have["lane"] = lane.name
        return have
    }

    /// The peer has nothing in any lane.
    private static func open(_ harness: inout Harness) throws -> ConnectionID {
        let connection = try harness.dialSucceeds(relay: true)
        _ = harness.takeSent(connection)
        for lane in LaneClass.allCases.reversed() { harness.receive(.nonza(have(nil, lane: lane)), on: connection) }
        return connection
    }

    private static func accept(_ text: String, from: JID = Harness.alice, to: JID = Harness.bob, _ harness: inout Harness) {
        harness.accept(Harness.message(text, from: from, to: to))
    }

    @Test("relay §1.1: the class belongs to the pair: named at either end, urgent before bulk")
    func classes() {
        let rules = LaneRules(urgent: [Self.siren], bulk: [Self.news.bare, Harness.peer])
        #expect(rules.laneClass(Harness.alice, Self.siren) == .urgent)
        #expect(rules.laneClass(Self.siren, Harness.alice) == .urgent)
        #expect(rules.laneClass(Self.news, Self.siren) == .urgent)
        #expect(rules.laneClass(Self.news, Harness.alice) == .bulk)
        #expect(rules.laneClass(Harness.alice, Harness.bob) == .bulk)
        #expect(rules.laneClass(Harness.alice, Harness.alice) == .chat)
        #expect(LaneRules().laneClass(Harness.alice, Self.siren) == .chat)
    }

    @Test("S3: what is urgent is written before chat, and that before bulk, each lane in its order under its own numbers")
    func priority() throws {
        var harness = Self.harness()
        for number in 1...3 {
            Self.accept("bulk\(number)", from: Self.news, &harness)
            Self.accept("chat\(number)", &harness)
            Self.accept("urgent\(number)", to: Self.siren, &harness)
        }
        let connection = try harness.dialSucceeds(relay: true)
        // All lanes are opened by one batch, as by a peer that answers at once.
        harness.step { federation, turn in
            for lane in LaneClass.allCases { federation.received(.nonza(Self.have(nil, lane: lane)), on: connection, turn) }
        }
        let sent = harness.takeSent(connection)
        let expected = ["urgent", "chat", "bulk"].flatMap { name in (1...3).map { "\(name)\($0)" } }
        #expect(Self.bodies(sent) == expected)
        #expect(Harness.marks(sent).map(\.lane) == [.urgent, .urgent, .urgent, .chat, .chat, .chat, .bulk, .bulk, .bulk])
        #expect(Harness.marks(sent).map(\.number) == [1, 2, 3, 1, 2, 3, 1, 2, 3])
    }

    @Test("S3: a full window of bulk does not keep an urgent message, and urgent messages without end leave bulk one at a time")
    func windows() throws {
        var harness = Self.harness()
        let text = String(repeating: "x", count: 1000)
        for number in 1...30 { Self.accept("\(text)\(number)", from: Self.news, &harness) }
        let connection = try Self.open(&harness)
        let bulk = harness.takeSent(connection)
        #expect(bulk.count < 10, "the window of a new stream holds 8 KiB")
        Self.accept("fire", to: Self.siren, &harness)
        #expect(Self.bodies(harness.takeSent(connection)) == ["fire"])

        for number in 1...30 { Self.accept("\(text)\(number)", to: Self.siren, &harness) }
        _ = harness.takeSent(connection)
        harness.receive(.nonza(Self.have(Harness.marks(bulk).last, lane: .bulk)), on: connection)
        let next = harness.takeSent(connection)
        #expect(Harness.marks(next).filter { $0.lane == .bulk }.count == 1)
    }

    @Test("relay §1.1: rules that change wait until nothing else does, over a restart too")
    func rulesChange() throws {
        var harness = Self.harness()
        Self.accept("first", to: Self.siren, &harness)
        harness.policy.federation.laneRules = LaneRules(bulk: [Self.siren])
        Self.accept("second", to: Self.siren, &harness)
        harness.restart()
        Self.accept("third", to: Self.siren, &harness)
        let connection = try Self.open(&harness)
        let sent = harness.takeSent(connection)
        #expect(Self.bodies(sent) == ["first", "second", "third"])
        #expect(Set(Harness.marks(sent).map(\.lane)) == [.urgent])
        harness.receive(.nonza(Self.have(Harness.marks(sent).last, lane: .urgent)), on: connection)
        #expect(harness.waiting == 0)
        Self.accept("fourth", to: Self.siren, &harness)
        #expect(Harness.marks(harness.takeSent(connection)).map(\.lane) == [.bulk])
    }

    @Test("S4: a lane whose have does not come is waited for, whatever the haves of other lanes say")
    func openingIsOwed() throws {
        var harness = Self.harness()
        Self.accept("urgent", to: Self.siren, &harness)
        Self.accept("chat", &harness)
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Self.have(nil, lane: .urgent)), on: connection)
        let sent = harness.takeSent(connection)
        harness.receive(.nonza(Self.have(Harness.marks(sent).last, lane: .urgent)), on: connection)
        #expect(harness.waiting == 1)
        #expect(harness.federation.links[0].isUp)
        harness.pass(2 * harness.policy.federation.silenceTimeout)
        #expect(harness.takeSent(connection).contains { $0.is("ask", Namespaces.relay) })
        #expect(!harness.takeDials().isEmpty, "the silent stream was given up for another")
    }

    @Test("the rules that are in force are kept with what waits")
    func rulesAreKept() throws {
        let store = MemoryStore()
        let transaction = store.begin()
        let rules = LaneRules(urgent: [Self.siren, Harness.peer], bulk: [Self.news.bare])
        LaneRulesTable.update(rules, local: AddressNumber(1), peer: AddressNumber(2), in: transaction)
        #expect(LaneRulesTable.rules(local: AddressNumber(1), peer: AddressNumber(2), in: transaction) == rules)
        #expect(LaneRulesTable.rules(local: AddressNumber(2), peer: AddressNumber(1), in: transaction) == LaneRules())
    }
}

@Suite struct SendWindowTests {
    /// A line that carries so many bytes a second, on which everything takes `delay` milliseconds more, and a sender that fills
    /// its window with stanzas of 400 bytes: what it becomes at most after a while.
    private func largest(bytesPerSecond: Int, delay: Int64, limit: Int = 256 << 10) -> Int {
        var window = SendWindow()
        var underWay: [(writtenAt: Int64, arrivesAt: Int64)] = []
        var clear: Int64 = 0
        var now: Int64 = 0
        var largest = 0
        for step in 0..<20_000 {
            while underWay.count * 400 < window.bytes {
                clear = max(clear, now) + Int64(400 * 1000 / bytesPerSecond)
                underWay.append((now, clear + delay))
            }
            let first = underWay.removeFirst()
            now = first.arrivesAt
            window.acknowledged(400, after: now - first.writtenAt, isWanted: true, limit: limit)
            if step > 10_000 { largest = max(largest, window.bytes) }
        }
        return largest
    }

    @Test("S3: on a line of 9.6 kbit/s no more is under way than it carries in a few seconds")
    func slowLine() {
        let bytes = largest(bytesPerSecond: 1200, delay: 1200)
        #expect(bytes >= SendWindow.smallest)
        #expect(bytes <= 6 << 10)
    }

    @Test("S3: a fast line gets the whole window, and a long one what it holds with a second of queueing")
    func fastLine() {
        #expect(largest(bytesPerSecond: 4_000_000, delay: 1) == 256 << 10)
        let long = largest(bytesPerSecond: 25_000, delay: 100)
        #expect(long >= 20_000)
        #expect(long <= 40_000)
    }

    @Test("S3: what nobody waits for does not make the window grow")
    func idle() {
        var window = SendWindow()
        for _ in 0..<100 {
            window.acknowledged(400, after: 5, isWanted: false, limit: 256 << 10)
        }
        #expect(window.bytes == SendWindow.first)
    }
}
