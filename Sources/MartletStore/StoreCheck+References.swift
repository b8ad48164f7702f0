import MartletPrimitives

/// What rows say of each other.
extension StoreCheck {
    /// What points at a stanza of the log.
    private struct Pointers {
        var count = 0
        /// The first one, for words.
        var table = Table.log
        var name = ""
    }

    /// A message in a mailbox.
    private struct Place: Hashable {
        var account: UInt64
        var sequence: UInt64
    }

    /// Compares what rows say of each other: stanzas and their holders, lanes and their entries, mailboxes and sessions, addresses.
    /// Every row must have been readable (``readRows(of:behind:in:progress:)``). `progress` is told what is looked at.
    public mutating func compareRows(in store: some KeyValueTransaction, progress: (String) -> Void) {
        progress("stanzas and what holds them")
        compareHolders(in: store)
        progress("lanes and their entries")
        compareLanes(in: store)
        progress("mailboxes and sessions")
        compareSlots(in: store)
        progress("archives")
        compareArchives(in: store)
        progress("addresses")
        compareAddresses(in: store)
    }

    private mutating func compareHolders(in store: some KeyValueTransaction) {
        var pointers: [UInt64: Pointers] = [:]
        func point(_ sequence: UInt64, _ table: Table, _ name: String) {
            if pointers[sequence] == nil { pointers[sequence] = Pointers(table: table, name: name) }
            pointers[sequence]?.count += 1
        }
        store.forEach(.mailbox, prefix: []) { key, _ in
            let (account, sequence) = (Self.number(key, 0), Self.number(key, 8))
            point(sequence, .mailbox, "message \(sequence) of account \(account)")
            return true
        }
        store.forEach(.entry, prefix: []) { key, value in
            let sequence = Self.number(value, 0)
            if sequence != 0 { point(sequence, .entry, "entry \(StoreCheck.hex(key))") }
            return true
        }
        HeldTable.forEach(from: 1, in: store) { place, row in
            if row.logSequence != 0 { point(row.logSequence, .held, "held entry \(place)") }
            return true
        }
        store.forEach(.roomDelivery, prefix: []) { key, value in
            point(Self.number(value, 0), .roomDelivery, "a message on its way in room \(Self.number(key, 0))")
            return true
        }
        let indexed = MetaTable.archivesIndexed(in: store)
        store.forEach(.log, prefix: []) { key, _ in
            let sequence = Self.number(key, 0)
            // All archives together are one.
            let pointed =
                (pointers.removeValue(forKey: sequence)?.count ?? 0)
                + (Self.isArchived(sequence, indexed: indexed, in: store) ? 1 : 0)
            let held = StanzaLog.holders(sequence, in: store)
            if pointed > held {
                find(.damaged, .log, "stanza \(sequence) has \(pointed) holders and counts \(held): it would go too early")
            } else if pointed < held {
                find(.untidy, .log, "stanza \(sequence) has \(pointed) holders and counts \(held): it would stay for ever")
            }
            return true
        }
        for (sequence, pointer) in pointers.sorted(by: { $0.key < $1.key }) {
            find(.damaged, pointer.table, "\(pointer.name): its stanza \(sequence) is not in the log")
        }
    }

    private mutating func compareLanes(in store: some KeyValueTransaction) {
        var lanes: [UInt32: LaneRow] = [:]
        for (id, row) in LaneTable.all(in: store) {
            lanes[id.value] = row
            if LaneTable.lane(local: row.local, peer: row.peer, laneClass: row.laneClass, in: store) != id {
                find(.damaged, .laneByDomains, "lane \(id.value) is not found by its domains")
            }
            if row.acked > row.assigned { find(.damaged, .lane, "lane \(id.value): more is acknowledged than was given") }
            guard row.acked < row.assigned else { continue }
            let entries = LaneEntries(id, base: row.base)
            var missing = row.waiting
            EntryTable.forEach(entries, from: row.acked + 1, in: store) { number, _ in
                if number <= row.assigned { missing -= 1 }
                return number < row.assigned
            }
            if missing > 0 {
                find(.damaged, .entry, "lane \(id.value): \(missing) of \(row.waiting) waiting entries are missing")
            }
        }
        var orphans: [UInt32: Int] = [:]
        var beyond: [UInt32: Int] = [:]
        store.forEach(.entry, prefix: []) { key, _ in
            let lane = UInt32(truncatingIfNeeded: Self.number([0, 0, 0, 0] + key[..<4], 0))
            guard let row = lanes[lane] else {
                orphans[lane, default: 0] += 1
                return true
            }
            if Self.number(key, 4) > row.base + row.assigned { beyond[lane, default: 0] += 1 }
            return true
        }
        for (lane, count) in orphans.sorted(by: { $0.key < $1.key }) {
            find(.damaged, .entry, "\(count) entries of lane \(lane), which is not in the store")
        }
        for (lane, count) in beyond.sorted(by: { $0.key < $1.key }) {
            find(.damaged, .lane, "lane \(lane): \(count) entries stand behind the last number that was given")
        }
    }

    private mutating func compareSlots(in store: some KeyValueTransaction) {
        var holders: [Place: Int] = [:]
        // What these had goes in slices.
        let removals = AccountTable.removals(in: store)
        store.forEach(.clientSlot, prefix: []) { key, value in
            let (account, session, sequence) = (Self.number(key, 0), Self.number(key, 8), Self.number(value, 0))
            holders[Place(account: account, sequence: sequence), default: 0] += 1
            if ClientSessionTable.row(AddressNumber(account), session, in: store) == nil {
                find(.untidy, .clientSlot, "a message of session \(session) of account \(account), which is not in the store")
            }
            if MailboxTable.row(AddressNumber(account), sequence, in: store) == nil {
                find(
                    .damaged, .clientSlot,
                    "session \(session) of account \(account) has message \(sequence), its mailbox has not")
            }
            return true
        }
        store.forEach(.mailbox, prefix: []) { key, _ in
            let (account, sequence) = (Self.number(key, 0), Self.number(key, 8))
            let counted = MailboxTable.row(AddressNumber(account), sequence, in: store)?.holders ?? 0
            let found = holders[Place(account: account, sequence: sequence)] ?? 0
            if Int(counted) != found {
                find(
                    .untidy, .mailbox,
                    "message \(sequence) of account \(account) is with \(found) sessions and counts \(counted)")
            }
            if !AccountTable.exists(AddressNumber(account), in: store), !removals.contains(AddressNumber(account)) {
                find(.untidy, .mailbox, "message \(sequence) is for account \(account), which is not in the store")
            }
            return true
        }
    }

    private mutating func compareAddresses(in store: some KeyValueTransaction) {
        // Where each key begins with one or two numbers of addresses.
        let tables: [(Table, Int)] = [
            (.account, 1), (.rosterVersion, 1), (.pendingSubscription, 2), (.mailbox, 1), (.clientSession, 1), (.clientSlot, 1),
            (.directed, 1), (.disabledAccount, 1), (.dayMessageShown, 1), (.blocked, 2), (.lastActivity, 1), (.push, 1),
            (.peer, 1), (.laneByDomains, 2), (.laneRules, 2),
            (.have, 2), (.room, 1), (.roomOccupant, 1), (.roomListed, 2),
            (.archive, 1), (.archiveAccount, 1), (.archivePreferences, 1),
        ]
        var known: Set<UInt64> = []
        store.forEach(.addressByNumber, prefix: []) { key, _ in
            known.insert(Self.number(key, 0))
            return true
        }
        func look(_ key: [UInt8], _ index: Int, _ table: Table) {
            let number = Self.number(key, 8 * index)
            if !known.contains(number) {
                find(.damaged, table, "row \(StoreCheck.hex(key)) refers to address \(number), which is not in the store")
            }
        }
        for (table, count) in tables {
            store.forEach(table, prefix: []) { key, _ in
                for index in 0..<count { look(key, index, table) }
                return true
            }
        }
        store.forEach(.roster, prefix: []) { key, _ in
            // Contacts by their domain stand in the same table, behind a number that no account has.
            for index in key.count == 16 ? 0..<2 : 1..<4 { look(key, index, .roster) }
            return true
        }
    }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        var reader = ByteReader(bytes, from: offset)
        return reader.take()
    }
}
