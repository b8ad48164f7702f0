// XEP-0227: Portable Import/Export Format for XMPP-IM Servers, version 1.1, export of archives
import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas

/// What an operator does with archives.
extension Archive {
    /// Carries out a command.
    public mutating func handle(_ command: ArchiveCommand, _ turn: Turn) -> CommandAnswer {
        takeNew(turn)
        switch command {
        case .list(nil, let after): return .archives(list(after: after, turn))
        case .list(let jid?, _):
            guard let number = AccountTable.number(of: jid, in: turn.store) else { return .refused("\(jid) does not exist") }
            var list = ArchiveList()
            list.rows = [status(jid, number, turn)]
            return .archives(list)
        case .setRetention(let jid, let retention):
            guard let number = AccountTable.number(of: jid, in: turn.store) else { return .refused("\(jid) does not exist") }
            var row = ArchiveAccountTable.row(number, in: turn.store)
            row.retention = retention
            ArchiveAccountTable.put(number, row, in: turn.store)
            beginSweep(turn)
            return .done(
                retention == nil
                    ? "the messages of \(jid) are kept as long as everybody's"
                    : "it was noted how long the messages of \(jid) are kept")
        case .export(let jid, let after):
            guard let number = AccountTable.number(of: jid, in: turn.store) else { return .refused("\(jid) does not exist") }
            return .archivePart(part(of: number, after: after ?? 0, turn))
        }
    }

    private func list(after: AddressNumber?, _ turn: Turn) -> ArchiveList {
        var list = ArchiveList()
        for number in AccountTable.all(in: turn.store) where after.map({ number > $0 }) ?? true {
            if list.rows.count == ArchiveLimits.listed { break }
            list.rows.append(status(AddressTable.address(number, in: turn.store), number, turn))
            list.next = number
        }
        if list.rows.count < ArchiveLimits.listed { list.next = nil }
        return list
    }

    private func status(_ jid: JID, _ number: AddressNumber, _ turn: Turn) -> ArchiveStatus {
        let row = ArchiveAccountTable.row(number, in: turn.store)
        let done = max(row.indexed, row.removed)
        let rest = tail.rows(of: number).filter { $0.sequence > done }
        return ArchiveStatus(
            account: jid.description, messages: row.messages + UInt64(rest.count),
            bytes: rest.reduce(row.bytes) { $0 + UInt64($1.size) },
            first: first(of: number, .all, from: row.removed + 1, turn)?.time.description,
            retention: row.retention ?? turn.policy.archive.retention, isOwnRetention: row.retention != nil)
    }

    /// As much as one turn can read.
    private func part(of account: AddressNumber, after: UInt64, _ turn: Turn) -> ArchivePart {
        var part = ArchivePart()
        var bytes = 0
        var next = max(after, ArchiveAccountTable.row(account, in: turn.store).removed) + 1
        while let row = first(of: account, .all, from: next, turn) {
            if part.results.count == ArchiveLimits.messagesPerSlice || bytes > ArchiveLimits.bytesPerSlice {
                part.next = next - 1
                break
            }
            next = row.sequence + 1
            guard let logged = StanzaLog.stanza(row.sequence, in: turn.store), let record = logged.archive else { continue }
            part.results.append(Self.result(record.id, row.time, logged.stanza, queryID: nil))
            bytes += Int(row.size)
        }
        return part
    }
}
