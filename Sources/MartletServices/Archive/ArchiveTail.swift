import MartletPrimitives
import MartletStore

/// Messages of archives that the index does not have yet: a bounded number, by account and in the order of the log.
struct ArchiveTail {
    /// Look-up only.
    private var rows: [AddressNumber: [ArchiveRow]] = [:]
    /// The accounts that have any, each once.
    private(set) var accounts: [AddressNumber] = []
    /// How many there are, in all archives.
    private(set) var count = 0
    /// The bytes of their rows in the log.
    private(set) var bytes = 0

    /// Adds a message behind all others.
    mutating func append(_ row: ArchiveRow, _ account: AddressNumber) {
        count += 1
        bytes += Int(row.size)
        if rows[account]?.append(row) == nil {
            rows[account] = [row]
            accounts.append(account)
        }
    }

    /// The messages of an account.
    func rows(of account: AddressNumber) -> [ArchiveRow] { rows[account] ?? [] }

    /// The first message of an account from `sequence` on.
    func first(of account: AddressNumber, _ order: ArchiveTable.Order, from sequence: UInt64) -> ArchiveRow? {
        guard let all = rows[account] else { return nil }
        return all[Self.place(of: sequence, in: all)...].first { $0.belongs(to: order) }
    }

    /// The last message of an account before `sequence`.
    func last(of account: AddressNumber, _ order: ArchiveTable.Order, before sequence: UInt64) -> ArchiveRow? {
        guard let all = rows[account] else { return nil }
        return all[..<Self.place(of: sequence, in: all)].last { $0.belongs(to: order) }
    }

    /// The index has everything up to there.
    mutating func removeFirst(through sequence: UInt64) {
        var rest: [AddressNumber] = []
        for account in accounts {
            guard let all = rows[account] else { continue }
            let place = Self.place(of: sequence + 1, in: all)
            count -= place
            bytes -= all[..<place].reduce(0) { $0 + Int($1.size) }
            if place == all.count {
                rows[account] = nil
            } else {
                rows[account]?.removeFirst(place)
                rest.append(account)
            }
        }
        accounts = rest
    }

    /// How many of these come before `sequence`.
    static func place(of sequence: UInt64, in rows: [ArchiveRow]) -> Int {
        var (low, high) = (0, rows.count)
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension ArchiveRow {
    /// Whether it is found in that order of its account's rows.
    func belongs(to order: ArchiveTable.Order) -> Bool {
        switch order {
        case .all: true
        case .peer(let peer): self.peer == peer
        }
    }
}
