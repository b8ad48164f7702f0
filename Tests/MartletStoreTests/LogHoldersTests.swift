import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas

/// A log as one would write it down: each row with its holders.
private struct NaiveLog {
    var rows: [(sequence: UInt64, stanza: LoggedStanza, holders: Int)] = []

    mutating func append(_ sequence: UInt64, _ stanza: LoggedStanza, _ holders: Int) {
        rows.append((sequence, stanza, holders))
    }

    mutating func change(_ index: Int, by difference: Int) {
        rows[index].holders += difference
        if rows[index].holders == 0 { rows.remove(at: index) }
    }
}

@Suite("The holders of a row of the log")
struct LogHoldersTests {
    @Test("a row is there as long as anything points at it, and no longer, whatever comes and goes", arguments: 1...20)
    func likeTheModel(seed: UInt64) throws {
        var random = RandomStream(seed: seed)
        let store = MemoryStore()
        var model = NaiveLog()
        for batch in 0..<40 {
            let before = model
            let transaction = store.begin()
            for _ in 0..<Int.random(in: 1...20, using: &random) { step(&model, transaction, &random, batch) }
            if Int.random(in: 0..<5, using: &random) == 0 {
                store.abort()
                model = before
            } else {
                try store.commit()
            }
            let after = store.begin()
            expect(after, equals: model)
            store.abort()
        }
        let transaction = store.begin()
        for row in model.rows { for _ in 0..<row.holders { StanzaLog.release(row.sequence, in: transaction) } }
        #expect(transaction.lastEntry(.log) == nil && transaction.lastEntry(.logHolders) == nil)
    }

    private func step(
        _ model: inout NaiveLog, _ store: any KeyValueTransaction, _ random: inout RandomStream, _ batch: Int
    ) {
        let index = model.rows.indices.randomElement(using: &random)
        switch (Int.random(in: 0..<4, using: &random), index) {
        case (0, _), (_, nil):
            let logged = Self.logged("\(batch)", content: Int.random(in: 0...3000, using: &random))
            let holders = Int.random(in: 1...3, using: &random)
            let sequence = StanzaLog.append(logged, holders: holders, in: store)
            #expect(model.rows.allSatisfy { $0.sequence < sequence })
            model.append(sequence, logged, holders)
        case (1, let index?):
            StanzaLog.hold(model.rows[index].sequence, in: store)
            model.change(index, by: 1)
        case (_, let index?):
            StanzaLog.release(model.rows[index].sequence, in: store)
            model.change(index, by: -1)
        }
    }

    private func expect(_ store: any KeyValueTransaction, equals model: NaiveLog) {
        var sequences: [UInt64] = []
        store.forEach(.log, prefix: []) { key, _ in
            sequences.append(ByteReader.first(key))
            return true
        }
        #expect(sequences == model.rows.map(\.sequence))
        var shared: [UInt64] = []
        store.forEach(.logHolders, prefix: []) { key, _ in
            shared.append(ByteReader.first(key))
            return true
        }
        #expect(shared == model.rows.filter { $0.holders > 1 }.map(\.sequence))
        for row in model.rows {
            #expect(StanzaLog.stanza(row.sequence, in: store) == row.stanza)
            #expect(StanzaLog.holders(row.sequence, in: store) == row.holders)
        }
    }

    @Test("a row with one holder is one write when it comes, one when it goes, and nothing else")
    func aloneCostsNothing() {
        let store = MemoryStore().begin()
        let sequence = StanzaLog.append(Self.logged("a", content: 10), in: store)
        #expect(store.writes == 1)
        StanzaLog.release(sequence, in: store)
        #expect(store.writes == 2)
        #expect(StanzaLog.holders(sequence, in: store) == 0)
    }

    @Test("a message in two mailboxes stays until it has left both")
    func twoMailboxes() {
        let store = MemoryStore().begin()
        let logged = Self.logged("a", content: 10)
        let sequence = StanzaLog.append(logged, holders: 2, in: store)
        for account: UInt64 in [1, 2] {
            MailboxTable.put(AddressNumber(account), sequence, MailboxRow(holders: 0), in: store)
        }
        MailboxTable.remove(AddressNumber(1), sequence, in: store)
        #expect(StanzaLog.stanza(sequence, in: store) == logged)
        MailboxTable.remove(AddressNumber(2), sequence, in: store)
        #expect(StanzaLog.stanza(sequence, in: store) == nil)
    }

    private static func logged(_ id: String, content: Int) -> LoggedStanza {
        let to = JID(preparedLocalpart: "a", preparedDomainpart: "b", preparedResourcepart: nil)
        var stanza = Stanza(.message, to: to, id: id)
        stanza.content = [UInt8](repeating: 0x61, count: content)
        stanza.traits = Stanza.Traits(rawValue: 0x8000_0001)
        return LoggedStanza(
            stanza: stanza, acceptedAt: WallTime(milliseconds: 5), acceptedInstant: Instant(milliseconds: 6))
    }
}
