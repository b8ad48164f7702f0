import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas

/// Rows as they stand on disks: what was written yesterday is read tomorrow.
@Suite("The format of rows")
struct RowFormatTests {
    @Test("a row of the log, byte by byte")
    func log() throws {
        let store = MemoryStore().begin()
        let from = JID(preparedLocalpart: "a", preparedDomainpart: "b", preparedResourcepart: nil)
        var stanza = Stanza(.message, from: from, id: "i")
        stanza.content = [0x3c, 0x62, 0x2f, 0x3e]
        stanza.traits = .body
        let logged = LoggedStanza(
            stanza: stanza, acceptedAt: WallTime(milliseconds: 0x0102), acceptedInstant: Instant(milliseconds: 3))
        #expect(StanzaLog.append(logged, in: store) == 1)
        let address: [UInt8] = [1, 0, 0, 0, 1, 0x61, 1, 0, 0, 0, 1, 0x62, 0]
        let nobody: [UInt8] = [0, 0, 0]
        let rest: [UInt8] = [1, 0, 0, 0, 1, 0x69, 0, 0, 0, 0, 0, 4, 0x3c, 0x62, 0x2f, 0x3e]
        let times: [UInt8] = [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3]
        #expect(store.get(.log, [0, 0, 0, 0, 0, 0, 0, 1]) == times + [0, 1] + address + nobody + rest)
        #expect(StanzaLog.stanza(1, in: store) == logged)
        StanzaLog.remove(1, in: store)
        #expect(store.lastEntry(.log) == nil)
    }

    @Test("a row of a mailbox, byte by byte")
    func mailbox() {
        let store = MemoryStore().begin()
        var row = MailboxRow(holders: 0x0203, isForSession: true)
        row.isAcknowledged = true
        MailboxTable.put(AddressNumber(0x0405), 0x0607, row, in: store)
        let key: [UInt8] = [0, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 0, 0, 6, 7]
        #expect(store.lastEntry(.mailbox) == KeyValueEntry(key: key, value: [3, 2, 3]))
        #expect(MailboxTable.row(AddressNumber(0x0405), 0x0607, in: store) == row)
    }
}
