import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas

/// `Tests/Stores/schema-1.dump` is what a release build of the last version with schema 1 left behind when it was killed: see the
/// README there for what happened in it and how it was made.
@Suite("A store made by the build before, in rows")
struct OldStoreTests {
    /// A stanza as schema 1 wrote it, read without the code under test.
    private static func stanza(_ bytes: [UInt8], from start: Int) -> Stanza {
        var reader = ByteReader(bytes, from: start)
        let kind = reader.take(UInt8.self)
        let traits = reader.take(UInt8.self)
        func address() -> JID? {
            let parts = (0..<3).map { _ in reader.takeOptionalString() }
            return parts[1].map {
                JID(preparedLocalpart: parts[0], preparedDomainpart: $0, preparedResourcepart: parts[2])
            }
        }
        var stanza = Stanza([.message, .presence, .iq][Int(kind)], from: address(), to: address())
        stanza.id = reader.takeOptionalString()
        stanza.type = reader.takeOptionalString()
        stanza.lang = reader.takeOptionalString()
        stanza.content = reader.takeBytes()
        stanza.traits = Stanza.Traits(rawValue: UInt32(traits))
        #expect(reader.isAtEnd)
        return stanza
    }

    private let dump: StoreDump
    private let store = MemoryStore()

    init() throws {
        dump = try StoreDump("schema-1.dump")
        try dump.load(into: store)
    }

    private func rows(_ table: Table) -> [KeyValueEntry] { dump.tables[table] ?? [] }

    @Test("it has rows of every kind")
    func everyKind() {
        for number: UInt8 in 0...20 { #expect(!rows(Table(rawValue: number)).isEmpty, "table \(number)") }
        #expect(rows(.clientSession).contains { $0.key.last == 2 }, "a presence")
        #expect(rows(.lane).count >= 3 && !rows(.have).isEmpty)
        #expect(Set(rows(.entry).map { $0.value[24] & 0x7F }) == [0, 1], "waiting entries and voids")
    }

    @Test("every stanza is there after the migration, byte for byte and with the same traits, and has one holder")
    func stanzas() throws {
        let outcome = try StoreMigration.run(store)
        let presences = rows(.clientSession).filter { $0.key.last == 2 }
        let all = rows(.logOfSchema1).count + rows(.pendingSubscription).count + presences.count
        #expect(outcome == StoreMigration.Outcome(schema: 1, rows: all))
        let new = store.begin()
        for row in rows(.logOfSchema1) {
            let sequence = ByteReader.first(row.key)
            var times = ByteReader(row.value)
            let logged = LoggedStanza(
                stanza: Self.stanza(row.value, from: 16), acceptedAt: WallTime(milliseconds: times.take()),
                acceptedInstant: Instant(milliseconds: times.take()))
            #expect(StanzaLog.stanza(sequence, in: new) == logged)
            #expect(StanzaLog.holders(sequence, in: new) == 1)
        }
        for row in rows(.pendingSubscription) {
            var key = ByteReader(row.key)
            let (account, contact) = (AddressNumber(key.take()), AddressNumber(key.take()))
            let request = PendingSubscriptionTable.requests(to: account, in: new).first { $0.contact == contact }
            #expect(request?.request == Self.stanza(row.value, from: 0))
        }
        for row in presences {
            var key = ByteReader(row.key)
            let (account, session) = (AddressNumber(key.take()), key.take(UInt64.self))
            #expect(ClientSessionTable.presence(account, session, in: new) == Self.stanza(row.value, from: 0))
        }
    }

    @Test("nothing else has changed")
    func others() throws {
        _ = try StoreMigration.run(store)
        let new = store.begin()
        let changed: Set<Table> = [.logOfSchema1, .log, .pendingSubscription]
        for table in Table.all where !changed.contains(table) {
            var now: [KeyValueEntry] = []
            new.forEach(table, prefix: []) { key, value in
                now.append(KeyValueEntry(key: key, value: value))
                return true
            }
            let isSame: (KeyValueEntry) -> Bool = {
                table == .meta ? $0.key != Array("schema".utf8) : table != .clientSession || $0.key.last != 2
            }
            #expect(now.filter(isSame) == rows(table).filter(isSame), "\(table.databaseName)")
        }
        #expect(new.lastEntry(.logOfSchema1) == nil && new.lastEntry(.logHolders) == nil)
        #expect(MetaTable.schema(in: new) == MetaTable.schemaVersion)
        #expect(MetaTable.number(.migration, in: new) == nil)
    }

    @Test("every row of the log is held by exactly one record: releasing them all empties it")
    func references() throws {
        _ = try StoreMigration.run(store)
        let new = store.begin()
        for row in rows(.mailbox) {
            var key = ByteReader(row.key)
            MailboxTable.remove(AddressNumber(key.take()), key.take(), in: new)
        }
        for (lane, row) in LaneTable.all(in: new) {
            let entries = LaneEntries(lane, base: 0)
            _ = EntryTable.removeFirst(.max, of: entries, before: row.base + row.assigned + 1, in: new)
        }
        var held: [UInt64] = []
        HeldTable.forEach(from: 0, in: new) { _, row in
            held.append(row.logSequence)
            return true
        }
        for sequence in held { StanzaLog.release(sequence, in: new) }
        #expect(new.lastEntry(.log) == nil)
    }
}
