import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// A peer that says anything at all about our lanes, while stores go back, operators decide and disks fill: nothing of it ends the
/// process.
@Suite struct FederationHostileTests {
    typealias Harness = FederationHarness

    private struct Peer {
        var random: RandomStream
        var harness = Harness()
        var connection: ConnectionID?
        var backups: [MemoryStore.Snapshot] = []
        var accepted = 0

        init(seed: UInt64) {
            random = RandomStream(seed: seed)
            let keeps = [
                KeepLimit(time: 0, bytes: 0), KeepLimit(time: 50_000, bytes: 1 << 20), KeepLimit(time: 86_400_000, bytes: 900),
            ]
            harness.policy.federation.keep = keeps[Int(random.next() % 3)]
            harness.policy.federation.continuesAfterRollback = random.next() % 4 == 0
            harness.step { $0.boot($1) }
        }

        mutating func below(_ limit: UInt64) -> UInt64 { random.next() % limit }

        /// A mark near what we have, or none.
        mutating func mark() -> RelayMark? {
            let row = harness.federation.links.first?.lanes[1].row
            var epochs = [Epoch(high: 9, low: below(3))]
            if let row { epochs += [row.epoch, row.epoch] + row.retired.map(\.epoch) }
            let epoch = epochs[Int(below(UInt64(epochs.count)))]
            let numbers: [UInt64] = [
                0, 1, .max, .max - 1, below(30), row?.acked ?? 1, row?.assigned ?? 2, (row?.assigned ?? 0) + below(4),
                (row?.acked ?? 0) + below(4), (row?.lastPlace ?? 0) + below(3),
            ]
            let number = numbers[Int(below(UInt64(numbers.count)))]
            if below(8) == 0 { return nil }
            return RelayMark(lane: .chat, epoch: epoch, number: number, tag: tag(at: number, epoch, row), after: nil)
        }

        /// Mostly the right tag of a number.
        mutating func tag(at number: UInt64, _ epoch: Epoch, _ row: LaneRow?) -> UInt64 {
            guard below(3) != 0, let row, let id = harness.federation.links.first?.lanes[1].id, number < 1 << 40,
                let start = row.start(of: epoch)
            else { return below(5) }
            var tag: UInt64 = row.ackedTag
            harness.step { tag = EntryTable.entry(LaneEntries(id, base: 0), start + number, in: $1.store)?.tag ?? row.ackedTag }
            return tag
        }

        mutating func act() throws {
            switch below(22) {
            case 0..<5:
                accepted += 1
                var stanza = Harness.message("m\(accepted)")
                if below(3) == 0 { stanza = Harness.message(String(repeating: "x", count: 300), from: Harness.alice) }
                harness.accept(stanza, belowReserve: below(20) == 0)
            case 5, 6, 7, 8, 9, 10:
                guard let connection else { return try connect() }
                var have = Harness.have(mark())
                if below(2) == 0 { have["tags"] = "1024" }
                if below(3) == 0 { have["all"] = below(2) == 0 ? "true" : "false" }
                if below(6) == 0 { have["ended"] = harness.federation.links.first?.lanes[1].row?.epoch.text }
                harness.step(belowReserve: below(12) == 0) { $0.received(.nonza(have), on: connection, $1) }
            case 11, 12:
                guard let connection else { return try connect() }
                var runs: [Element] = []
                for _ in 0...below(3) {
                    guard let mark = mark() else { continue }
                    var tags = [String(mark.tag, radix: 16)]
                    for _ in 0..<below(3) { tags.append(String(mark.tag &+ below(9), radix: 16)) }
                    let numbers: [UInt64] = [mark.number, (1 << 62) - 1, 1]
                    let n = numbers[Int(below(3))]
                    runs.append(
                        Element(
                            "run", Namespaces.relay, [("epoch", mark.epoch.text), ("n", String(n))],
                            text: tags.joined(separator: " ")))
                }
                harness.receive(.nonza(Element("tags", Namespaces.relay, [("lane", "chat")], elements: runs)), on: connection)
            case 13:
                if let connection { harness.receive(.closed("reset"), on: connection) }
                connection = nil
            case 14: harness.pass(Int64(below(80_000)))
            case 15:
                backups.append(harness.store.snapshot())
            case 16:
                guard let backup = backups.last, below(2) == 0 else { return }
                harness.store.restore(backup)
                harness.restart()
                connection = nil
            case 17:
                harness.restart()
                connection = nil
            case 18:
                let choices: [UncertainChoice] = [.resend, .drop, .hold]
                let choice = choices[Int(below(3))]
                harness.step { _ = $0.resync(Harness.peer, uncertain: choice, $1) }
            case 19:
                let rows = harness.rows()
                guard !rows.isEmpty else { return }
                let row = rows[Int(below(UInt64(rows.count)))]
                let what = below(3)
                let claim = EntryClaim(name: row.name, tag: row.tag)
                harness.step {
                    switch what {
                    case 0: _ = $0.hold([claim], $1)
                    case 1: _ = $0.purge([claim], $1)
                    default: _ = $0.release([claim], $1)
                    }
                }
            case 20: harness.step(belowReserve: true) { $0.trimAll($1) }
            default:
                if let connection {
                    harness.receive(.errorReceived("bad-format"), on: connection)
                    harness.receive(.closed("error"), on: connection)
                }
                connection = nil
            }
        }

        mutating func connect(relay: Bool? = nil) throws {
            if harness.federation.links.isEmpty { return harness.acceptMessage("first") }
            if !harness.isDialling { harness.step { _ = $0.retry(nil, $1) } }
            harness.step { federation, turn in
                if case .dialling(let id) = federation.links[0].state {
                    turn.perform(
                        .dial(federation.request(id, federation.links[0].pair, .link, by: Cause(.person, .site), turn)))
                }
            }
            guard harness.isDialling else { return }
            connection = try harness.dialSucceeds(relay: relay ?? (below(8) != 0), managed: below(2) == 0)
        }
    }

    @Test("whatever a peer says of our lanes, the process goes on, and in the end the lane does", arguments: 0..<16)
    func anything(seed: UInt64) throws {
        var peer = Peer(seed: seed)
        for _ in 0..<600 { try peer.act() }
        // From now on it is another server, which has nothing and says what it has.
        peer.harness.restart()
        peer.harness.step { _ = $0.resync(Harness.peer, uncertain: .resend, $1) }
        peer.harness.pass(1000)
        peer.harness.acceptMessage("last")
        try peer.connect(relay: true)
        let connection = try #require(peer.connection)
        peer.harness.receive(.nonza(Harness.have(nil)), on: connection)
        if peer.harness.federation.links[0].lanes[1].row?.isStopped == true {
            peer.harness.step { _ = $0.resync(Harness.peer, uncertain: .resend, $1) }
            peer.harness.receive(.nonza(Harness.have(nil)), on: connection)
        }
        for _ in 0..<2000 where peer.harness.waiting > 0 {
            let sent = peer.harness.takeSent(connection)
            let void = sent.last { $0.name == "void" }.flatMap(RelayMark.init)
            let last = [Harness.marks(sent).last, void].compactMap { $0 }.max { $0.number < $1.number }
            if let last { peer.harness.receive(.nonza(Harness.have(last)), on: connection) }
            peer.harness.pass(20)
        }
        #expect(peer.harness.waiting == 0)
    }
}
