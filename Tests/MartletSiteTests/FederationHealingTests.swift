import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// One of two stores went back in time, or both, and what both sides know is enough to go on (`Docs/relay-protocol.md` S2).
@Suite struct FederationHealingTests {
    typealias Harness = FederationHarness

    private static func two(keep: KeepLimit = KeepLimit(time: 86_400_000, bytes: 64 << 20)) -> TwoFederations {
        var two = TwoFederations(isBrnoOlder: false)
        two.pilsen.policy.federation.keep = keep
        two.pilsen.step { $0.boot($1) }
        return two
    }

    /// Sends messages, each of which arrives.
    private func send(_ two: inout TwoFederations, _ names: String...) {
        for name in names { two.pilsen.acceptMessage(name) }
        two.talk()
    }

    private func restore(_ harness: inout Harness, _ backup: MemoryStore.Snapshot) {
        harness.store.restore(backup)
        harness.restart()
        harness.routed = []
    }

    private func row(_ two: TwoFederations) -> LaneRow? { two.pilsen.federation.links[0].lanes[1].row }

    private func notes(_ two: inout TwoFederations) -> [Diagnostic] {
        two.pilsen.effects.compactMap { if case .note(let note) = $0 { note } else { nil } }
    }

    private func expectRest(_ two: TwoFederations) {
        #expect(!two.isStopped)
        #expect(two.pilsen.waiting == 0)
        #expect(two.bounced.isEmpty)
    }

    @Test(
        "S2: a peer that went back gets what it lacks again, under the same numbers and tags, with its delay; nothing of it waits before"
    )
    func peerWentBack() throws {
        var two = Self.two()
        try two.connect()
        send(&two, "a")
        let backup = two.brno.store.snapshot()
        send(&two, "b", "c")
        #expect(two.pilsen.waiting == 0)
        #expect(row(two)?.keptCount == 3)
        let before = row(two)
        two.cut()
        restore(&two.brno, backup)
        two.pilsen.acceptMessage("d")
        two.pilsen.now += 60_000
        try two.connect()
        #expect(two.delivered == ["b", "c", "d"])
        #expect(two.brno.routed.allSatisfy { $0.isStamped(by: Harness.local) })
        #expect(row(two)?.epoch == before?.epoch)
        #expect(row(two)?.acked == 4)
        expectRest(two)
        send(&two, "e")
        #expect(two.delivered == ["b", "c", "d", "e"])
        var details: LinkDetails?
        two.pilsen.step { details = $0.linkDetails(LinkID(slot: 0), $1) }
        #expect(details?.healing.hasPrefix("its store went back in time: 2 that it had are sent again (20") == true)
        #expect(details?.link.lastError == details?.healing)
        #expect(details?.lanes.first?.kept == 5)
        let healed = two.pilsen.takeChanges().contains { $0.kind == .healed(ofPeer: true) }
        #expect(healed)
    }

    @Test(
        "S2: for a peer that configuration does not name nothing is kept: a stolen name gets nothing that was delivered before")
    func stranger() throws {
        var two = Self.two()
        two.pilsen.policy.federation.knownPeers = []
        try two.connect()
        send(&two, "a", "b")
        #expect(row(two)?.keptCount == 0)
        two.cut()
        restore(&two.brno, MemoryStore().snapshot())
        two.pilsen.acceptMessage("c")
        try two.connect()
        #expect(!two.delivered.contains("a") && !two.delivered.contains("b"))
    }

    @Test("S2: a peer whose store is lost gets everything that is kept under a new epoch, then what waits")
    func peerLostItsStore() throws {
        var two = Self.two()
        try two.connect()
        send(&two, "a", "b", "c")
        let epoch = row(two)?.epoch
        two.cut()
        two.pilsen.acceptMessage("d")
        restore(&two.brno, MemoryStore().snapshot())
        try two.connect()
        #expect(two.delivered == ["a", "b", "c", "d"])
        #expect(row(two)?.epoch != epoch)
        expectRest(two)
        two.cut()
        try two.connect()
        #expect(two.delivered == ["a", "b", "c", "d"])
    }

    @Test("S2: twice in a row, also to before the numbering that the first time began, and after a restart of ours")
    func peerTwice() throws {
        var two = Self.two()
        try two.connect()
        send(&two, "a")
        let first = two.brno.store.snapshot()
        send(&two, "b")
        two.cut()
        restore(&two.brno, MemoryStore().snapshot())
        try two.connect()
        let second = two.brno.store.snapshot()
        send(&two, "c")
        for (backup, expected) in [(second, ["c"]), (first, ["b", "c"]), (second, ["c"]), (first, ["b", "c"])] {
            two.cut()
            restore(&two.brno, backup)
            two.pilsen.restart()
            try two.connect()
            #expect(two.delivered == expected)
            expectRest(two)
        }
    }

    @Test("S2: beyond what is kept the lane stops, says how many are lost, and a resync brings what is kept and what waits")
    func beyond() throws {
        var two = Self.two(keep: KeepLimit(time: 80_000, bytes: 1 << 20))
        try two.connect()
        send(&two, "a")
        let backup = two.brno.store.snapshot()
        send(&two, "b", "c")
        two.pilsen.now += 60_000
        send(&two, "d")
        two.pilsen.now += 60_000
        two.pilsen.step { $0.trimAll($1) }
        #expect(row(two)?.keptCount == 1)
        #expect(two.pilsen.store.count(.log) == 1)
        two.cut()
        restore(&two.brno, backup)
        two.pilsen.acceptMessage("e")
        try two.connect()
        #expect(two.isStopped)
        var rows: [ResyncRow] = []
        two.pilsen.step { rows = $0.resyncRows(Harness.peer, $1) }
        #expect(rows.map(\.lost) == [2])
        #expect(rows.map(\.reason) == ["the peer went back in time: it has 1, 2 behind that are not kept any more, 1 are"])
        two.cut()
        two.pilsen.restart()
        two.pilsen.step { _ = $0.resync(Harness.peer, uncertain: nil, $1) }
        try two.connect()
        #expect(two.delivered == ["d", "e"])
        expectRest(two)
        two.cut()
        two.pilsen.restart()
        try two.connect()
        expectRest(two)
    }

    @Test(
        "S2: what is kept goes with its time, with too many bytes, below the disk's reserve, and when the policy says so; the oldest first"
    )
    func limits() throws {
        var two = Self.two(keep: KeepLimit(time: 80_000, bytes: 4000))
        try two.connect()
        for number in 0..<40 { send(&two, "m\(number)") }
        let kept = try #require(row(two)?.keptCount)
        #expect((1..<40).contains(kept))
        #expect(row(two)?.keptBytes ?? 0 <= 4000)
        #expect(two.pilsen.store.count(.log) == Int(kept))
        two.pilsen.restart()
        #expect(row(two)?.keptCount == kept)
        two.pilsen.pass(100_000)
        #expect(row(two)?.keptCount == 0)
        #expect(two.pilsen.store.count(.entry) == 0)
        try two.connect()
        send(&two, "again")
        #expect(row(two)?.keptCount == 1)
        two.pilsen.step(belowReserve: true) { $0.trimAll($1) }
        #expect(row(two)?.keptCount == 0)
        #expect(two.pilsen.store.count(.log) == 0)
        send(&two, "once more")
        two.pilsen.policy.federation.keep.time = 0
        two.pilsen.step { $0.policyChanged($1) }
        #expect(two.pilsen.store.count(.log) == 0)
        expectRest(two)
    }

    @Test("S2: what a foreign server proved is not kept: it never says what it lacks")
    func foreign() throws {
        var harness = Harness()
        harness.policy.federation.keep = KeepLimit(time: 86_400_000, bytes: 64 << 20)
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: false, managed: true)
        harness.receive(.nonza(Element("a", Namespaces.streamManagement, [("h", "1")])), on: connection)
        #expect(harness.waiting == 0)
        #expect(harness.store.count(.log) == 0)
    }

    @Test("S2: what is past its deadline is not sent again, and nobody hears of it; what waits again is not said to wait")
    func deadlines() throws {
        var two = Self.two()
        two.pilsen.policy.federation.entryLifetime = 7_200_000
        two.pilsen.policy.federation.delayWarning = 1_800_000
        try two.connect()
        let backup = two.brno.store.snapshot()
        send(&two, "old")
        two.pilsen.now += 5_000_000
        send(&two, "young")
        two.cut()
        two.pilsen.now += 3_000_000
        restore(&two.brno, backup)
        two.pilsen.acceptMessage("new")
        try two.connect()
        #expect(two.delivered == ["young", "new"])
        two.pilsen.pass(60_000)
        #expect(two.pilsen.routed.isEmpty)
        expectRest(two)
    }

    @Test(
        "S2: ours went back: what the peer's tags name is there and goes, what was written since is sent, and nothing is repeated"
    )
    func weWentBack() throws {
        var two = Self.two()
        try two.connect()
        send(&two, "a")
        two.cut()
        two.pilsen.acceptMessage("waited")
        let backup = two.pilsen.store.snapshot()
        try two.connect()
        send(&two, "forgotten1", "forgotten2")
        two.cut()
        restore(&two.pilsen, backup)
        two.brno.routed = []
        two.pilsen.acceptMessage("new1")
        two.pilsen.acceptMessage("new2")
        try two.connect()
        #expect(two.delivered == ["new1", "new2"])
        expectRest(two)
        let parted = notes(&two).contains {
            if case .historiesParted(_, lane: "chat", delivered: 1, waiting: 2) = $0 { true } else { false }
        }
        #expect(parted)
        send(&two, "later")
        #expect(two.delivered == ["new1", "new2", "later"])
    }

    @Test(
        "S2: ours went back twice in a row: what came under a numbering that the second backup never knew is found by its tags")
    func weTwice() throws {
        var two = Self.two()
        try two.connect()
        send(&two, "a")
        let first = two.pilsen.store.snapshot()
        send(&two, "forgotten")
        two.cut()
        restore(&two.pilsen, first)
        two.pilsen.acceptMessage("new")
        let second = two.pilsen.store.snapshot()
        try two.connect()
        send(&two, "newer")
        #expect(two.delivered == ["a", "forgotten", "new", "newer"])
        two.cut()
        restore(&two.pilsen, second)
        two.brno.routed = []
        two.pilsen.acceptMessage("newest")
        try two.connect()
        #expect(two.delivered == ["newest"])
        expectRest(two)
        two.cut()
        restore(&two.pilsen, first)
        two.brno.routed = []
        try two.connect()
        send(&two, "last")
        #expect(two.delivered == ["last"])
        expectRest(two)
    }

    @Test("S2: both went back: what the origin kept comes again, what it forgot is gone, and nothing comes twice")
    func both() throws {
        var two = Self.two()
        try two.connect()
        send(&two, "a")
        let theirs = two.brno.store.snapshot()
        send(&two, "b")
        let ours = two.pilsen.store.snapshot()
        send(&two, "c", "d")
        two.cut()
        restore(&two.brno, theirs)
        restore(&two.pilsen, ours)
        two.pilsen.acceptMessage("e")
        try two.connect()
        #expect(two.delivered == ["b", "e"])
        expectRest(two)
        // Only ours: the peer has b, e in the numbering of before, then theirs.
        two.cut()
        restore(&two.pilsen, ours)
        two.brno.routed = []
        two.pilsen.acceptMessage("f")
        try two.connect()
        #expect(two.delivered == ["f"])
        two.cut()
        restore(&two.brno, theirs)
        try two.connect()
        #expect(two.delivered == ["b", "f"])
        expectRest(two)
    }

    @Test("S2: a new store of ours, the peer's, and both; a numbering that the peer has ended is not used again")
    func lost() throws {
        var two = Self.two()
        let empty = two.pilsen.store.snapshot()
        two.pilsen.acceptMessage("zero")
        let early = two.pilsen.store.snapshot()
        try two.connect()
        send(&two, "a")
        two.cut()
        restore(&two.pilsen, empty)
        two.brno.routed = []
        two.pilsen.acceptMessage("b")
        try two.connect()
        #expect(two.delivered == ["b"])
        // The numbering of `early` was replaced; what waits in it was there.
        two.cut()
        restore(&two.pilsen, early)
        two.pilsen.acceptMessage("c")
        try two.connect()
        #expect(two.delivered == ["b", "c"])
        expectRest(two)
        two.cut()
        restore(&two.brno, empty)
        try two.connect()
        #expect(two.delivered == ["zero", "c"])
        expectRest(two)
    }

    @Test("S2: ours went back to where a new numbering had just begun, without a trace of what was sent under it")
    func backToTheBeginningOfANumbering() throws {
        var two = Self.two(keep: KeepLimit(time: 0, bytes: 0))
        try two.connect()
        send(&two, "a")
        let first = two.pilsen.store.snapshot()
        send(&two, "b")
        two.cut()
        restore(&two.pilsen, first)
        try two.connect()
        let second = two.pilsen.store.snapshot()
        #expect(row(two)?.assigned == 0)
        send(&two, "c", "d")
        two.cut()
        restore(&two.pilsen, second)
        two.brno.routed = []
        two.pilsen.acceptMessage("e")
        try two.connect()
        #expect(two.delivered == ["e"])
        expectRest(two)
    }

    @Test("S2: the peer remembers a thousand tags; what it received more since leaves the entries of the backup uncertain")
    func tooLong() throws {
        for (count, isStopped) in [(900, false), (1200, true)] {
            var two = Self.two()
            two.pilsen.acceptMessage("a")
            two.pilsen.acceptMessage("waited")
            try two.connect()
            two.cut()
            two.pilsen.acceptMessage("uncertain")
            let backup = two.pilsen.store.snapshot()
            try two.connect()
            for _ in 0..<count { two.pilsen.acceptMessage("forgotten") }
            two.talk()
            two.cut()
            restore(&two.pilsen, backup)
            two.brno.routed = []
            two.pilsen.acceptMessage("new")
            try two.connect()
            #expect(two.isStopped == isStopped)
            guard isStopped else {
                #expect(two.delivered == ["new"])
                continue
            }
            var rows: [ResyncRow] = []
            two.pilsen.step { rows = $0.resyncRows(Harness.peer, $1) }
            #expect(rows.map(\.uncertain) == [1])
            #expect(rows[0].reason.contains("more since than it remembers"))
            two.pilsen.step { _ = $0.resync(Harness.peer, uncertain: .drop, $1) }
            two.talk()
            #expect(two.delivered == ["new"])
            #expect(two.bounced == ["uncertain"])
            two.cut()
            two.pilsen.restart()
            send(&two, "after")
            try two.connect()
            #expect(two.delivered == ["new", "after"])
        }
    }

    @Test("R6: a question for the tags of a lane is answered for that lane alone, across numberings and restarts")
    func answers() throws {
        var harness = Harness()
        let connection = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: connection)
        func take(_ number: UInt64, _ epoch: UInt64, after: UInt64?) {
            var stanza = Harness.message("m", from: Harness.bob, to: Harness.alice.bare)
            stanza.relayMark = RelayMark(
                lane: .chat, epoch: Epoch(high: 0, low: epoch), number: number, tag: epoch * 1000 + number, after: after)
            harness.receive(.stanza(stanza), on: connection)
        }
        for number: UInt64 in 1...100 { take(number, 1, after: number == 1 ? nil : 1000 + number - 1) }
        for number: UInt64 in 1...3 { take(number, 2, after: number == 1 ? 1100 : 2000 + number - 1) }
        harness.restart()
        let fresh = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: fresh)
        let ask = Element(
            "ask", Namespaces.relay,
            [("from", Harness.peer.description), ("to", Harness.local.description), ("lane", "chat")])
        harness.receive(.nonza(ask), on: fresh)
        let sent = harness.takeSent(fresh)
        #expect(sent.map(\.name) == ["tags", "have"])
        #expect(sent.last?["all"] == "true")
        #expect(sent.last?["tags"] != nil)
        let runs = try #require(LaneHistory.runs(sent[0]))
        #expect(runs.flatMap(\.tags) == (1...100).map { 1000 + $0 } + (1...3).map { 2000 + $0 })
        #expect(runs.last == TagRun(epoch: Epoch(high: 0, low: 2), first: 1, tags: [2001, 2002, 2003]))
        let plain = Element("ask", Namespaces.relay, [("from", Harness.peer.description), ("to", Harness.local.description)])
        harness.receive(.nonza(plain), on: fresh)
        let haves = harness.takeSent(fresh)
        #expect(haves.count == 3)
        #expect(haves.allSatisfy { $0["all"] == nil })
    }

    @Test("R6: more tags than a peer remembers, and runs without any, are nonsense: they are not kept in memory")
    func nonsense() throws {
        func run(_ tags: String) -> Element {
            Element("run", Namespaces.relay, [("epoch", Epoch(high: 9, low: 9).text), ("n", "1")], text: tags)
        }
        let parts = [
            [Element](repeating: run(""), count: 40),
            [run([String](repeating: "1", count: TagRun.limit + 1).joined(separator: " "))],
        ]
        for part in parts {
            var harness = Harness()
            harness.acceptMessage("a")
            let connection = try harness.dialSucceeds(relay: true)
            harness.receive(.nonza(Harness.have(nil)), on: connection)
            harness.receive(.nonza(Harness.have(Harness.marks(harness.takeSent(connection)).last)), on: connection)
            var other = Harness.have(RelayMark(lane: .chat, epoch: Epoch(high: 9, low: 9), number: 4, tag: 4, after: nil))
            other["tags"] = "1024"
            harness.receive(.nonza(other), on: connection)
            #expect(harness.federation.links[0].lanes[1].isParting)
            let tags = Element("tags", Namespaces.relay, [("lane", "chat")], elements: part)
            for _ in 0..<100 { harness.receive(.nonza(tags), on: connection) }
            let isForgotten = harness.federation.links[0].lanes[1].tags == nil
            #expect(isForgotten)
        }
    }

    @Test("R6: tags are told in elements that every peer takes, whatever their numberings", arguments: [1, 3, 1024])
    func elements(epochs: Int) {
        let count = TagRun.limit / epochs
        let runs = (0..<epochs).map { epoch in
            TagRun(
                epoch: Epoch(high: .max, low: UInt64(epoch)), first: 1 << 60,
                tags: (0..<count).map { UInt64.max - UInt64(epoch * count + $0) })
        }
        let elements = LaneHistory(runs: runs, isAll: false).elements([
            ("from", String(repeating: "x", count: 1023)), ("to", String(repeating: "y", count: 1023)), ("lane", "urgent"),
        ])
        #expect(elements.allSatisfy { $0.serialized(within: Namespaces.server).count < 10_000 })
        let read = elements.compactMap(LaneHistory.runs)
        #expect(read.count == elements.count)
        #expect(read.flatMap { $0.flatMap(\.tags) } == runs.flatMap(\.tags))
    }
}
