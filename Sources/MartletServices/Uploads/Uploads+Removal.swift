import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress

/// What goes: what is too old, and everything of an account that is removed. First the row, then, when that is on the disk, the file.
extension Uploads {
    /// An account is gone: nobody is shown its files any more, and they go in slices.
    public mutating func accountRemoved(_ account: AccountName, _ turn: Turn) {
        recent[account.number] = nil
        if slotsOf[account.number] != nil {
            for token in slotOrder where slots[token]?.owner == account.number { _ = removeSlot(token) }
        }
        _ = removeAll(of: account.number, turn)
    }

    /// Everything of an owner is gone for everybody; returns how many files that were.
    mutating func removeAll(of owner: AddressNumber, _ turn: Turn) -> UInt64 {
        guard let last = UploadTable.last(of: owner, in: turn.store) else { return 0 }
        var use = UploadTable.use(of: owner, in: turn.store)
        let count = use.files
        (use.files, use.bytes, use.removed) = (0, 0, last)
        UploadTable.put(owner, use, in: turn.store)
        if !removals.contains(owner) { removals.append(owner) }
        scheduleWork(turn)
        return count
    }

    /// One file goes.
    mutating func remove(_ number: UInt64, _ row: UploadRow, isCounted: Bool = true, _ turn: Turn) {
        UploadTable.remove(number, row, isCounted: isCounted, in: turn.store)
        unneeded.append(row.token)
        forgetWanted(row, turn)
        scheduleWork(turn)
    }

    /// Whether its time is over: by the calendar where its sender said so, else by that and by the site's own time, so that a wrong clock
    /// takes nothing away.
    func isOver(_ row: UploadRow, _ turn: Turn) -> Bool {
        if row.end > 0, turn.wall.milliseconds >= row.end { return true }
        let retention = turn.policy.uploads.retention
        return retention > 0 && turn.wall.milliseconds - row.created.milliseconds > retention
            && turn.now - row.accepted > retention
    }

    /// The next slice.
    mutating func work(_ turn: Turn) {
        removeSlice(turn)
        sweepSlice(turn)
        handOver(turn)
        scheduleWork(turn)
    }

    mutating func scheduleWork(_ turn: Turn) {
        guard !hasWorkTimer, !removals.isEmpty || sweep != nil || !unneeded.isEmpty else { return }
        hasWorkTimer = true
        turn.schedule(.uploads(.work), after: UploadLimits.pause)
    }

    private mutating func removeSlice(_ turn: Turn) {
        guard let owner = removals.first else { return }
        var use = UploadTable.use(of: owner, in: turn.store)
        for _ in 0..<UploadLimits.slice {
            guard let found = UploadTable.first(of: owner, from: 0, in: turn.store), found.number <= use.removed else {
                use.removed = 0
                UploadTable.put(owner, use, in: turn.store)
                removals.removeFirst()
                return
            }
            remove(found.number, found.row, isCounted: false, turn)
        }
    }

    private mutating func sweepSlice(_ turn: Turn) {
        guard var next = sweep else { return }
        for _ in 0..<UploadLimits.slice {
            guard let found = UploadTable.first(from: next, in: turn.store) else {
                sweep = nil
                return
            }
            next = found.number + 1
            guard isOver(found.row, turn) else { continue }
            // What is being removed with its owner goes there.
            if !removals.isEmpty, found.number <= UploadTable.use(of: found.row.owner, in: turn.store).removed { continue }
            remove(found.number, found.row, turn)
        }
        sweep = next
    }

    /// Files go when the removal of their rows is on the disk: effects leave after the commit.
    private mutating func handOver(_ turn: Turn) {
        while !unneeded.isEmpty {
            let tokens = Array(unneeded.prefix(UploadLimits.removedAtOnce))
            unneeded.removeFirst(tokens.count)
            let id = nextWork()
            removing[id] = tokens
            turn.perform(.work(id, .removeFiles(tokens)))
        }
    }
}
