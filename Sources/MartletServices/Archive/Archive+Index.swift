import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// How far the index has come, as it stands in the store.
struct ArchiveMark {
    var sequence: UInt64
    var time: WallTime

    static func read(_ turn: Turn) -> ArchiveMark? {
        MetaTable.bytes(.archiveIndex, in: turn.store).map {
            var reader = ByteReader($0)
            return ArchiveMark(sequence: reader.take(), time: WallTime(milliseconds: reader.take()))
        }
    }

    func write(_ turn: Turn) {
        var writer = ByteWriter(capacity: 16)
        writer.put(sequence)
        writer.put(time.milliseconds)
        MetaTable.set(.archiveIndex, writer.bytes, in: turn.store)
    }
}

/// The tail on its way to the index: account by account, and within each in the order of the log. Until all of it is there the tail
/// counts, so that a crash in between changes nothing.
struct ArchiveFlush {
    /// Messages up to here.
    let through: UInt64
    /// The time of the last one.
    let time: WallTime
    /// Whose, in the order of their numbers, which is that of the keys.
    let accounts: [AddressNumber]
    /// Which of them is next.
    var place = 0
    /// How many of its messages are there.
    var done = 0
}

/// The way of messages into the index.
extension Archive {
    /// Takes over what this batch has written to the log.
    public mutating func takeNew(_ turn: Turn) {
        if turn.archived.isEmpty { return }
        for message in turn.takeArchived() {
            note(message.stanza, message.owners.record(at: message.sequence), message.sequence, message.time, turn)
        }
        workIfNeeded(turn)
    }

    /// After a start.
    mutating func readTail(_ turn: Turn) {
        var next = indexed + 1
        while let (sequence, logged) = StanzaLog.first(from: next, in: turn.store) {
            if let record = logged.archive { note(logged.stanza, record, sequence, logged.acceptedAt, turn) }
            next = sequence + 1
        }
    }

    private mutating func note(
        _ stanza: Stanza, _ record: ArchiveRecord, _ sequence: UInt64, _ time: WallTime, _ turn: Turn
    ) {
        // The rows at the end of the log have gone, and their numbers are given once more: nothing of the index stands there.
        if sequence <= indexed { setMark(sequence - 1, turn) }
        if lastTime.milliseconds - time.milliseconds > ArchiveLimits.clockStep { lastTime = time }
        lastTime = max(lastTime, time)
        let size = UInt32(clamping: StanzaLog.size(ofArchived: stanza))
        record.forEachOwner { account in
            // Who writes to himself is found under his address, with whatever resource.
            let isOwn = record.sender == nil && stanza.isToOneself
            let other = record.sender == account ? stanza.to : stanza.from
            let resource = isOwn ? nil : other?.resourcepart
            let isFromStranger = record.sender != account && other.map { isStranger($0, to: account, turn) } ?? false
            tail.append(
                ArchiveRow(
                    sequence: sequence, time: lastTime, peer: other.map(peerHash) ?? 0,
                    resource: resource.map(MailboxRow.mark(ofResource:)) ?? 0, size: size, isFromStranger: isFromStranger),
                account)
        }
    }

    /// The hash under which an address, without its resource, stands in the index.
    func peerHash(_ jid: JID) -> UInt64 {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64)
        jid.writeBare(to: &bytes)
        return hash.hash(bytes)
    }

    mutating func setMark(_ sequence: UInt64, _ turn: Turn) {
        indexed = sequence
        let mark = ArchiveMark(sequence: sequence, time: lastTime)
        turn.lazily { mark.write(turn) }
    }

    // MARK: work

    /// Sees to it that the next slice of whatever there is to do comes soon.
    mutating func workIfNeeded(_ turn: Turn) {
        if flush == nil, tail.count >= ArchiveLimits.tail || tail.bytes >= ArchiveLimits.tailBytes { beginFlush() }
        guard flush != nil || !removals.isEmpty || !overfull.isEmpty || sweep != nil, !hasWorkTimer else { return }
        hasWorkTimer = true
        turn.schedule(.archive(.work), after: ArchiveLimits.pause)
    }

    /// A slice of all there is to do.
    mutating func work(_ turn: Turn) {
        turn.lazily {
            // What comes faster than it is written takes memory: then more is written at a time.
            let slices = max(1, tail.count / ArchiveLimits.tail)
            for _ in 0..<slices where flush != nil { flushSlice(turn) }
            if !removals.isEmpty { removeSlice(turn) }
            if !overfull.isEmpty { relieveSlice(turn) }
            if sweep != nil { sweepSlice(turn) }
        }
        workIfNeeded(turn)
    }

    /// All that is in the tail now goes to the index.
    mutating func beginFlush() {
        guard flush == nil, tail.count > 0 else { return }
        let last = tail.accounts.reduce(into: UInt64(0)) { $0 = max($0, tail.rows(of: $1).last?.sequence ?? 0) }
        flush = ArchiveFlush(through: last, time: lastTime, accounts: tail.accounts.sorted())
    }

    private mutating func flushSlice(_ turn: Turn) {
        guard var flush else { return }
        var room = ArchiveLimits.slice
        while room > 0, flush.place < flush.accounts.count {
            let account = flush.accounts[flush.place]
            let rows = tail.rows(of: account)
            let end = ArchiveTail.place(of: flush.through + 1, in: rows)
            let part = rows[flush.done..<min(end, flush.done + room)]
            write(part, of: account, turn)
            room -= max(1, part.count)
            flush.done += part.count
            if flush.done >= end {
                flush.place += 1
                flush.done = 0
            }
        }
        if flush.place < flush.accounts.count {
            self.flush = flush
            return
        }
        self.flush = nil
        tail.removeFirst(through: flush.through)
        indexed = flush.through
        ArchiveMark(sequence: indexed, time: flush.time).write(turn)
    }

    /// What was written before a crash is written again, and counted once.
    private mutating func write(_ rows: ArraySlice<ArchiveRow>, of account: AddressNumber, _ turn: Turn) {
        guard let last = rows.last else { return }
        var row = ArchiveAccountTable.row(account, in: turn.store)
        for fresh in rows where fresh.sequence > max(row.indexed, row.removed) {
            row.messages += 1
            row.bytes += UInt64(fresh.size)
            if fresh.isFromStranger { row.strangersBytes += UInt64(fresh.size) }
        }
        row.indexed = max(row.indexed, last.sequence)
        ArchiveTable.put(account, Array(rows), in: turn.store)
        ArchiveAccountTable.put(account, row, in: turn.store)
        noteFullness(of: account, row, turn)
    }

    /// Rows of the log that are in no archive need not be looked at by the next start.
    mutating func passOthers(_ turn: Turn) {
        guard tail.count == 0, flush == nil else { return }
        let last = StanzaLog.last(in: turn.store)
        if last > indexed + ArchiveLimits.passed { setMark(last, turn) }
    }

    // MARK: reading, the index and the tail as one

    /// The first message of an account from `sequence` on.
    func first(
        of account: AddressNumber, _ order: ArchiveTable.Order, from sequence: UInt64, _ turn: Turn
    ) -> ArchiveRow? {
        if sequence <= indexed, let row = ArchiveTable.first(of: account, order, from: sequence, in: turn.store),
            row.sequence <= indexed
        {
            return row
        }
        return tail.first(of: account, order, from: max(sequence, indexed + 1))
    }

    /// The last message of an account before `sequence`.
    func last(
        of account: AddressNumber, _ order: ArchiveTable.Order, before sequence: UInt64, _ turn: Turn
    ) -> ArchiveRow? {
        if sequence > indexed + 1, let row = tail.last(of: account, order, before: sequence) { return row }
        return ArchiveTable.last(of: account, order, before: min(sequence, indexed + 1), in: turn.store)
    }

    /// The place of a message of an account, by its id; nil where there is none.
    func place(of id: StableID, in account: AddressNumber, above removed: UInt64, _ turn: Turn) -> UInt64? {
        let sequence = id.low ^ hash.hash(id.high)
        guard sequence > removed, let record = StanzaLog.archive(of: sequence, in: turn.store), record.id == id,
            first(of: account, .all, from: sequence, turn)?.sequence == sequence
        else { return nil }
        return sequence
    }
}

extension Stanza {
    /// Whether it goes from an account to the same account.
    var isToOneself: Bool {
        guard let from, let to else { return false }
        return from.hasSameBare(as: to)
    }
}
