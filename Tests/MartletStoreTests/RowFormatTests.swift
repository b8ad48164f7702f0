import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas

/// Rows as they stand on disks: what was written yesterday is read tomorrow.
@Suite("The format of rows")
struct RowFormatTests {
    /// A message from `a@b`, and its bytes behind the traits, the same in all schemas.
    private static let message: Stanza = {
        let from = JID(preparedLocalpart: "a", preparedDomainpart: "b", preparedResourcepart: nil)
        var stanza = Stanza(.message, from: from, id: "i")
        stanza.content = [0x3c, 0x62, 0x2f, 0x3e]
        stanza.traits = .body
        return stanza
    }()
    private static let addresses: [UInt8] = [1, 0, 0, 0, 1, 0x61, 1, 0, 0, 0, 1, 0x62, 0] + [0, 0, 0]
    private static let rest: [UInt8] = addresses + [1, 0, 0, 0, 1, 0x69, 0, 0, 0, 0, 0, 4, 0x3c, 0x62, 0x2f, 0x3e]
    private static let times: [UInt8] = [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3]
    private static let logged = LoggedStanza(
        stanza: message, acceptedAt: WallTime(milliseconds: 0x0102), acceptedInstant: Instant(milliseconds: 3))
    private static let one: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 1]
    private static let two: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 2]

    @Test("a row of the log, byte by byte")
    func log() {
        let store = MemoryStore().begin()
        #expect(StanzaLog.append(Self.logged, in: store) == 1)
        #expect(store.get(.log, Self.one) == [0] + Self.times + [0x20, 0, 0, 0, 1] + Self.rest)
        #expect(StanzaLog.stanza(1, in: store) == Self.logged)
        StanzaLog.release(1, in: store)
        #expect(store.lastEntry(.log) == nil)
    }

    @Test("all 32 traits are kept, the highest byte first")
    func traits() {
        let store = MemoryStore().begin()
        var logged = Self.logged
        logged.stanza.traits = Stanza.Traits(rawValue: 0x8102_0304)
        #expect(StanzaLog.append(logged, in: store) == 1)
        #expect(store.get(.log, Self.one) == [0] + Self.times + [0x20, 0x81, 2, 3, 4] + Self.rest)
        #expect(StanzaLog.stanza(1, in: store) == logged)
    }

    @Test("a row of the log with several holders, byte by byte")
    func holders() {
        let store = MemoryStore().begin()
        #expect(StanzaLog.append(Self.logged, holders: 2, in: store) == 1)
        #expect(StanzaLog.append(Self.logged, in: store) == 2)
        StanzaLog.hold(2, in: store)
        StanzaLog.hold(2, in: store)
        for key in [Self.one, Self.two] {
            #expect(store.get(.log, key) == [1] + Self.times + [0x20, 0, 0, 0, 1] + Self.rest)
        }
        #expect(store.get(.logHolders, Self.one) == [0, 0, 0, 1])
        #expect(store.get(.logHolders, Self.two) == [0, 0, 0, 2])
    }

    @Test("a request and a presence, byte by byte")
    func stanzas() {
        let store = MemoryStore().begin()
        PendingSubscriptionTable.put(AddressNumber(1), AddressNumber(2), Self.message, in: store)
        ClientSessionTable.setPresence(AddressNumber(1), 2, Self.message, in: store)
        #expect(store.get(.pendingSubscription, Self.one + Self.two) == [0x20, 0, 0, 0, 1] + Self.rest)
        #expect(store.get(.clientSession, Self.one + Self.two + [2]) == [0x20, 0, 0, 0, 1] + Self.rest)
    }

    @Test("the schema: eight bytes in schema 1, four from schema 2 on, which builds of schema 1 cannot read")
    func schema() {
        let store = MemoryStore().begin()
        #expect(MetaTable.schema(in: store) == nil)
        MetaTable.set(.schema, 1, in: store)
        #expect(MetaTable.bytes(.schema, in: store) == Self.one)
        #expect(MetaTable.schema(in: store) == 1)
        MetaTable.setSchema(MetaTable.schemaVersion, in: store)
        #expect(MetaTable.bytes(.schema, in: store) == [0, 0, 0, 3])
        #expect(MetaTable.schema(in: store) == 3)
    }

    @Test("rows of schema 1, byte by byte, are rows of schema 2 after the migration")
    func migration() throws {
        let store = MemoryStore()
        let old = store.begin()
        MetaTable.set(.schema, 1, in: old)
        old.put(.logOfSchema1, Self.one, Self.times + [0, 1] + Self.rest)
        old.put(.logOfSchema1, Self.two, Self.times + [0, 0x81] + Self.rest)
        old.put(.pendingSubscription, Self.one + Self.two, [1, 0] + Self.rest)
        for part: UInt8 in 0...2 { old.put(.clientSession, Self.one + Self.two + [part], [1, 0] + Self.rest) }
        try store.commit()
        #expect(try StoreMigration.run(store) == StoreMigration.Outcome(schema: 1, rows: 4))
        let new = store.begin()
        #expect(new.lastEntry(.logOfSchema1) == nil)
        #expect(new.get(.log, Self.one) == [0] + Self.times + [0x20, 0, 0, 0, 1] + Self.rest)
        #expect(new.get(.log, Self.two) == [0] + Self.times + [0x20, 0, 0, 0, 0x81] + Self.rest)
        #expect(StanzaLog.stanza(1, in: new) == Self.logged)
        #expect(new.get(.pendingSubscription, Self.one + Self.two) == [0x21, 0, 0, 0, 0] + Self.rest)
        for part: UInt8 in 0...1 {
            #expect(new.get(.clientSession, Self.one + Self.two + [part]) == [1, 0] + Self.rest)
        }
        #expect(new.get(.clientSession, Self.one + Self.two + [2]) == [0x21, 0, 0, 0, 0] + Self.rest)
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
        row.resourceMark = MailboxRow.mark(ofResource: "foobar")
        MailboxTable.put(AddressNumber(0x0405), 0x0607, row, in: store)
        #expect(store.lastEntry(.mailbox) == KeyValueEntry(key: key, value: [3, 2, 3, 0xBF, 0x9C, 0xF9, 0x68]))
        #expect(MailboxTable.row(AddressNumber(0x0405), 0x0607, in: store) == row)
        row.weight = MailboxRow.Weight(bytes: 0x0A0B_0C0D, sender: 0x0102_0304_0506_0708)
        MailboxTable.put(AddressNumber(0x0405), 0x0607, row, in: store)
        let weight: [UInt8] = [0x0A, 0x0B, 0x0C, 0x0D, 1, 2, 3, 4, 5, 6, 7, 8]
        #expect(store.lastEntry(.mailbox) == KeyValueEntry(key: key, value: [3, 2, 3, 0xBF, 0x9C, 0xF9, 0x68] + weight))
        #expect(MailboxTable.row(AddressNumber(0x0405), 0x0607, in: store) == row)
        row.resourceMark = nil
        MailboxTable.put(AddressNumber(0x0405), 0x0607, row, in: store)
        #expect(store.lastEntry(.mailbox) == KeyValueEntry(key: key, value: [7, 2, 3, 0, 0, 0, 0] + weight))
        #expect(MailboxTable.row(AddressNumber(0x0405), 0x0607, in: store) == row)
    }
}
