import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

@Suite struct FederationBundleTests {
    typealias Harness = FederationHarness

    /// The records that `harness` exports for `peer`, through all parts.
    private func export(_ harness: inout Harness, for peer: JID = Harness.peer) throws -> [[UInt8]] {
        var records: [[UInt8]] = []
        var cursor: EntryName?
        repeat {
            var answer = CommandAnswer.refused("")
            harness.step { answer = $0.exportPart(peer, after: cursor, $1) }
            guard case .bundle(let part) = answer else {
                Issue.record("\(answer)")
                return records
            }
            records += part.records
            cursor = part.next
        } while cursor != nil
        return records
    }

    private func `import`(
        _ records: [[UInt8]], into harness: inout Harness, from origin: JID = Harness.local, to destination: JID = Harness.peer
    ) throws -> ImportOutcome {
        let carried = try records.map { try #require(CarriedRecord(parsing: $0, origin: origin, destination: destination)) }
        var answer = CommandAnswer.refused("")
        harness.step {
            answer = $0.importRecords(carried, DomainPair(local: destination, peer: origin), $1)
        }
        guard case .imported(let outcome) = answer else {
            Issue.record("\(answer)")
            return ImportOutcome()
        }
        return outcome
    }

    @Test("R1: a bundle is taken over once, in order, and the line that returns knows it")
    func carried() throws {
        var two = TwoFederations()
        for text in ["a", "b", "c"] { two.pilsen.acceptMessage(text) }
        two.pilsen.dialFails()
        #expect(two.pilsen.deskPurge(two.pilsen.rows { $0.name.number == 2 }).done == 1)
        let records = try export(&two.pilsen)
        #expect(records.count == 3)
        let first = try self.import(records, into: &two.brno)
        #expect((first.taken, first.duplicates, first.behindGap) == (3, 0, 0))
        #expect(two.delivered == ["a", "c"])
        #expect(two.brno.routed.allSatisfy { $0.payload("delay", Namespaces.delay)?["from"] == "pilsen.example" })
        #expect(two.brno.routed.allSatisfy { $0.payload("seq", Namespaces.relay) == nil && $0.relayMark == nil })
        let again = try self.import(records, into: &two.brno)
        #expect((again.taken, again.duplicates) == (0, 3))
        two.pilsen.acceptMessage("d")
        try two.connect()
        #expect(two.delivered == ["a", "c", "d"])
        #expect(two.pilsen.waiting == 0)
        #expect(two.pilsen.store.count(.log) == 0)
    }

    @Test("what a stick has brought and is kept does not wait: its sender is not shown it")
    func keptIsNotShown() throws {
        var two = TwoFederations()
        two.pilsen.policy.federation.keep = KeepLimit(time: 86_400_000, bytes: 64 << 20)
        for text in ["a", "b"] { two.pilsen.acceptMessage(text) }
        two.pilsen.dialFails()
        _ = try self.import(try export(&two.pilsen), into: &two.brno)
        two.pilsen.acceptMessage("c")
        two.brno.accept(Harness.message("back", from: Harness.bob, to: Harness.alice.bare))
        let outcome = try self.import(
            try export(&two.brno, for: Harness.local), into: &two.pilsen, from: Harness.peer, to: Harness.local)
        #expect(outcome.acknowledged == 2)
        var words: [String] = []
        two.pilsen.step { words = $0.ownEntries(of: Harness.alice.bare, $1).rows.map(\.words) }
        #expect(words == ["c"])
    }

    @Test("R1: what lies behind a gap is refused, and fits when the gap is filled")
    func gap() throws {
        var two = TwoFederations()
        for number in 1...6 { two.pilsen.acceptMessage("m\(number)") }
        two.pilsen.dialFails()
        let records = try export(&two.pilsen)
        let late = try self.import(Array(records[3...]), into: &two.brno)
        #expect((late.taken, late.behindGap, late.missing) == (0, 3, 1))
        let early = try self.import(Array(records[..<2]), into: &two.brno)
        #expect(early.taken == 2)
        let still = try self.import(Array(records[3...]), into: &two.brno)
        #expect((still.taken, still.behindGap, still.missing) == (0, 3, 3))
        let all = try self.import(records, into: &two.brno)
        #expect((all.taken, all.duplicates) == (4, 2))
        #expect(two.delivered == (1...6).map { "m\($0)" })
    }

    @Test("a bundle races the live line: each entry arrives once, whichever is first")
    func race() throws {
        var two = TwoFederations()
        for number in 1...4 { two.pilsen.acceptMessage("m\(number)") }
        two.pilsen.dialFails()
        let records = try export(&two.pilsen)
        _ = try self.import(Array(records[..<2]), into: &two.brno)
        try two.connect()
        let late = try self.import(records, into: &two.brno)
        #expect(late.duplicates == 4)
        two.pilsen.acceptMessage("m5")
        two.talk()
        #expect(two.delivered == (1...5).map { "m\($0)" })
        #expect(two.pilsen.waiting == 0)
    }

    @Test("the way back brings what the other side has; it acknowledges that and never more")
    func wayBack() throws {
        var two = TwoFederations()
        two.brno.policy.federation.knownPeers = [Harness.local]
        for number in 1...3 { two.pilsen.acceptMessage("m\(number)") }
        two.pilsen.dialFails()
        let out = try export(&two.pilsen)
        _ = try self.import(Array(out[..<2]), into: &two.brno)
        // Brno writes back, so that a link and a bundle exist.
        two.brno.accept(Harness.message("answer", from: Harness.bob, to: Harness.alice.bare))
        let back = try export(&two.brno, for: Harness.local)
        #expect(back.count == 2)
        let outcome = try self.import(back, into: &two.pilsen, from: Harness.peer, to: Harness.local)
        #expect((outcome.taken, outcome.acknowledged, outcome.ignoredHaves) == (1, 2, 0))
        #expect(two.pilsen.routed.map(\.id) == ["answer"])
        #expect(two.pilsen.waiting == 1)
        let again = try self.import(back, into: &two.pilsen, from: Harness.peer, to: Harness.local)
        #expect((again.acknowledged, again.ignoredHaves, again.duplicates) == (0, 1, 1))

        // Haves that do not fit are nobody's business: no entry goes, no lane stops.
        let row = try #require(two.pilsen.federation.links[0].lanes[1].row)
        let tag = try #require(two.pilsen.rows().first).tag
        for mark in [
            RelayMark(lane: .chat, epoch: row.epoch, number: 3, tag: tag ^ 1, after: nil),
            RelayMark(lane: .chat, epoch: row.epoch, number: 4, tag: tag, after: nil),
            RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 1), number: 3, tag: tag, after: nil),
            RelayMark(lane: .bulk, epoch: row.epoch, number: 3, tag: tag, after: nil),
        ] {
            two.pilsen.step {
                _ = $0.importRecords([.have(mark)], DomainPair(local: Harness.local, peer: Harness.peer), $1)
            }
            #expect(two.pilsen.waiting == 1)
            #expect(!two.isStopped)
        }
    }

    @Test("what went on a stick may have arrived: it cannot be held, and a purge says so")
    func exportedMayHaveArrived() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        harness.dialFails()
        _ = try export(&harness)
        for _ in 0..<2 {
            #expect(harness.deskHold(harness.rows()).refused.count == 1)
            harness.restart()
        }
        #expect(harness.deskPurge(harness.rows()).done == 1)
        let text = harness.routed.last?.payload("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text
        #expect(text?.contains("may have arrived") == true)
    }

    @Test("a long queue is exported in parts, and every part of it in order")
    func parts() throws {
        var harness = Harness()
        harness.step { federation, turn in
            for number in 1...700 { federation.accept(Envelope(Harness.message("m\(number)"), from: .site), turn) }
        }
        harness.dialFails()
        let marks = try export(&harness).map { record -> UInt64 in
            guard case .stanza(let mark, _) = CarriedRecord(parsing: record, origin: Harness.local, destination: Harness.peer)
            else { return 0 }
            return mark.number
        }
        #expect(marks == Array(1...700))
    }

    @Test("records of other pairs, without numbers, or of other kinds are none")
    func records() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        harness.dialFails()
        let good = try #require(try export(&harness).first)
        #expect(CarriedRecord(parsing: good, origin: Harness.local, destination: Harness.peer) != nil)
        #expect(CarriedRecord(parsing: good, origin: Harness.peer, destination: Harness.local) == nil)
        #expect(CarriedRecord(parsing: good, origin: Harness.local, destination: Harness.local) == nil)
        #expect(CarriedRecord(parsing: good.dropLast(), origin: Harness.local, destination: Harness.peer) == nil)
        #expect(CarriedRecord(parsing: good + good, origin: Harness.local, destination: Harness.peer) == nil)
        for text in [
            "", "<message from='alice@pilsen.example' to='bob@brno.example'><body>no number</body></message>",
            "<ask xmlns='urn:martlet:relay:0' from='pilsen.example' to='brno.example'/>",
            "<void xmlns='urn:martlet:relay:0' from='pilsen.example' to='brno.example'/>",
            "<void xmlns='urn:martlet:relay:0' from='pilsen.example' to='brno.example' lane='chat' epoch='x' n='1' tag='0'/>",
        ] {
            #expect(
                CarriedRecord(parsing: Array(text.utf8), origin: Harness.local, destination: Harness.peer) == nil, "\(text)")
        }
    }

    // MARK: the file

    private static func sample() -> (bundle: QueueBundle, file: [UInt8]) {
        var bundle = QueueBundle(origin: "pilsen.example", destination: "brno.example", made: "2026-11-22T10:32:07.120Z")
        bundle.records = [Array("<message/>".utf8), [], Array("two\nlines\n".utf8)]
        bundle.certificatePEM = Array("-----BEGIN".utf8)
        return (bundle, QueueBundle.file(bundle.signedBytes(), signature: [1, 2, 3]))
    }

    @Test("a bundle's file reads as it was written")
    func roundTrip() throws {
        let (bundle, file) = Self.sample()
        let read = try QueueBundle.parse(file)
        #expect(read.bundle == bundle)
        #expect(read.signedBytes == bundle.signedBytes())
        #expect(read.signature == [1, 2, 3])
    }

    @Test("a file that ends early, goes on, or has a byte changed is refused or reads as something else; nothing crashes")
    func hostile() throws {
        let (bundle, file) = Self.sample()
        for end in file.indices {
            #expect(throws: QueueBundle.Failure.self) { try QueueBundle.parse(Array(file[..<end])) }
        }
        #expect(throws: QueueBundle.Failure.self) { try QueueBundle.parse(file + [0x0A]) }
        for place in file.indices {
            for value: UInt8 in [0, 0x0A, 0x30, 0x39, 0xFF] where file[place] != value {
                var changed = file
                changed[place] = value
                guard let read = try? QueueBundle.parse(changed) else { continue }
                #expect(read.signedBytes != bundle.signedBytes() || read.signature != [1, 2, 3])
                #expect(QueueBundle.file(read.signedBytes, signature: read.signature) == changed)
            }
        }
    }

    @Test("limits: numbers that are too large are refused before anything is reserved for them")
    func limits() {
        let header = "martlet-bundle 1\nfrom: a.example\nto: b.example\nmade: now\n"
        for text in [
            "martlet-bundle 2\n", "", "\n\n\n", header, header + "records: -1\n\n", header + "records: +1\n\n1\na\n",
            header + "records: 999999999\n\n", header + "records: 100001\n\n", header + "records: 1\n\n999999\n",
            header + "records: 1\n\n99999999999999999999\n", header + "records: 1\n\n 1\na\n", header + "records: 0x1\n\n",
            header + "records: 0\n\n70000\n" + String(repeating: "c", count: 70_000) + "\n0\n\n",
            "martlet-bundle 1\nfrom: " + String(repeating: "a", count: 5000) + "\n",
        ] {
            #expect(throws: QueueBundle.Failure.self, "\(text.prefix(60))") { try QueueBundle.parse(Array(text.utf8)) }
        }
    }
}
