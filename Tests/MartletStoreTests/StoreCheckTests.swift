import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas

@testable import MartletStore

/// What a check of a whole store finds: nothing in one that is as it should be, and each thing that is not.
@Suite struct StoreCheckTests {
    /// A store with an account, a mailbox, a session, a lane with entries, a held entry and contacts.
    private struct Sample {
        let store = MemoryStore()
        let account: AddressNumber
        let lane: LaneID
        var sequences: [UInt64] = []

        init() throws {
            let open = store.begin()
            MetaTable.setSchema(MetaTable.schemaVersion, in: open)
            let anna = try JID("anna@pilsen.example")
            account = AddressTable.makeNumber(of: anna, in: open)
            let keys = AccountRow.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
            AccountTable.put(account, AccountRow(generation: 1, sha1: keys, sha256: keys), in: open)
            let bob = AddressTable.makeNumber(of: try JID("bob@brno.example"), in: open)
            let (local, peer) = (
                AddressTable.makeNumber(of: try JID("pilsen.example"), in: open),
                AddressTable.makeNumber(of: try JID("brno.example"), in: open)
            )
            RosterTable.put(account, bob, domain: peer, RosterRow(), in: open)
            let stanza = Stanza(.message, from: try JID("bob@brno.example"), to: anna, id: "1", type: "chat")
            let logged = LoggedStanza(
                stanza: stanza, acceptedAt: WallTime(milliseconds: 1), acceptedInstant: Instant(milliseconds: 1))
            for number in 0..<3 {
                let sequence = StanzaLog.append(logged, in: open)
                sequences.append(sequence)
                MailboxTable.put(account, sequence, MailboxRow(holders: number == 0 ? 1 : 0), in: open)
            }
            ClientSessionTable.put(account, 1, ClientSessionRow(state: .resumable, resource: "desk", token: "t"), in: open)
            ClientSlotTable.put(account, 1, 1, logSequence: sequences[0], in: open)
            var row = LaneRow(local: local, peer: peer, laneClass: .chat, epoch: Epoch(high: 1, low: 2))
            row.assigned = 3
            row.acked = 1
            lane = LaneTable.insert(row, in: open)
            for number in UInt64(2)...3 {
                let sequence = StanzaLog.append(logged, in: open)
                let entry = EntryRow(logSequence: sequence, tag: number, deadline: Instant(milliseconds: 9))
                EntryTable.put(LaneEntries(lane, base: 0), number, entry, in: open)
                sequences.append(sequence)
            }
            UntoldTable.put(
                UntoldRow(sender: anna, domain: try JID("brno.example"), since: WallTime(milliseconds: 5)), in: open)
            try store.commit()
        }

        func findings(
            comparing: Bool = true, _ change: (any KeyValueTransaction) -> Void = { _ in }
        ) -> [StoreCheck.Finding] {
            let open = store.begin()
            defer { store.abort() }
            change(open)
            var check = StoreCheck()
            for table in Table.all { check.readRows(of: table, in: open) { _ in } }
            if comparing { check.compareRows(in: open) { _ in } }
            return check.findings
        }
    }

    @Test("a store that is as it should be has nothing to tell")
    func sound() throws {
        #expect(try Sample().findings() == [])
    }

    @Test("what is missing or contradicts other rows is damage; what is counted too high is untidy")
    func findings() throws {
        let sample = try Sample()
        let (account, lane, sequences) = (sample.account, sample.lane, sample.sequences)
        func found(_ change: (any KeyValueTransaction) -> Void) -> [String] {
            sample.findings(change).map { "\($0.severity) \($0.table.rawValue): \($0.words)" }
        }
        let key = { (number: UInt64) in Array(NumberKey.one(number).span) }
        #expect(
            found { $0.delete(.log, key(sequences[1])) }
                == [
                    "damaged 8: message \(sequences[1]) of account \(account.value): its stanza \(sequences[1]) is not in the log"
                ])
        #expect(
            found { StanzaLog.hold(sequences[1], in: $0) }
                == ["untidy 21: stanza \(sequences[1]) has 1 holders and counts 2: it would stay for ever"])
        #expect(
            found { MailboxTable.put(account, sequences[3], MailboxRow(holders: 0), in: $0) }
                == ["damaged 21: stanza \(sequences[3]) has 2 holders and counts 1: it would go too early"])
        #expect(
            found { EntryTable.remove(LaneEntries(lane, base: 0), 3, in: $0) }
                == ["damaged 14: lane \(lane.value): 1 of 2 waiting entries are missing"])
        #expect(
            found { ClientSessionTable.remove(account, 1, in: $0) }.first?.hasPrefix("untidy 10: a message of session 1")
                == true)
        #expect(
            found { ClientSlotTable.remove(account, 1, 1, in: $0) }.first?.contains("is with 0 sessions and counts 1") == true)
        #expect(found { $0.delete(.addressByNumber, key(account.value)) }.contains { $0.hasPrefix("damaged 5: row") })
        let short = sample.findings(comparing: false) { $0.put(.mailbox, [1, 2, 3], [0, 0, 0]) }
        #expect(short.map(\.words) == ["row 010203: a key of 3 bytes"])
    }

    @Test(
        "archives: each row has its stanza and is found in both orders, all of them together hold it, and what is counted is there"
    )
    func archives() throws {
        let sample = try Sample()
        let account = sample.account
        var indexed: UInt64 = 0
        var tail: UInt64 = 0
        var row = ArchiveRow(sequence: 0, time: WallTime(milliseconds: 1), peer: 7, resource: 1, size: 99)
        let open = sample.store.begin()
        let stanza = Stanza(.message, from: try JID("bob@brno.example"), to: try JID("anna@pilsen.example"), type: "chat")
        let logged = LoggedStanza(
            stanza: stanza, acceptedAt: WallTime(milliseconds: 1), acceptedInstant: Instant(milliseconds: 1))
        let owners = ArchiveOwners(sender: nil, addressee: account, tag: 5, mask: 6)
        indexed = StanzaLog.append(logged, holders: 1, archives: owners, in: open)
        row.sequence = indexed
        ArchiveTable.put(account, [row], in: open)
        var status = ArchiveAccountRow()
        (status.messages, status.bytes, status.indexed) = (1, 99, indexed)
        ArchiveAccountTable.put(account, status, in: open)
        ArchivePreferencesTable.put(account, ArchivePreferences(rule: .never), in: open)
        var mark = ByteWriter(capacity: 16)
        mark.put(indexed)
        mark.put(Int64(1))
        MetaTable.set(.archiveIndex, mark.bytes, in: open)
        tail = StanzaLog.append(logged, holders: 2, archives: owners, in: open)
        MailboxTable.put(account, tail, MailboxRow(holders: 0), in: open)
        try sample.store.commit()
        func found(_ change: (any KeyValueTransaction) -> Void) -> [String] {
            sample.findings(change).map { "\($0.severity) \($0.table.rawValue): \($0.words)" }
        }
        #expect(found { _ in } == [])
        let name = "message \(indexed) of the archive of account \(account.value)"
        #expect(
            found { StanzaLog.release(indexed, in: $0) } == ["damaged 80: \(name): its stanza is not in the log"])
        let byPeer = Array(NumberKey.three(account.value, 7, indexed).span)
        #expect(found { $0.delete(.archiveByPeer, byPeer) } == ["damaged 81: \(name) is not found by whom it is with"])
        let byPlace = Array(NumberKey.two(account.value, indexed).span)
        #expect(
            found { $0.delete(.archive, byPlace) } == [
                "untidy 21: stanza \(indexed) has 0 holders and counts 1: it would stay for ever",
                "damaged 80: message \(indexed) is missing in the archive of account \(account.value), by place",
                "untidy 82: the archive of account \(account.value) has 0 messages and counts 1",
            ])
        #expect(found { StanzaLog.release(tail, in: $0) }.first?.contains("has 2 holders and counts 1") == true)
    }
}
