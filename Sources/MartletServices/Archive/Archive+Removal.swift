import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress

/// Going through all archives, from one account to the next.
struct ArchiveSweep {
    var next = AddressNumber(0)
}

/// What leaves archives: what is too old or too much, always from the beginning, and everything of an account that is removed.
extension Archive {
    /// An account is gone: nobody is shown its messages any more, whoever has its name next, and they are removed in slices.
    public mutating func accountRemoved(_ account: AccountName, _ turn: Turn) {
        takeNew(turn)
        let number = account.number
        preferences[number] = nil
        ArchivePreferencesTable.remove(number, in: turn.store)
        var row = ArchiveAccountRow()
        row.indexed = ArchiveAccountTable.row(number, in: turn.store).indexed
        guard let last = last(of: number, .all, before: .max, turn) else {
            return ArchiveAccountTable.remove(number, in: turn.store)
        }
        row.removed = last.sequence
        ArchiveAccountTable.put(number, row, in: turn.store)
        if !removals.contains(number) { removals.append(number) }
        workIfNeeded(turn)
    }

    /// After a start: goes on where the process before has ended.
    mutating func findRemovals(_ turn: Turn) {
        var next = AddressNumber(0)
        while let found = ArchiveAccountTable.first(from: next, in: turn.store) {
            if found.row.removed > 0 { removals.append(found.account) }
            noteFullness(of: found.account, found.row, turn)
            next = AddressNumber(found.account.value + 1)
        }
    }

    mutating func removeSlice(_ turn: Turn) {
        guard let account = removals.first else { return }
        var row = ArchiveAccountTable.row(account, in: turn.store)
        // What is not in the index yet would come there later.
        if indexed < row.removed { return beginFlush() }
        for _ in 0..<ArchiveLimits.removedPerSlice {
            guard let first = ArchiveTable.first(of: account, .all, from: 0, in: turn.store), first.sequence <= row.removed
            else {
                row.removed = 0
                put(account, row, turn)
                removals.removeFirst()
                return
            }
            ArchiveTable.remove(account, first, in: turn.store)
        }
    }

    /// Goes through all archives and removes what is too old or too much.
    mutating func beginSweep(_ turn: Turn) {
        if sweep == nil { sweep = ArchiveSweep() }
        // Only what the index has can be removed.
        if tail.count > 0 { beginFlush() }
        workIfNeeded(turn)
    }

    mutating func sweepSlice(_ turn: Turn) {
        var room = ArchiveLimits.removedPerSlice
        while room > 0, let next = sweep?.next {
            guard let found = ArchiveAccountTable.first(from: next, in: turn.store) else {
                sweep = nil
                return passOthers(turn)
            }
            room -= 1
            sweep?.next = found.account
            removeExcess(of: found.account, found.row, &room, turn)
            if room > 0 { sweep?.next = AddressNumber(found.account.value + 1) }
        }
    }

    // MARK: what is too much

    /// An archive has grown, or lost something.
    mutating func noteFullness(of account: AddressNumber, _ row: ArchiveAccountRow, _ turn: Turn) {
        let most = turn.policy.archive.bytesPerAccount
        if row.bytes > most, !overfull.contains(account) { overfull.append(account) }
        if row.strangersBytes > most / 2 { fullOfStrangers.insert(account) } else { fullOfStrangers.remove(account) }
    }

    /// An archive that has too much loses its oldest messages as fast as others come.
    mutating func relieveSlice(_ turn: Turn) {
        guard let account = overfull.first else { return }
        var room = ArchiveLimits.removedPerSlice
        let row = ArchiveAccountTable.row(account, in: turn.store)
        overfull.removeFirst()
        removeExcess(of: account, row, &room, turn)
        // Written before a crash, and not yet once more: only then it can go.
        if room == ArchiveLimits.removedPerSlice { beginFlush() }
    }

    /// Whether somebody elsewhere is in none of our offices and no contact of the account: what such people write takes at most half of an
    /// archive, so that whoever writes without end does not have it forget what friends have written.
    func isStranger(_ jid: JID, to account: AddressNumber, _ turn: Turn) -> Bool {
        !turn.policy.houses(jid.domainpart) && !turn.policy.isOffice(jid.domainpart)
            && !RosterTable.hasContact(jid.bare, of: account, in: turn.store)
    }

    private mutating func removeExcess(of account: AddressNumber, _ before: ArchiveAccountRow, _ room: inout Int, _ turn: Turn)
    {
        var row = before
        let retention = row.retention ?? turn.policy.archive.retention
        while room > 0, row.messages > 0,
            let first = ArchiveTable.first(of: account, .all, from: row.removed + 1, in: turn.store), first.sequence <= indexed
        {
            guard row.bytes > turn.policy.archive.bytesPerAccount || isOld(first, retention, turn) else { break }
            ArchiveTable.remove(account, first, in: turn.store)
            row.messages -= 1
            row.bytes -= min(row.bytes, UInt64(first.size))
            if first.isFromStranger { row.strangersBytes -= min(row.strangersBytes, UInt64(first.size)) }
            room -= 1
        }
        if row.messages == 0 { (row.bytes, row.strangersBytes) = (0, 0) }
        if row != before { put(account, row, turn) }
        noteFullness(of: account, row, turn)
    }

    /// By the calendar and by the site's own time: a clock that is wrong after a start takes nothing away.
    private func isOld(_ row: ArchiveRow, _ retention: Int64, _ turn: Turn) -> Bool {
        guard retention > 0, turn.wall.milliseconds - row.time.milliseconds > retention,
            let accepted = StanzaLog.acceptedInstant(of: row.sequence, in: turn.store)
        else { return false }
        return turn.now - accepted > retention
    }

    private func put(_ account: AddressNumber, _ row: ArchiveAccountRow, _ turn: Turn) {
        if row.isEmpty {
            ArchiveAccountTable.remove(account, in: turn.store)
        } else {
            ArchiveAccountTable.put(account, row, in: turn.store)
        }
    }
}
