import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

@Suite struct FederationDeskTests {
    typealias Harness = FederationHarness

    private func bodies(_ elements: [Element]) -> [String] {
        elements.compactMap { $0.name == "void" ? "void" : $0.first("body", Namespaces.client)?.text }
    }

    @Test("S5: a held entry leaves a void, numbers stay whole; released it follows the others with its own time")
    func holdAndRelease() throws {
        var harness = Harness()
        for text in ["a", "b", "c"] { harness.acceptMessage(text) }
        harness.dialFails()
        let held = harness.deskHold(harness.rows { $0.name.number == 2 })
        #expect(held.done == 1)
        #expect(harness.rows().map(\.state) == [.waiting, .waiting, .held])
        #expect(harness.routed.isEmpty)
        harness.pass(3000)
        let first = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: first)
        let sent = harness.takeSent(first).filter { $0.name != "ask" }
        #expect(bodies(sent) == ["a", "void", "c"])
        #expect(sent.compactMap { ($0.first("seq", Namespaces.relay) ?? $0)["n"] } == ["1", "2", "3"])
        harness.receive(.nonza(Harness.have(Harness.marks(sent).last)), on: first)
        #expect(harness.waiting == 0)
        #expect(harness.store.count(.log) == 1)

        harness.acceptMessage("d")
        let released = harness.deskRelease(harness.rows { $0.state == .held })
        #expect(released.done == 1)
        let later = harness.takeSent(first)
        #expect(bodies(later) == ["d", "b"])
        #expect(Harness.marks(later).map(\.number) == [4, 5])
        let delay = try #require(later.last?.first("delay", Namespaces.delay))
        #expect(delay["stamp"]?.hasPrefix("2023-11-14T22:13:21") == true)
        harness.receive(.nonza(Harness.have(Harness.marks(later).last)), on: first)
        #expect(harness.store.count(.log) == 0)
        #expect(harness.store.count(.held) == 0)
    }

    @Test("a held entry whose stanza the log has lost comes back as a number: what each place of the lane takes stays right")
    func releasedWithoutStanza() {
        var harness = Harness()
        for text in ["a", "b"] { harness.acceptMessage(text) }
        harness.dialFails()
        #expect(harness.deskHold(harness.rows { $0.name.number == 1 }).done == 1)
        var lost: EntryClaim?
        harness.step { _, turn in
            if let row = HeldTable.row(1, in: turn.store) {
                StanzaLog.release(row.logSequence, in: turn.store)
                lost = EntryClaim(name: EntryName(lane: EntryName.held, number: 1), tag: row.tag)
            }
        }
        let claim = lost
        harness.step { federation, turn in
            if let claim { #expect(federation.release([claim], turn).done == 1) }
        }
        harness.acceptMessage("c")
        let lane = harness.federation.links[0].lanes[Int(LaneClass.chat.rawValue)]
        #expect(lane.waiting == 4 && lane.items.all.map { $0.bytes > 0 } == [false, true, false, true])
    }

    @Test("held entries survive a restart, are counted, and keep what was left of their lifetime")
    func heldAcrossRestart() throws {
        var harness = Harness()
        harness.policy.federation.entryLifetime = 3_600_000
        harness.acceptMessage("a")
        harness.dialFails()
        #expect(harness.deskHold(harness.rows()).done == 1)
        harness.pass(10 * 3_600_000)
        #expect(harness.routed.filter(\.isError).isEmpty, "nothing expires while a human thinks")
        harness.restart()
        #expect(harness.federation.links[0].held == 1)
        #expect(harness.links().map(\.held) == [1])
        #expect(harness.deskRelease(harness.rows()).done == 1)
        #expect(harness.rows().map(\.state) == [.waiting])
        #expect(harness.links().map(\.held) == [0])
        harness.pass(3_590_000)
        #expect(harness.routed.filter(\.isError).isEmpty)
        harness.pass(60_000)
        #expect(harness.routed.filter(\.isError).map(\.id) == ["a"])
    }

    @Test("what was sent and is not acknowledged cannot be held, on this stream, after it, and after a crash")
    func sentIsNotHeld() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let first = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: first)
        for moment in 0..<3 {
            if moment == 1 { harness.receive(.closed("reset"), on: first) }
            if moment == 2 { harness.restart() }
            #expect(harness.rows().map(\.state) == [.sent])
            let outcome = harness.deskHold(harness.rows())
            #expect(outcome.done == 0)
            #expect(outcome.refused.first?.words.contains("may have arrived") == true)
        }
        harness.acceptMessage("b")
        #expect(harness.rows().map(\.state) == [.sent, .waiting])
        #expect(harness.deskHold(harness.rows { $0.state == .waiting }).done == 1)
    }

    @Test("S5: purged entries are answered in the same transaction, and the answer says whether they may have arrived")
    func purge() throws {
        var harness = Harness()
        harness.acceptMessage("sent")
        let first = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: first)
        let marks = Harness.marks(harness.takeSent(first))
        harness.receive(.closed("reset"), on: first)
        harness.acceptMessage("unsent")
        harness.acceptMessage("kept")
        harness.acceptMessage("held")
        #expect(harness.deskHold(harness.rows { $0.name.number == 4 }).done == 1)
        let all = harness.rows { $0.name.number != 3 || $0.state == .held }
        #expect(all.count == 3)
        #expect(harness.deskPurge(all).done == 3)
        #expect(harness.routed.map(\.id) == ["sent", "unsent", "held"])
        #expect(harness.routed.allSatisfy { $0.isError && $0.to == Harness.alice.bare })
        let texts = harness.routed.compactMap {
            $0.payload("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text
        }
        #expect(texts.map { $0.contains("may have arrived") } == [true, false, false])
        #expect(harness.rows().map(\.name.number) == [3])
        // Done twice it is done once.
        #expect(harness.deskPurge(all).gone == 3)
        #expect(harness.routed.count == 3)

        harness.pass(5000)
        let second = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(marks[0])), on: second)
        let sent = harness.takeSent(second).filter { $0.name != "ask" }
        #expect(bodies(sent) == ["void", "kept", "void"])
        var last = marks[0]
        last.number = 4
        last.tag = try #require(RelayMark(sent[2])).tag
        harness.receive(.nonza(Harness.have(last)), on: second)
        #expect(harness.store.count(.log) == 0)
        #expect(harness.store.count(.entry) == 0)
    }

    @Test("a purge while the entry is on a live stream changes nothing of the numbers")
    func purgeInFlight() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let first = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: first)
        let marks = Harness.marks(harness.takeSent(first))
        #expect(harness.deskPurge(harness.rows()).done == 1)
        harness.acceptMessage("b")
        #expect(Harness.marks(harness.takeSent(first)).map(\.number) == [2])
        harness.receive(.nonza(Harness.have(marks[0])), on: first)
        #expect(harness.waiting == 1)
        #expect(harness.rows().map(\.name.number) == [2])
    }

    @Test("foreign servers see nothing of what was held or purged, and the rest is proven as ever")
    func foreign() throws {
        var harness = Harness()
        for text in ["a", "b", "c"] { harness.acceptMessage(text) }
        harness.dialFails()
        #expect(harness.deskHold(harness.rows { $0.name.number == 1 }).done == 1)
        #expect(harness.deskPurge(harness.rows { $0.name.number == 2 }).done == 1)
        harness.pass(3000)
        let connection = try harness.dialSucceeds(relay: false, managed: true)
        let sent = harness.takeSent(connection)
        #expect(bodies(sent) == ["c"])
        harness.receive(
            .nonza(Element("a", Namespaces.streamManagement, [("h", "1")])), on: connection)
        #expect(harness.waiting == 0)
        #expect(harness.deskRelease(harness.rows()).done == 1)
        #expect(bodies(harness.takeSent(connection)) == ["a"])
    }

    @Test("a claim on an entry that is another one by now is void: the tag decides, not the name")
    func staleClaims() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        harness.dialFails()
        var rows = harness.rows()
        rows[0].tag ^= 1
        #expect(harness.deskHold(rows).gone == 1)
        #expect(harness.deskPurge(rows).gone == 1)
        #expect(harness.deskRelease(harness.rows()).gone == 1, "what waits in its lane cannot be released")
        #expect(harness.rows().count == 1)
        #expect(harness.routed.isEmpty)
    }

    @Test("queues are shown in parts, however long they are, and filters mean domains, accounts and devices")
    func pages() throws {
        var harness = Harness()
        let other = JID(preparedLocalpart: "carol", preparedDomainpart: "brno.example", preparedResourcepart: nil)
        let count = Federation.deskPage + 500
        harness.step { federation, turn in
            for number in 0..<count {
                federation.accept(
                    Envelope(Harness.message("m\(number)", to: number % 3 == 0 ? other : Harness.bob), from: .site), turn)
            }
        }
        harness.dialFails()
        #expect(harness.deskHold(Array(harness.rows().suffix(300))).done == 300)
        #expect(harness.rows().count == count)
        #expect(harness.rows().map(\.name) == harness.rows().map(\.name).sorted())
        var pages = 0
        var first = 0
        harness.step { federation, turn in
            var cursor: EntryName?
            repeat {
                let page = federation.queuePage(QueueFilter(), after: cursor, turn)
                if pages == 0 { first = page.rows.count }
                pages += 1
                cursor = page.next
            } while cursor != nil
        }
        #expect(first == Federation.deskPage)
        #expect(pages == 2)
        #expect(harness.rows(to: other).count == count / 3)
        #expect(harness.rows(to: Harness.peer).count == count)
        #expect(harness.rows(from: Harness.alice).count == count)
        #expect(harness.rows(from: Harness.alice.bare).count == count)
        #expect(harness.rows(from: other).isEmpty)
    }

    @Test("the table of ages counts each entry once, in its column")
    func ages() throws {
        var harness = Harness()
        harness.policy.federation.retryMaximum = 100_000_000
        harness.acceptMessage("oldest")
        harness.dialFails()
        harness.pass(2 * 86_400_000)
        harness.acceptMessage("middle")
        harness.pass(1_000_000)
        harness.acceptMessage("new")
        harness.acceptMessage("held")
        #expect(harness.deskHold(harness.rows { $0.name.number == 4 }).done == 1)
        var ages = QueueAges()
        harness.step { federation, turn in ages = federation.queueAges(after: nil, turn) }
        #expect(ages.next == nil)
        #expect(ages.rows.map(\.peer) == ["brno.example"])
        #expect(ages.rows.first?.counts == [1, 0, 1, 0, 0, 1, 0])
        #expect(ages.rows.first?.held == 1)
    }

    @Test("retry dials a link that waits for its next attempt, at once and once")
    func retry() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        harness.dialFails()
        #expect(harness.takeDials().isEmpty)
        var answer = CommandAnswer.refused("")
        harness.step { answer = $0.retry(Harness.peer, $1) }
        #expect(answer == .done("dialling brno.example"))
        #expect(harness.takeDials().count == 1)
        harness.step { answer = $0.retry(Harness.peer, $1) }
        #expect(harness.takeDials().isEmpty)
        harness.step { answer = $0.retry(Harness.bob.domain.bare, $1) }
        #expect(answer == .done("an attempt to reach brno.example is under way"))
        let nobody = JID(preparedLocalpart: nil, preparedDomainpart: "nobody.example", preparedResourcepart: nil)
        harness.step { answer = $0.retry(nobody, $1) }
        #expect(answer == .refused("there is no link to nobody.example"))
        harness.pass(200_000)
        #expect(harness.takeDials().isEmpty, "the timer of the attempt that was brought forward is stale")
    }

    @Test("names of entries are read as they are written, and nothing else is", arguments: ["1/17", "held/5", "4294967294/1"])
    func names(_ text: String) {
        #expect(EntryName(text)?.description == text)
        for wrong in [
            "", "/", "1", "1/", "/1", "1/0", "held/0", "1/2/3", "-1/2", "4294967295/1", "a/1", "1/99999999999999999999",
        ] {
            #expect(EntryName(wrong) == nil, "\(wrong)")
        }
    }
}

extension FederationHarness {
    /// Every row of the queues that fits, through all pages.
    mutating func rows(
        from: JID? = nil, to: JID? = nil, _ fits: (QueueRow) -> Bool = { _ in true }
    ) -> [QueueRow] {
        var filter = QueueFilter()
        filter.from = from
        filter.to = to
        var rows: [QueueRow] = []
        step { federation, turn in
            var cursor: EntryName?
            repeat {
                let page = federation.queuePage(filter, after: cursor, turn)
                rows += page.rows
                cursor = page.next
            } while cursor != nil
        }
        return rows.filter(fits)
    }

    mutating func links() -> [LinkRow] {
        var rows: [LinkRow] = []
        step { rows = $0.linkRows($1) }
        return rows
    }

    mutating func deskHold(_ rows: [QueueRow]) -> DeskOutcome { desk(rows) { $0.hold($1, $2) } }
    mutating func deskRelease(_ rows: [QueueRow]) -> DeskOutcome { desk(rows) { $0.release($1, $2) } }
    mutating func deskPurge(_ rows: [QueueRow]) -> DeskOutcome { desk(rows) { $0.purge($1, $2) } }

    private mutating func desk(
        _ rows: [QueueRow], _ deed: (inout Federation, [EntryClaim], Turn) -> DeskOutcome
    ) -> DeskOutcome {
        var outcome = DeskOutcome()
        step { outcome = deed(&$0, rows.map { EntryClaim(name: $0.name, tag: $0.tag) }, $1) }
        return outcome
    }
}
