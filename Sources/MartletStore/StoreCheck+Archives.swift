import MartletPrimitives

/// What the rows of archives say of each other and of the log.
extension StoreCheck {
    /// Whether archives hold a stanza: it is to come into the index, which goes up to `indexed`, or some archive has it there.
    static func isArchived(_ sequence: UInt64, indexed: UInt64, in store: some KeyValueTransaction) -> Bool {
        guard let record = StanzaLog.archive(of: sequence, in: store) else { return false }
        if sequence > indexed { return true }
        var isThere = false
        record.forEachOwner { if ArchiveTable.row($0, sequence, in: store) != nil { isThere = true } }
        return isThere
    }

    mutating func readArchive(_ numbers: [UInt64], of table: Table, in store: some KeyValueTransaction) {
        let account = AddressNumber(numbers[0])
        switch table {
        case .archive: _ = ArchiveTable.row(account, numbers[1], in: store)
        case .archiveByPeer: _ = ArchiveTable.first(of: account, .peer(numbers[1]), from: numbers[2], in: store)
        case .archiveAccount: _ = ArchiveAccountTable.row(account, in: store)
        default: _ = ArchivePreferencesTable.preferences(of: account, in: store)
        }
    }

    mutating func compareArchives(in store: some KeyValueTransaction) {
        var counts: [UInt64: UInt64] = [:]
        store.forEach(.archive, prefix: []) { key, _ in
            var reader = ByteReader(key)
            let (number, sequence): (UInt64, UInt64) = (reader.take(), reader.take())
            let account = AddressNumber(number)
            guard let row = ArchiveTable.row(account, sequence, in: store) else { return true }
            let name = "message \(sequence) of the archive of account \(number)"
            if StanzaLog.archive(of: sequence, in: store)?.belongs(to: account) != true {
                find(.damaged, .archive, "\(name): its stanza is not in the log")
            }
            if ArchiveTable.first(of: account, .peer(row.peer), from: sequence, in: store) != row {
                find(.damaged, .archiveByPeer, "\(name) is not found by whom it is with")
            }
            let said = ArchiveAccountTable.row(account, in: store)
            if sequence > said.removed, sequence <= said.indexed { counts[number, default: 0] += 1 }
            return true
        }
        store.forEach(.archiveByPeer, prefix: []) { key, _ in
            var reader = ByteReader(key)
            let (number, _, sequence): (UInt64, UInt64, UInt64) = (reader.take(), reader.take(), reader.take())
            if ArchiveTable.row(AddressNumber(number), sequence, in: store) == nil {
                find(.damaged, .archive, "message \(sequence) is missing in the archive of account \(number), by place")
            }
            return true
        }
        var next = AddressNumber(0)
        while let (account, row) = ArchiveAccountTable.first(from: next, in: store) {
            next = AddressNumber(account.value + 1)
            let found = counts[account.value] ?? 0
            if row.messages != found {
                find(
                    .untidy, .archiveAccount,
                    "the archive of account \(account.value) has \(found) messages and counts \(row.messages)")
            }
        }
    }
}
