import MartletPrimitives

// What comes from the other copies (`Docs/shared-rooms.md` §5): records, marks, requests, and whether an office can be reached.
extension RoomReplica {
    /// A record came from an office. `isProven`: by its stream it comes from the office that wrote it, or its signature says so.
    public mutating func received(
        _ record: SharedRecord, from sender: String, isProven: Bool, wall: WallTime, now: Instant,
        into actions: inout [RoomAction]
    ) {
        if let refusal = refusal(of: record, from: sender, isProven: isProven) {
            return actions.append(.note(.refused(record.id, from: sender, refusal)))
        }
        let line = lines[record.id.line] ?? Line(office: record.office)
        if record.id.number <= line.have {
            if record.id.number == line.floor { takeOld(record, into: &actions) }
            return
        }
        // A number is missing: it will be asked for, and this one with it, when the sender's mark says so.
        guard record.id.number == line.have + 1 else { return }
        guard record.after == line.digest else { return actions.append(.note(.forked(record.id.line, office: record.office))) }
        guard record.stamp > line.lastStamp else {
            return actions.append(.note(.refused(record.id, from: sender, .malformed)))
        }
        if !clock.heard(record.stamp, wall: wall, now: now) {
            actions.append(.note(.clockAhead(office: record.office, record.stamp.milliseconds - wall.milliseconds)))
        }
        take(record, to: [], into: &actions)
        if !record.id.line.isChanges { show(record, wall, into: &actions) }
    }

    private func refusal(of record: SharedRecord, from sender: String, isProven: Bool) -> RoomRefusal? {
        guard record.keepsLimits, record.keepsForm else { return .malformed }
        // What an office wrote before it was removed is taken from those who took it before they knew.
        guard log.state.office(sender) != nil, sender != own else { return .notAnOffice }
        guard record.office == own || sender == record.office || log.named.contains(record.office) else { return .notAnOffice }
        guard sender == record.office || isProven else { return .unproven }
        if case .change(_, let seen) = record.content {
            if case .change(_, let before)? = log.record(RecordID(record.id.line, record.id.number &- 1))?.content,
                !seen.covers(before)
            {
                return .malformed
            }
            // Nobody has seen what he is only about to write.
            if seen[record.id.line.run] >= record.id.number { return .malformed }
        }
        if isFull(record) { return .full }
        if lines[record.id.line] == nil, runs(of: record.office) >= SharedRoomLimits.runs { return .full }
        return nil
    }

    private func runs(of office: String) -> Int { lines.values.count { $0.office == office } / 2 }

    /// The record just below what is here: it must be the one that the next names as the one before.
    private mutating func takeOld(_ record: SharedRecord, into actions: inout [RoomAction]) {
        guard let line = lines[record.id.line], line.floorDigest == record.digest else { return }
        lines[record.id.line]?.floor = record.id.number - 1
        lines[record.id.line]?.floorDigest = record.after
        actions.append(.keep(record))
    }

    // MARK: marks and requests

    /// What this copy has, said to an office.
    public func mark(for office: String) -> RoomMark {
        RoomMark(
            lines: lineOrder.map { line in
                let state = lines[line] ?? Line(office: "")
                return RoomMark.Line(
                    line: line, office: state.office, have: state.have, digest: state.digest, floor: state.floor)
            }, process: process, answers: processes[office] ?? 0)
    }

    mutating func mark(_ office: String, into actions: inout [RoomAction]) {
        let mark = mark(for: office)
        marked[office] = mark
        actions.append(.mark(mark, to: office))
    }

    /// An office said what it has.
    public mutating func received(_ mark: RoomMark, from sender: String, into actions: inout [RoomAction]) {
        guard log.state.office(sender) != nil, sender != own else { return }
        if isJoining, mark.answers == process { begin(with: mark) }
        theirs[sender] = mark
        let isNew = processes.updateValue(mark.process, forKey: sender) != mark.process
        var wants: [RoomWant] = []
        var known: [RecordLine: UInt64] = [:]
        for other in mark.lines {
            known[other.line] = other.have
            guard other.line.belongs(to: other.office) else { continue }
            let line = lines[other.line] ?? Line(office: other.office)
            if other.have == line.have, other.have > 0, other.digest != line.digest {
                actions.append(.note(.forked(other.line, office: other.office)))
            }
            guard other.have > line.have, other.floor <= line.have, isToAsk(sender, about: other.office) else { continue }
            if other.line.run == run {
                actions.append(.note(.forked(other.line, office: sender)))
                continue
            }
            if other.office == own { actions.append(.note(.wentBack(other.line, to: line.have, others: other.have))) }
            wants.append(RoomWant(line: other.line, from: line.have + 1))
        }
        ask(sender, for: wants, into: &actions)
        // Who lacks what we wrote has lost it on the way, and hears by our mark that there is something to ask for.
        let isLacking = lineOrder.contains { (lines[$0]?.have ?? 0) > known[$0] ?? 0 && lines[$0]?.office != sender }
        if isLacking || isNew, marked[sender] != self.mark(for: sender) { self.mark(sender, into: &actions) }
    }

    /// What an office wrote comes from there by itself, as long as it can come; others are asked for what is their own, for what we wrote
    /// and have no more, and for what comes from nowhere else.
    private func isToAsk(_ sender: String, about office: String) -> Bool {
        sender == office || office == own || !connected.contains(office) || log.state.office(office) == nil
    }

    private mutating func ask(_ office: String, for wants: [RoomWant], into actions: inout [RoomAction]) {
        guard !wants.isEmpty else {
            asked[office] = nil
            return
        }
        // Asked before, and nothing of it has come: it is refused, and would be again.
        guard asked[office] != wants else { return actions.append(.note(.stuck(office: office))) }
        asked[office] = wants
        actions.append(.want(wants, to: office))
    }

    /// An office wants to have records. They are sent, and a mark behind them, by which it knows what to ask for next.
    public mutating func received(_ wants: [RoomWant], from sender: String, into actions: inout [RoomAction]) {
        guard log.state.office(sender) != nil, sender != own else { return }
        var left = SharedRoomLimits.recordsAtOnce
        for want in wants where left > 0 {
            guard let line = lines[want.line], want.from > line.floor, want.from <= line.have else { continue }
            let there = want.isBackwards ? want.from - line.floor : line.have - want.from + 1
            let count = min(left, there)
            left -= count
            actions.append(.sendAgain(want, count: count, to: sender))
        }
        mark(sender, into: &actions)
    }

    // MARK: joining later

    /// The first mark that an empty copy hears: messages are taken from there on, and those before by ``backfill(from:into:)``; changes
    /// from the first.
    private mutating func begin(with mark: RoomMark) {
        isJoining = false
        for other in mark.lines
        where !other.line.isChanges && other.have > 0 && lines[other.line] == nil && other.line.belongs(to: other.office) {
            var line = Line(office: other.office)
            line.have = other.have
            line.digest = other.digest
            line.floor = other.have
            line.floorDigest = other.digest
            addLine(other.line, line)
        }
    }

    /// Asks for the next of the messages that were written before this copy began, or nothing where all are here.
    public mutating func backfill(from office: String, into actions: inout [RoomAction]) {
        let wants = lineOrder.compactMap { line -> RoomWant? in
            guard let floor = lines[line]?.floor, floor > 0 else { return nil }
            return RoomWant(line: line, from: floor, isBackwards: true)
        }
        if !wants.isEmpty { actions.append(.want(wants, to: office)) }
    }

    // MARK: links

    /// An office can be reached, or cannot.
    public mutating func linkChanged(_ office: String, isUp: Bool, into actions: inout [RoomAction]) {
        asked[office] = nil
        marked[office] = nil
        if isUp {
            connected.insert(office)
            if log.state.office(office) != nil, log.state.office(own) != nil { mark(office, into: &actions) }
        } else {
            connected.remove(office)
        }
    }

    /// Some time has gone (a minute): whoever has not heard what is here now does, and whoever was asked is asked again.
    /// A clock that was set back is noticed here, too, if nobody writes.
    public mutating func timePassed(wall: WallTime, now: Instant, fresh: UInt64, into actions: inout [RoomAction]) {
        if clock.last.milliseconds - wall.milliseconds > 2 * HybridClock.drift { _ = tick(wall, now, fresh, into: &actions) }
        if log.isWaiting, hasCompared {
            actions.append(.note(.changesAreGone))
            settle(log.forgive(), others, into: &actions)
        }
        if hasCompared { feed.compared() }
        askAgain(into: &actions)
        for office in others where connected.contains(office) && marked[office] != mark(for: office) {
            mark(office, into: &actions)
        }
    }

    /// What has been lacking for a minute without anything of it having come is asked for wherever it is.
    private mutating func askAgain(into actions: inout [RoomAction]) {
        var lacking: [RecordLine: UInt64] = [:]
        for office in others where connected.contains(office) {
            var wants: [RoomWant] = []
            for other in theirs[office]?.lines ?? [] {
                let have = lines[other.line]?.have ?? 0
                guard other.have > have, other.floor <= have, other.line.run != run, lacking[other.line] == nil else {
                    continue
                }
                lacking[other.line] = have
                if lagging[other.line] == have { wants.append(RoomWant(line: other.line, from: have + 1)) }
            }
            if !wants.isEmpty {
                asked[office] = wants
                actions.append(.want(wants, to: office))
            }
        }
        lagging = lacking
    }
}

extension SharedRecord {
    /// Whether nothing in it is longer than it may be.
    var keepsLimits: Bool {
        guard case .change(let change, let seen) = content else { return true }
        let most = SharedRoomLimits.textBytes
        guard seen.numbers.count <= SharedRoomLimits.runs * SharedRoomLimits.offices, author.utf8.count <= 3071 else {
            return false
        }
        return switch change {
        case .affiliation(let jid, _): jid.utf8.count <= 3071 && !jid.isEmpty
        case .subject(let text): text.utf8.count <= most
        case .setting(let name, let value): name.utf8.count <= 255 && (value?.utf8.count ?? 0) <= most
        case .office(let domain, let office):
            domain.utf8.count <= 1023 && (office?.label.utf8.count ?? 0) <= 64
                && (office?.people.count ?? 0) <= SharedRoomLimits.domainsOfAnOffice
                && office?.people.allSatisfy { $0.utf8.count <= 1023 && !$0.isEmpty } ?? true
        case .retraction, .destruction: true
        case .retiming(_, let milliseconds): milliseconds > 0 && milliseconds <= SharedRoomLimits.lastMillisecond
        }
    }

    /// Whether it is what it says: a change in a line of changes, with a number and a moment that can be.
    var keepsForm: Bool {
        var isChange = false
        if case .change = content { isChange = true }
        return isChange == id.line.isChanges && id.number > 0 && id.number < .max && !office.isEmpty
            && id.line.belongs(to: office) && (0...SharedRoomLimits.lastMillisecond).contains(stamp.milliseconds)
    }
}
