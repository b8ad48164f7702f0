import MartletPrimitives
import Testing
import XMPPStanzas

@testable import MartletStore

/// Rows of lanes with what is kept and what is remembered (`Docs/relay-protocol.md` S2, R6), and those of builds before.
@Suite struct HistoryRowTests {
    private static let numbers = (peer: AddressNumber(1), local: AddressNumber(2))

    private func stored(_ row: inout HaveRow, _ store: some KeyValueTransaction) -> HaveRow? {
        HaveTable.update(&row, peer: Self.numbers.peer, local: Self.numbers.local, laneClass: .chat, in: store)
        return HaveTable.row(peer: Self.numbers.peer, local: Self.numbers.local, laneClass: .chat, in: store)
    }

    @Test("the last 1,024 tags are remembered, whatever the batches and numberings were", arguments: [1, 7, 64, 300])
    func history(batch: UInt64) {
        let store = MemoryStore().begin()
        var row = HaveRow(epoch: Epoch(high: 1, low: 0), number: 1, tag: 1)
        var last: UInt64 = 1
        for _ in 0..<max(3, 2400 / batch) {
            for _ in 0..<batch {
                last += 1
                let epoch = Epoch(high: 1 + last / 500, low: 0)
                row.took(epoch, epoch == row.epoch ? row.number + 1 : 1, tag: last)
            }
            let read = stored(&row, store)
            #expect(read == row)
        }
        let (runs, isAll) = HaveTable.history(
            row, peer: Self.numbers.peer, local: Self.numbers.local, laneClass: .chat, in: store)
        let tags = runs.flatMap(\.tags)
        #expect(tags == Array(last + 1 - UInt64(tags.count)...last))
        #expect(tags.count == TagRun.limit)
        #expect(!isAll)
        for run in runs where run.first > 1 {
            #expect(runs.contains { $0.epoch == run.epoch && $0.next == run.first } || run == runs.first)
        }
        #expect(store.lastEntry(.haveTags) != nil)
    }

    @Test("a short history is whole, and says so")
    func whole() {
        let store = MemoryStore().begin()
        var row = HaveRow(epoch: Epoch(high: 1, low: 0), number: 1, tag: 1)
        for tag: UInt64 in 2...200 {
            row.took(row.epoch, tag, tag: tag)
            _ = stored(&row, store)
        }
        let (runs, isAll) = HaveTable.history(
            row, peer: Self.numbers.peer, local: Self.numbers.local, laneClass: .chat, in: store)
        #expect(runs.flatMap(\.tags) == Array(1...200))
        #expect(isAll)
    }

    @Test(
        "a row of a build that remembered no tags is read, with every number of ended epochs, and remembers from then on",
        arguments: 0...8)
    func oldHave(retired: Int) throws {
        let store = MemoryStore().begin()
        var writer = ByteWriter()
        for number: UInt64 in [3, 4, 5, 6] { writer.put(number) }
        for number in 0..<retired {
            writer.put(UInt64(number))
            writer.put(UInt64(9))
        }
        var key = ByteWriter()
        key.put(Self.numbers.peer.value)
        key.put(Self.numbers.local.value)
        key.put(LaneClass.chat.rawValue)
        store.put(.have, key.bytes, writer.bytes)
        let read = HaveTable.row(peer: Self.numbers.peer, local: Self.numbers.local, laneClass: .chat, in: store)
        var row = try #require(read)
        #expect((row.epoch, row.number, row.tag) == (Epoch(high: 3, low: 4), 5, 6))
        #expect(row.retired == (0..<retired).map { Epoch(high: UInt64($0), low: 9) })
        row.took(row.epoch, 6, tag: 7)
        #expect(stored(&row, store) == row)
        let (runs, isAll) = HaveTable.history(
            row, peer: Self.numbers.peer, local: Self.numbers.local, laneClass: .chat, in: store)
        #expect(runs == [TagRun(epoch: row.epoch, first: 6, tags: [7])])
        #expect(!isAll)
    }

    @Test("a lane's row of a build that kept nothing is read: nothing is kept, and its ended epochs begin nobody knows where")
    func oldLane() {
        let store = MemoryStore().begin()
        var writer = ByteWriter()
        writer.put(UInt64(1))
        writer.put(UInt64(2))
        writer.put(LaneClass.chat.rawValue)
        for number: UInt64 in [7, 8, 30, 31, 32, 20, 99, 5] { writer.put(number) }
        for _ in EntryProof.allCases { writer.put(UInt64(4)) }
        writer.put(UInt8(1))
        writer.put(UInt8(0))
        writer.put(UInt64(11))
        writer.put(UInt64(12))
        var key = ByteWriter()
        key.put(UInt32(1))
        store.put(.lane, key.bytes, writer.bytes)
        let row = LaneTable.row(LaneID(1), in: store)
        #expect((row.assigned, row.acked, row.base, row.ackedTag) == (30, 20, 5, 99))
        #expect(row.provenOtherwise)
        #expect(!row.isDecided)
        #expect(row.retired == [EndedEpoch(Epoch(high: 11, low: 12), base: nil)])
        #expect((row.floor, row.floorTag, row.reached, row.keptCount) == (25, 99, 25, 0))
        LaneTable.update(LaneID(1), row, in: store)
        #expect(LaneTable.row(LaneID(1), in: store) == row)
    }

    private func lane() -> LaneRow {
        LaneRow(local: AddressNumber(1), peer: AddressNumber(2), laneClass: .chat, epoch: Epoch(high: 1, low: 1))
    }

    @Test("runs are an eighth of the limits; going back cuts them; a new numbering keeps what stands before it")
    func runs() {
        let limit = KeepLimit(time: 8000, bytes: 800)
        var row = lane()
        row.assigned = 20
        for number: UInt64 in 1...20 {
            row.acked = number
            row.ackedTag = number * 10
            row.keepAcknowledged(40, at: Instant(milliseconds: Int64(number) * 300), limit)
        }
        #expect(row.kept.map(\.until) == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20])
        row.dropOldestRun()
        #expect((row.floor, row.floorTag, row.keptCount, row.keptBytes) == (2, 20, 18, 720))
        #expect(row.keptUntil(limit) == Instant(milliseconds: 900 + 9000))
        row.goBack(to: 7, tag: 70)
        #expect((row.acked, row.ackedTag, row.warned, row.reached) == (7, 70, 20, 20))
        #expect(row.kept.map(\.until) == [4, 6, 7])
        row.renumber(Epoch(high: 2, low: 2), behind: 5)
        #expect((row.base, row.assigned, row.acked, row.keptCount) == (5, 15, 0, 3))
        #expect(row.kept.map(\.until) == [4, 5])
        #expect(row.start(of: Epoch(high: 1, low: 1)) == 0)
        #expect(row.start(of: Epoch(high: 3, low: 3)) == nil)
        row.renumber(Epoch(high: 3, low: 3), behind: 2)
        #expect((row.kept, row.floor, row.assigned) == ([], 2, 18))
        #expect(row.start(of: Epoch(high: 2, low: 2)) == 5)
    }
}
