import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// A long queue costs disk, not memory, and no turn is long because of it. Rows are counted, not milliseconds.
@Suite struct FederationLongQueueTests {
    typealias Harness = FederationHarness

    private static let count = 10_000
    /// Rows that one batch may touch, whatever waits: some milliseconds.
    private static let rowLimit = 8000
    private static let senders = 50

    /// A store in which 10,000 messages wait, made once.
    private static let snapshot: MemoryStore.Snapshot = {
        var harness = Harness()
        harness.policy.federation.delayWarning = 0
        fill(&harness, 1...count)
        return harness.store.snapshot()
    }()

    private static func fill(_ harness: inout Harness, _ numbers: ClosedRange<Int>) {
        for start in stride(from: numbers.lowerBound, through: numbers.upperBound, by: 200) {
            harness.step { federation, turn in
                for number in start...min(start + 199, numbers.upperBound) {
                    let sender = JID(
                        preparedLocalpart: "sender\(number % senders)", preparedDomainpart: "pilsen.example",
                        preparedResourcepart: "desk")
                    federation.accept(Envelope(Harness.message("m\(number)", from: sender), from: .site), turn)
                }
            }
            harness.effects = harness.effects.filter { if case .dial = $0 { true } else { false } }
        }
    }

    /// A process that has just started over those 10,000.
    private func started(_ policy: (inout SitePolicy) -> Void = { _ in }) -> Harness {
        var harness = Harness()
        harness.store.restore(Self.snapshot)
        harness.policy.federation.delayWarning = 0
        policy(&harness.policy)
        harness.restart()
        return harness
    }

    /// Answers what is sent until nothing comes any more; the names of what was sent, and the numbers.
    private func deliver(_ harness: inout Harness, _ connection: ConnectionID) -> (names: [String], numbers: [UInt64]) {
        var names: [String] = []
        var numbers: [UInt64] = []
        while true {
            let sent = harness.takeSent(connection).filter { $0.name != "ask" && $0.name != "r" }
            guard let mark = sent.last.flatMap({ RelayMark($0.first("seq", Namespaces.relay) ?? $0) }) else { break }
            #expect(sent.count <= harness.policy.federation.windowEntries)
            #expect(harness.federation.links[0].lanes[1].inFlight <= harness.policy.federation.windowEntries)
            names += sent.map(\.name)
            numbers += sent.compactMap { RelayMark($0.first("seq", Namespaces.relay) ?? $0)?.number }
            harness.receive(.nonza(Harness.have(mark)), on: connection)
        }
        return (names, numbers)
    }

    private func expectShortTurns(_ harness: Harness, _ location: SourceLocation = #_sourceLocation) {
        #expect(harness.longestBatch <= Self.rowLimit, sourceLocation: location)
    }

    @Test("10,000 entries: taking over one more, the start and each part of the delivery touch no more rows than of 200")
    func delivery() throws {
        var harness = started()
        #expect(harness.waiting == Self.count)
        Self.fill(&harness, 1...200)
        #expect(harness.longestBatch <= 200 * 6, "a message costs some rows, whatever waits before it")
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let (names, numbers) = deliver(&harness, connection)
        #expect(numbers == (1...UInt64(Self.count + 200)).map { $0 })
        #expect(names.allSatisfy { $0 == "message" })
        #expect(harness.waiting == 0)
        // The last ones are removed in slices.
        harness.pass(10_000)
        #expect(harness.store.count(.log) == 0)
        #expect(harness.store.count(.entry) == 0)
        expectShortTurns(harness)
    }

    @Test("10,000 entries: what an operator looks at is read in parts")
    func desk() {
        var harness = started()
        for _ in 0..<2 {
            #expect(harness.links().map(\.waiting) == [Self.count])
            var seen = 0
            var cursor: EntryName?
            repeat {
                harness.step {
                    let page = $0.queuePage(QueueFilter(), after: cursor, $1)
                    seen += page.rows.count
                    cursor = page.next
                }
                harness.step { _ = $0.queueAges(after: cursor, $1) }
            } while cursor != nil
            #expect(seen == Self.count)
            harness.step { _ = $0.ownEntries(of: Harness.alice.bare, $1) }
        }
        expectShortTurns(harness)
    }

    @Test("S5: 10,000 entries expire in slices, each is answered once, and the voids before the others cost nobody anything")
    func expiry() throws {
        var harness = started()
        harness.pass(harness.policy.federation.entryLifetime - 1000)
        #expect(harness.routed.isEmpty)
        harness.routed = []
        harness.pass(3_600_000)
        #expect(harness.routed.count == Self.count)
        #expect(Set(harness.routed.compactMap(\.id)).count == Self.count)
        expectShortTurns(harness)
        // Everything that stands is void: a new message, a look and a start do not walk over that.
        harness.longestBatch = 0
        harness.acceptMessage("later")
        #expect(harness.longestBatch < 50)
        #expect(harness.links().map(\.oldestAge) == [0])
        harness.restart()
        harness.pass(60_000)
        #expect(harness.links().map(\.oldestAge) == [60_000])
        expectShortTurns(harness)
        if harness.federation.links[0].connection == nil { harness.pass(110_000) }
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        let (names, _) = deliver(&harness, connection)
        #expect(names.count { $0 == "void" } == Self.count)
        #expect(names.last == "message")
        #expect(harness.store.count(.entry) == 0)
        expectShortTurns(harness)
    }

    @Test("voids that a foreign server need not see are passed over in slices")
    func foreignVoids() throws {
        var harness = started { $0.federation.entryLifetime = 1 }
        var cursor: EntryName?
        repeat {
            var page = QueuePage()
            harness.step { page = $0.queuePage(QueueFilter(), after: cursor, $1) }
            for start in stride(from: 0, to: page.rows.count, by: 256) {
                _ = harness.deskPurge(Array(page.rows[start..<min(start + 256, page.rows.count)]))
            }
            cursor = page.next
        } while cursor != nil
        harness.acceptMessage("last")
        let connection = try harness.dialSucceeds(relay: false, managed: true)
        harness.pass(5000)
        #expect(harness.takeSent(connection).compactMap { $0["id"] } == ["last"])
        #expect(harness.waiting == 1)
        expectShortTurns(harness)
    }

    @Test("10,000 entries that arrived in a bundle are removed in slices, also across a start")
    func bundle() throws {
        var harness = started()
        let row = try #require(harness.federation.links[0].lanes[1].row)
        let entries = try #require(harness.federation.links[0].lanes[1].entries)
        let tag = EntryTable.entry(entries, UInt64(Self.count), in: harness.store.begin())?.tag ?? 0
        harness.store.abort()
        let mark = RelayMark(lane: .chat, epoch: row.epoch, number: UInt64(Self.count), tag: tag, after: nil)
        harness.step { _ = $0.importRecords([.have(mark)], Harness.outgoing, $1) }
        #expect(harness.waiting == 0)
        #expect(harness.store.count(.entry) > Self.count / 2, "not in one turn")
        harness.pass(100)
        harness.restart()
        harness.acceptMessage("later")
        harness.pass(3000)
        #expect(harness.store.count(.entry) == 1)
        #expect(harness.store.count(.log) == 1)
        expectShortTurns(harness)
        if harness.federation.links[0].connection == nil { harness.pass(110_000) }
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(mark)), on: connection)
        #expect(deliver(&harness, connection).numbers == [UInt64(Self.count + 1)])
    }

    @Test("each sender is told once that messages wait, however many slices that takes, and once more after a crash at most")
    func warnings() {
        var harness = started { $0.federation.delayWarning = 4 * 3_600_000 }
        harness.pass(4 * 3_600_000 + 60_000)
        let told = harness.routed.compactMap { $0.to?.localpart }
        #expect(told.count == Self.senders)
        #expect(Set(told).count == Self.senders)
        let body = harness.routed.first?.payload("body", Namespaces.client)?.text ?? ""
        #expect(body.hasPrefix("200 of your messages to brno.example have been waiting"))
        expectShortTurns(harness)
        harness.restart()
        harness.routed = []
        harness.pass(600_000)
        #expect(harness.routed.isEmpty, "nobody is told again")
    }

    @Test("S2: 10,000 entries go on under a new epoch in one short turn", arguments: UncertainChoice.allCases)
    func resync(_ choice: UncertainChoice) throws {
        var harness = started()
        var connection = try harness.dialSucceeds(relay: true)
        let row = try #require(harness.federation.links[0].lanes[1].row)
        let wrong = RelayMark(lane: .chat, epoch: row.epoch, number: UInt64(Self.count / 2), tag: 1, after: nil)
        harness.receive(.nonza(Harness.have(wrong)), on: connection)
        #expect(harness.federation.links[0].lanes[1].row?.isStopped == true)
        var plan: [ResyncRow] = []
        harness.step { plan = $0.resyncRows(Harness.peer, $1) }
        #expect(plan.map(\.waiting) == [Self.count])
        #expect(plan.map(\.uncertain) == [Self.count / 2])
        harness.step { _ = $0.resync(Harness.peer, uncertain: choice, $1) }
        if choice != .resend {
            #expect(harness.federation.links[0].lanes[1].row?.isStopped == true, "not before the last is decided")
            harness.pass(100)
            // A crash in the middle: the next process goes on.
            harness.restart()
            harness.pass(5000)
            #expect(harness.federation.links[0].lanes[1].row?.isStopped == false)
            if harness.federation.links[0].connection == nil { harness.pass(110_000) }
            connection = try harness.dialSucceeds(relay: true)
        }
        #expect(harness.routed.count == (choice == .drop ? Self.count / 2 : 0))
        #expect(Set(harness.routed.compactMap(\.id)).count == harness.routed.count)
        #expect(harness.store.count(.held) == (choice == .hold ? Self.count / 2 : 0))
        harness.receive(.nonza(Harness.have(wrong)), on: connection)
        let numbers = deliver(&harness, connection).numbers
        #expect(numbers == (1...UInt64(choice == .resend ? Self.count : Self.count / 2)).map { $0 })
        harness.pass(5000)
        #expect(harness.store.count(.entry) == 0)
        #expect(harness.store.count(.log) == harness.store.count(.held))
        expectShortTurns(harness)
    }

    @Test("a queue that was accepted for an office stays when the office is none any more")
    func formerOffice() throws {
        var harness = started { $0.federation.knownPeers = [] }
        harness.dialFails(.serviceNotOffered)
        harness.pass(harness.policy.federation.strangers.timeout + 1000)
        #expect(harness.waiting == Self.count)
        #expect(harness.routed.isEmpty)
        expectShortTurns(harness)
    }
}
