import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletStore

@Suite("Archives in the store")
struct ArchiveTableTests {
    private let store = MemoryStore()
    private let owners = ArchiveOwners(sender: AddressNumber(3), addressee: AddressNumber(7), tag: 0x1122, mask: 0xFF00)

    private func logged(_ body: String) -> LoggedStanza {
        LoggedStanza(
            stanza: Stanza(.message, id: body, payloads: [Element("body", Namespaces.client, text: body)]),
            acceptedAt: WallTime(milliseconds: 5), acceptedInstant: Instant(milliseconds: -9))
    }

    @Test("a row says whose archives it belongs to; one without archives has no byte more than before")
    func rows() {
        let store = store.begin()
        let plain = StanzaLog.append(logged("a"), in: store)
        let size = StanzaLog.size(plain, in: store)
        let kept = StanzaLog.append(logged("b"), holders: 2, archives: owners, in: store)
        #expect(StanzaLog.size(kept, in: store) == size + 32)
        #expect(StanzaLog.size(kept, in: store) == StanzaLog.size(ofArchived: logged("b").stanza))
        #expect(StanzaLog.archive(of: plain, in: store) == nil && StanzaLog.stanza(plain, in: store)?.archive == nil)
        let record = StanzaLog.stanza(kept, in: store)?.archive
        #expect(record == owners.record(at: kept) && record == StanzaLog.archive(of: kept, in: store))
        #expect(record?.id == StableID(high: 0x1122, low: 0xFF00 ^ kept))
        #expect(StanzaLog.stanza(kept, in: store)?.stanza.id == "b")
        #expect(StanzaLog.acceptedInstant(of: kept, in: store) == Instant(milliseconds: -9))
        // The mark about holders keeps the other one.
        let alone = StanzaLog.append(logged("c"), archives: owners, in: store)
        StanzaLog.hold(alone, in: store)
        #expect(StanzaLog.archive(of: alone, in: store) != nil && StanzaLog.holders(alone, in: store) == 2)
        StanzaLog.release(alone, in: store)
        StanzaLog.release(alone, in: store)
        #expect(StanzaLog.stanza(alone, in: store) == nil)
    }

    @Test("two archives are one holder: the last that gives a message up gives it back to the log")
    func holder() {
        let store = store.begin()
        let sequence = StanzaLog.append(logged("a"), holders: 2, archives: owners, in: store)
        let row = ArchiveRow(sequence: sequence, time: WallTime(milliseconds: 5), peer: 9, resource: 4, size: 100)
        for account in [AddressNumber(3), AddressNumber(7)] { ArchiveTable.put(account, [row], in: store) }
        ArchiveTable.remove(AddressNumber(3), row, in: store)
        #expect(StanzaLog.holders(sequence, in: store) == 2)
        ArchiveTable.remove(AddressNumber(3), row, in: store)
        #expect(StanzaLog.holders(sequence, in: store) == 2)
        ArchiveTable.remove(AddressNumber(7), row, in: store)
        #expect(StanzaLog.holders(sequence, in: store) == 1)
        StanzaLog.release(sequence, in: store)
        for table in [Table.log, .logHolders, .archive, .archiveByPeer] { #expect(store.lastEntry(table) == nil) }
    }

    @Test("rows are found from both ends, by account and by peer, and no others")
    func orders() {
        let store = store.begin()
        func row(_ sequence: UInt64, _ peer: UInt64) -> ArchiveRow {
            ArchiveRow(
                sequence: sequence, time: WallTime(milliseconds: Int64(sequence) - 10), peer: peer, resource: .max, size: 1)
        }
        let account = AddressNumber(5)
        ArchiveTable.put(account, [row(1, 8), row(4, 9), row(6, 8)], in: store)
        ArchiveTable.put(AddressNumber(4), [row(5, 8)], in: store)
        ArchiveTable.put(AddressNumber(6), [row(2, 8)], in: store)
        #expect(ArchiveTable.first(of: account, .all, from: 2, in: store) == row(4, 9))
        #expect(ArchiveTable.first(of: account, .all, from: 7, in: store) == nil)
        #expect(ArchiveTable.last(of: account, .all, before: .max, in: store) == row(6, 8))
        #expect(ArchiveTable.last(of: account, .all, before: 1, in: store) == nil)
        #expect(ArchiveTable.first(of: account, .peer(8), from: 2, in: store) == row(6, 8))
        #expect(ArchiveTable.last(of: account, .peer(8), before: 6, in: store) == row(1, 8))
        #expect(ArchiveTable.first(of: account, .peer(9), from: 5, in: store) == nil)
        #expect(ArchiveTable.last(of: account, .peer(7), before: .max, in: store) == nil)
        #expect(ArchiveTable.row(account, 4, in: store) == row(4, 9) && ArchiveTable.row(account, 5, in: store) == nil)
    }

    @Test("what accounts say and have comes back as it was written, with addresses of 3,071 bytes")
    func accounts() throws {
        let store = store.begin()
        let part = String(repeating: "a", count: 1023)
        let labels = [63, 63, 63, 61].map { String(repeating: "d", count: $0) }.joined(separator: ".")
        let long = try JID(localpart: part, domainpart: labels, resourcepart: part)
        var preferences = ArchivePreferences(rule: .roster)
        (preferences.always, preferences.never) = ([long], [long.bare, long.domain])
        ArchivePreferencesTable.put(AddressNumber(2), preferences, in: store)
        #expect(ArchivePreferencesTable.preferences(of: AddressNumber(2), in: store) == preferences)
        #expect(ArchivePreferencesTable.accounts(in: store) == [AddressNumber(2)])
        var row = ArchiveAccountRow()
        (row.messages, row.bytes, row.indexed, row.removed, row.retention) = (1, 2, 3, 4, 0)
        ArchiveAccountTable.put(AddressNumber(2), row, in: store)
        #expect(ArchiveAccountTable.row(AddressNumber(2), in: store) == row && !row.isEmpty)
        #expect(ArchiveAccountTable.first(from: AddressNumber(3), in: store) == nil)
        #expect(ArchiveAccountTable.first(from: AddressNumber(0), in: store)?.row == row)
        #expect(ArchiveAccountTable.row(AddressNumber(1), in: store).isEmpty)
    }
}
