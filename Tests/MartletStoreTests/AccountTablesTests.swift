import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas

@testable import MartletStore

@Suite("Tables of accounts")
struct AccountTablesTests {
    private let store = MemoryStore()
    private let one = AddressNumber(1)
    private let two = AddressNumber(2)

    private func keys(_ byte: UInt8) -> AccountRow.Keys {
        AccountRow.Keys(salt: [byte], iterations: 10_000, storedKey: [byte, byte], serverKey: [])
    }

    @Test("an account is what was stored, in the order of numbers, until it is removed")
    func accounts() {
        let transaction = store.begin()
        let row = AccountRow(generation: .max, sha1: keys(1), sha256: keys(2))
        AccountTable.put(two, row, in: transaction)
        #expect(AccountTable.count(in: transaction) == (1, 1))
        let strong = AccountRow(generation: 1, sha1: keys(1), sha256: keys(2), sha512: keys(3))
        AccountTable.put(AddressNumber(9), strong, in: transaction)
        #expect(AccountTable.row(AddressNumber(9), in: transaction) == strong)
        #expect(AccountTable.count(in: transaction) == (2, 1))
        AccountTable.remove(AddressNumber(9), in: transaction)
        AccountTable.put(one, row, in: transaction)
        #expect(AccountTable.row(two, in: transaction) == row)
        #expect(AccountTable.all(in: transaction) == [one, two])
        AccountTable.remove(two, in: transaction)
        #expect(AccountTable.exists(two, in: transaction) == false)
        #expect(AccountTable.row(two, in: transaction) == nil)
    }

    @Test("a client of an account is what was stored, and is found with the others of that account")
    func clients() {
        let transaction = store.begin()
        var row = ClientRow(firstSeen: 5)
        row.software = "Gajim"
        row.passwordGeneration = .max
        row.current = ClientToken(key: [1, 2], mechanism: "HT-SHA-256-NONE", issued: 1, expiry: 2, generation: 3)
        row.current?.count = .max
        row.fresh = ClientToken(key: [4], mechanism: "HT-SHA-256-EXPR", issued: -1, expiry: .max, generation: 3)
        let (phone, desk) = (ClientKey(agentID: "phone"), ClientKey(agentID: "desk"))
        ClientTable.put(one, phone, row, in: transaction)
        ClientTable.put(one, desk, ClientRow(firstSeen: 1), in: transaction)
        ClientTable.put(two, desk, ClientRow(firstSeen: 2), in: transaction)
        #expect(ClientTable.row(one, phone, in: transaction) == row)
        #expect(ClientTable.row(two, phone, in: transaction) == nil)
        #expect(Set(ClientTable.clients(of: one, in: transaction).map(\.key)) == [phone, desk])
        #expect(ClientKey(phone.text) == phone)
        #expect(ClientKey("00") == nil && ClientKey("x") == nil)
        ClientTable.remove(one, phone, in: transaction)
        #expect(ClientTable.clients(of: one, in: transaction).map(\.key) == [desk])
    }

    @Test("rosters are kept apart, and found by the contact's domain as long as there is a subscription or a request for one")
    func rosters() {
        let transaction = store.begin()
        let domain = AddressNumber(50)
        var row = RosterRow()
        row.name = "name"
        row.groups = ["A", ""]
        row.flags = [.to, .approved]
        RosterTable.put(one, AddressNumber(9), domain: domain, row, in: transaction)
        RosterTable.put(two, AddressNumber(9), domain: domain, RosterRow(), in: transaction)
        #expect(RosterTable.row(one, AddressNumber(9), in: transaction) == row)
        #expect(RosterTable.contacts(of: one, in: transaction).map(\.row) == [row])
        #expect(RosterTable.pairs(at: domain, in: transaction).map(\.account) == [one])
        row.flags = [.pendingOut]
        RosterTable.put(one, AddressNumber(9), domain: domain, row, in: transaction)
        #expect(RosterTable.pairs(at: domain, in: transaction).map(\.account) == [one])
        row.flags = [.approved]
        RosterTable.put(one, AddressNumber(9), domain: domain, row, in: transaction)
        #expect(RosterTable.pairs(at: domain, in: transaction).isEmpty)
        row.flags = [.from]
        RosterTable.put(one, AddressNumber(9), domain: domain, row, in: transaction)
        RosterTable.remove(one, AddressNumber(9), domain: domain, in: transaction)
        RosterTable.remove(two, AddressNumber(9), domain: domain, in: transaction)
        #expect(store.count(.roster) == 0)
    }

    @Test("a roster is read from any contact on, and says how large it is where that is known")
    func partsOfRosters() {
        let transaction = store.begin()
        for number: UInt64 in 1...5 {
            var row = RosterRow()
            row.name = "\(number)"
            row.flags = number == 3 ? [.from] : []
            RosterTable.put(one, AddressNumber(number), domain: AddressNumber(50), row, in: transaction)
        }
        RosterTable.put(two, AddressNumber(1), domain: AddressNumber(50), RosterRow(), in: transaction)
        func rows(after: UInt64, _ limit: Int) -> [String] {
            RosterTable.rows(of: one, after: AddressNumber(after), limit: limit, in: transaction).map(\.row.name)
        }
        #expect(rows(after: 0, 2) == ["1", "2"])
        #expect(rows(after: 2, 2) == ["3", "4"])
        #expect(rows(after: 4, 2) == ["5"])
        #expect(rows(after: 5, 2) == [])
        let flags = RosterTable.flags(of: one, after: AddressNumber(1), limit: 3, in: transaction)
        #expect(flags.map(\.contact.value) == [2, 3, 4])
        #expect(flags.map(\.flags) == [[], [.from], []])
        #expect(RosterTable.size(of: one, in: transaction) == nil)
        RosterTable.setSize(of: one, RosterSize(items: 5, bytes: 1 << 33), in: transaction)
        #expect(RosterTable.size(of: one, in: transaction) == RosterSize(items: 5, bytes: 1 << 33))
        RosterTable.removeVersion(of: one, in: transaction)
        #expect(store.count(.rosterVersion) == 0)
    }

    @Test("a roster's version changes each time, and no tag makes two of them equal")
    func versions() {
        let transaction = store.begin()
        var seen = [RosterTable.version(of: one, in: transaction)]
        #expect(seen == ["0"])
        for tag in [7, 7, 8] as [UInt32] {
            RosterTable.changeVersion(
                of: one, tag: tag, contact: AddressNumber(9), at: Instant(milliseconds: 1), in: transaction)
            seen.append(RosterTable.version(of: one, in: transaction))
        }
        #expect(Set(seen).count == 4)
        RosterTable.removeVersion(of: one, in: transaction)
        #expect(RosterTable.version(of: one, in: transaction) == "0")
    }

    @Test("the last changes of a roster are remembered, each contact once")
    func recentChanges() {
        let transaction = store.begin()
        for number: UInt64 in Array(1...20) + [19, 7] {
            RosterTable.changeVersion(
                of: one, tag: 0, contact: AddressNumber(number), at: Instant(milliseconds: Int64(number)), in: transaction)
        }
        let changes = RosterTable.recentChanges(of: one, in: transaction)
        let expected: [UInt64] = [6] + Array(8...18) + [20, 19, 7]
        #expect(changes.map(\.contact.value).suffix(15) == expected.suffix(15))
        #expect(changes.count == RosterTable.recentLimit)
        #expect(changes.last?.at == Instant(milliseconds: 7))
        #expect(RosterTable.recentChanges(of: two, in: transaction).isEmpty)
    }

    @Test("a mailbox row gives its reference to the log back when it goes")
    func mailboxes() {
        let transaction = store.begin()
        let logged = LoggedStanza(
            stanza: Stanza(.message), acceptedAt: WallTime(milliseconds: 1), acceptedInstant: Instant(milliseconds: 2))
        let first = StanzaLog.append(logged, in: transaction)
        let second = StanzaLog.append(logged, in: transaction)
        MailboxTable.put(one, second, MailboxRow(holders: 3), in: transaction)
        MailboxTable.put(one, first, MailboxRow(holders: 0, isForSession: true), in: transaction)
        MailboxTable.put(two, first, MailboxRow(holders: 1), in: transaction)
        var seen: [UInt64] = []
        MailboxTable.forEach(one, from: 0, in: transaction) { sequence, row in
            seen.append(sequence)
            #expect(row.isWaiting == (sequence == second))
            #expect(row.isSpent == (sequence == first))
            return true
        }
        #expect(seen == [first, second])
        #expect(MailboxTable.count(of: one, upTo: 1, in: transaction) == 1)
        MailboxTable.remove(one, second, in: transaction)
        MailboxTable.remove(one, second, in: transaction)
        #expect(StanzaLog.stanza(second, in: transaction) == nil)
        #expect(StanzaLog.stanza(first, in: transaction) == logged)
    }

    @Test("sessions of an account are numbered anew, and each part is stored apart")
    func sessions() {
        let transaction = store.begin()
        #expect(ClientSessionTable.nextNumber(for: one, in: transaction) == 1)
        var row = ClientSessionRow(state: .resumable, resource: "r", token: "t")
        row.isInterested = true
        row.endedAt = Instant(milliseconds: 5)
        ClientSessionTable.put(one, 1, row, in: transaction)
        ClientSessionTable.put(two, 8, row, in: transaction)
        #expect(ClientSessionTable.nextNumber(for: one, in: transaction) == 2)
        #expect(ClientSessionTable.nextNumber(for: two, in: transaction) == 9)
        #expect(ClientSessionTable.nextNumber(for: AddressNumber(3), in: transaction) == 1)
        ClientSessionTable.setHandled(one, 1, .max, in: transaction)
        let presence = Stanza(.presence, from: try? JID("a@b/c"), lang: "cs")
        ClientSessionTable.setPresence(one, 1, presence, in: transaction)
        #expect(ClientSessionTable.row(one, 1, in: transaction) == row)
        #expect(ClientSessionTable.handled(one, 1, in: transaction) == .max)
        #expect(ClientSessionTable.handled(two, 8, in: transaction) == 0)
        #expect(ClientSessionTable.presence(one, 1, in: transaction) == presence)
        #expect(ClientSessionTable.sessions(in: transaction).map(\.session) == [1, 8])
        #expect(ClientSessionTable.sessions(of: two, in: transaction).map(\.session) == [8])
        ClientSessionTable.setPresence(one, 1, nil, in: transaction)
        #expect(ClientSessionTable.presence(one, 1, in: transaction) == nil)
        ClientSessionTable.remove(one, 1, in: transaction)
        #expect(store.count(.clientSession) == 1)
    }

    @Test("slots come back in the order of their numbers, unsent ones last")
    func slots() {
        let transaction = store.begin()
        for (number, sequence) in [(ClientSlotTable.unsent, 3), (2, 1), (1 << 32, 2)] as [(UInt64, UInt64)] {
            ClientSlotTable.put(one, 1, number, logSequence: sequence, in: transaction)
        }
        ClientSlotTable.put(one, 2, 1, logSequence: 9, in: transaction)
        #expect(ClientSlotTable.slots(one, 1, in: transaction).map(\.logSequence) == [1, 2, 3])
        ClientSlotTable.remove(one, 1, 2, in: transaction)
        #expect(ClientSlotTable.slots(one, 1, in: transaction).map(\.number) == [1 << 32, ClientSlotTable.unsent])
    }

    @Test("requests and directed presence are found by account, and go one by one")
    func requestsAndDirected() throws {
        let transaction = store.begin()
        let request = Stanza(.presence, from: try JID("a@b"), to: try JID("c@d"), type: "subscribe")
        PendingSubscriptionTable.put(one, two, request, in: transaction)
        #expect(PendingSubscriptionTable.requests(to: one, in: transaction).map(\.request) == [request])
        #expect(PendingSubscriptionTable.exists(one, two, in: transaction) == true)
        #expect(PendingSubscriptionTable.requests(to: two, in: transaction).isEmpty)
        PendingSubscriptionTable.remove(one, two, in: transaction)
        #expect(PendingSubscriptionTable.count(of: one, upTo: 9, in: transaction) == 0)
        DirectedPresenceTable.put(one, session: 1, two, in: transaction)
        DirectedPresenceTable.put(one, session: 2, one, in: transaction)
        #expect(DirectedPresenceTable.addresses(of: one, session: 1, in: transaction) == [two])
        DirectedPresenceTable.remove(one, session: 1, two, in: transaction)
        #expect(DirectedPresenceTable.addresses(of: one, session: 1, in: transaction).isEmpty)
        #expect(DirectedPresenceTable.addresses(of: one, session: 2, in: transaction) == [one])
    }
}
