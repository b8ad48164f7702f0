import MartletPrimitives

/// One office's copy of a shared room: what it has of which line, what the room is, and what is to be done about whatever happens
/// (`Docs/shared-rooms.md`). It holds the changes; messages are rows of the store, of which it knows the numbers.
///
/// Inputs are what happened, in the transaction in which it is written; actions leave after the commit. A copy is a value: a backup of it is
/// a copy of it, and a start from disk is ``started(process:)``.
public struct RoomReplica: Sendable {
    struct Line: Sendable, Equatable {
        var office: String
        /// What is here: the numbers behind `floor` up to `have`.
        var have: UInt64 = 0
        var digest: UInt64 = 0
        var floor: UInt64 = 0
        /// The digest that the record at `floor` must have.
        var floorDigest: UInt64 = 0
        var lastStamp = HybridStamp(-1)
    }

    struct OwnRun: Sendable, Equatable {
        var run: UInt64
        var last: HybridStamp
        var at: Instant
        var isRetimed = false
    }

    /// The domain of our rooms.
    public let own: String
    /// What the room began with.
    public let founding: SharedFounding
    var clock: HybridClock
    var log: ChangeLog
    var lines: [RecordLine: Line] = [:]
    /// The lines, ascending.
    var lineOrder: [RecordLine] = []
    /// How many changes of an office there are, and their bytes.
    var changesOfOffice: [String: (count: Int, bytes: Int)] = [:]
    /// The runs of this process and those before it whose stamps may yet turn out to lie in the future.
    var ownRuns: [OwnRun] = []
    /// Our own changes of which the author was told that they are lost.
    var told: Set<RecordID> = []
    /// The greatest place that was shown here.
    var lastShown: RecordPlace?

    /// The places of messages in the archive here: one is taken for each that is kept.
    public var feed = ArrivalFeed()
    /// Whether this copy begins with what others have already written.
    var isJoining: Bool

    // In memory only.
    var run: UInt64?
    var connected: Set<String> = []
    /// What an office was asked for last.
    var asked: [String: [RoomWant]] = [:]
    /// What an office was told last.
    var marked: [String: RoomMark] = [:]
    /// Drawn when the process started.
    var process: UInt64 = 0
    /// The process of each office that was heard last.
    var processes: [String: UInt64] = [:]
    /// What each office said last that it has.
    var theirs: [String: RoomMark] = [:]
    /// What was lacking a minute ago, and what was here of it.
    var lagging: [RecordLine: UInt64] = [:]

    /// The copy of an office before anything was written; `isJoining` where it was not of the room from the beginning.
    public init(own: String, founding: SharedFounding, isJoining: Bool = false, now: Instant, process: UInt64) {
        self.process = process
        self.own = own
        self.isJoining = isJoining
        self.founding = founding
        clock = HybridClock(at: now)
        log = ChangeLog(founding)
    }

    /// What the room is.
    public var state: SharedState { log.state }

    /// The other offices of the room.
    public var others: [String] { log.state.offices.filter { $0 != own } }

    /// What became of a change.
    public func outcome(of id: RecordID) -> ChangeOutcome? { log.outcome(of: id) }

    /// Where a record stands in the order that is the same everywhere.
    public func place(of record: SharedRecord) -> RecordPlace {
        var stamp = record.stamp
        stamp.milliseconds -= log.state.retiming(of: record.id.line.run, of: record.office)
        return RecordPlace(stamp: stamp, office: record.office, id: record.id)
    }

    /// The process has started, perhaps with an older store: no line is continued, nothing is known of the others.
    public mutating func started(process: UInt64) {
        self.process = process
        feed.started()
        processes = [:]
        run = nil
        connected = []
        asked = [:]
        marked = [:]
        theirs = [:]
        lagging = [:]
    }

    /// Whether some of what was written before this copy began is still to be fetched.
    public var isBeginning: Bool { isJoining || lines.values.contains { $0.floor > 0 } }

    /// Whether every other office has been heard since the start, and all that any of them had is here, of what was written before this
    /// copy began too.
    public var hasCompared: Bool {
        others.allSatisfy { office in
            guard let mark = theirs[office], mark.answers == process else { return false }
            return mark.lines.allSatisfy { other in
                other.have == 0 || lines[other.line].map { other.have <= $0.have && other.floor >= $0.floor } ?? false
            }
        }
    }

    // MARK: what is written here

    /// An occupant here said something. `fresh` is drawn at random in case a new run begins.
    public mutating func said(
        _ payload: [UInt8], nickname: String, author: String, wall: WallTime, now: Instant, fresh: UInt64,
        into actions: inout [RoomAction]
    ) -> RoomRefusal? {
        if log.state.destroyedBy != nil { return .destroyed }
        if log.state.office(own) == nil { return .notAnOffice }
        let stamp = tick(wall, now, fresh, into: &actions)
        let record = next(stamp, author, .message(nickname: nickname, payload))
        take(record, to: others, into: &actions)
        show(record, wall, into: &actions)
        return nil
    }

    /// Somebody here wants something about the room to be different. Whoever may not, as far as is known here, is refused at once.
    public mutating func changed(
        _ change: SharedChange, author: String, wall: WallTime, now: Instant, fresh: UInt64, into actions: inout [RoomAction]
    ) -> RoomRefusal? {
        var trial = log.state
        let id = RecordID(RecordLine(run: fresh, isChanges: true), 1)
        let content = SharedRecord.Content.change(change, seen: log.counted)
        let record = SharedRecord(id: id, office: own, stamp: clock.last, after: 0, author: author, content: content)
        guard record.keepsLimits else { return .malformed }
        if isFull(record) { return .full }
        if case .lost(let loss) = trial.apply(record).outcome { return .lost(loss) }
        write(change, author, tick(wall, now, fresh, into: &actions), into: &actions)
        return nil
    }

    private mutating func write(
        _ change: SharedChange, _ author: String, _ stamp: HybridStamp, into actions: inout [RoomAction]
    ) {
        let record = next(stamp, author, .change(change, seen: log.counted))
        // Who is removed by it shall know.
        var offices = others
        if case .office(let domain, _) = change, domain != own, !offices.contains(domain) { offices.append(domain) }
        take(record, to: offices, into: &actions)
    }

    /// The next stamp; where the clock was set, a new run begins, and what lies in the future is put right.
    mutating func tick(_ wall: WallTime, _ now: Instant, _ fresh: UInt64, into actions: inout [RoomAction]) -> HybridStamp {
        let (stamp, turn) = clock.stamp(wall: wall, now: now)
        if turn != .steady { run = nil }
        if run == nil {
            var new = RecordLine.run(of: own, fresh)
            while lines[RecordLine(run: new, isChanges: false)] != nil || lines[RecordLine(run: new, isChanges: true)] != nil {
                new = RecordLine.run(of: own, new &+ 1)
            }
            run = new
            ownRuns.append(OwnRun(run: new, last: stamp, at: now))
        }
        var last = stamp
        if case .setBack(let milliseconds) = turn {
            actions.append(.note(.clockWasAhead(milliseconds)))
            for place in ownRuns.indices where ownRuns[place].last.milliseconds > wall.milliseconds + HybridClock.drift {
                let old = ownRuns[place]
                if old.isRetimed { continue }
                ownRuns[place].isRetimed = true
                let excess = old.last.milliseconds - wall.milliseconds + max(0, now - old.at)
                write(.retiming(run: old.run, by: excess), "", last, into: &actions)
                last = clock.stamp(wall: wall, now: now).stamp
            }
        }
        ownRuns[ownRuns.count - 1].last = last
        ownRuns[ownRuns.count - 1].at = now
        ownRuns.removeAll { ($0.isRetimed || $0.last.milliseconds + HybridClock.drift < wall.milliseconds) && $0.run != run }
        return last
    }

    /// Whether its office has written as many changes as an office may.
    func isFull(_ record: SharedRecord) -> Bool {
        guard record.id.line.isChanges, let written = changesOfOffice[record.office] else { return false }
        return written.count >= SharedRoomLimits.changes || written.bytes >= SharedRoomLimits.changeBytes
    }

    private func next(_ stamp: HybridStamp, _ author: String, _ content: SharedRecord.Content) -> SharedRecord {
        var isChanges = false
        if case .change = content { isChanges = true }
        let line = RecordLine(run: run ?? 0, isChanges: isChanges)
        let state = lines[line]
        let id = RecordID(line, (state?.have ?? 0) + 1)
        return SharedRecord(id: id, office: own, stamp: stamp, after: state?.digest ?? 0, author: author, content: content)
    }

    // MARK: taking

    /// A record that comes next in its line becomes one of ours.
    mutating func take(_ record: SharedRecord, to offices: [String], into actions: inout [RoomAction]) {
        let line = record.id.line
        if lines[line] == nil { addLine(line, Line(office: record.office)) }
        lines[line]?.have = record.id.number
        lines[line]?.digest = record.digest
        lines[line]?.lastStamp = record.stamp
        actions.append(.keep(record))
        if !offices.isEmpty { actions.append(.send(record, to: offices)) }
        if line.isChanges { takeChange(record, into: &actions) }
    }

    private mutating func takeChange(_ record: SharedRecord, into actions: inout [RoomAction]) {
        let before = log.state.offices
        changesOfOffice[record.office, default: (0, 0)].count += 1
        changesOfOffice[record.office, default: (0, 0)].bytes += record.row.count
        settle(log.append(record), before, into: &actions)
    }

    /// Changes have another outcome than was thought.
    mutating func settle(
        _ outcomes: [(id: RecordID, outcome: ChangeOutcome)], _ before: [String], into actions: inout [RoomAction]
    ) {
        guard !outcomes.isEmpty else { return }
        for (id, outcome) in outcomes {
            guard let change = log.record(id), change.office == own, !change.author.isEmpty else { continue }
            if outcome == .stands {
                if told.remove(id) != nil { actions.append(.tell(author: change.author, id, outcome)) }
            } else if told.insert(id).inserted {
                actions.append(.tell(author: change.author, id, outcome))
            }
        }
        actions.append(.stateChanged)
        // Whoever is new here may have been refused before, and nothing of it comes again by itself.
        for office in log.state.offices where office != own && !before.contains(office) {
            marked[office] = nil
            if connected.contains(office) { mark(office, into: &actions) }
        }
    }

    mutating func addLine(_ line: RecordLine, _ state: Line) {
        lines[line] = state
        let place = lineOrder.firstIndex { line < $0 } ?? lineOrder.count
        lineOrder.insert(line, at: place)
    }

    /// Shows a message, as late where it was said some time ago, or comes in between what was shown.
    mutating func show(_ record: SharedRecord, _ wall: WallTime, into actions: inout [RoomAction]) {
        let place = place(of: record)
        var isLate = wall.milliseconds - place.stamp.milliseconds > SharedRoomLimits.lateAfter
        if let lastShown, place.stamp.milliseconds < lastShown.stamp.milliseconds - SharedRoomLimits.lateAfter { isLate = true }
        if place > lastShown ?? place || lastShown == nil { lastShown = place }
        actions.append(.show(record, isLate: isLate))
    }
}

/// Limits of shared rooms, with the reason for each number.
public enum SharedRoomLimits {
    /// Changes that one office writes in a room: they stay for ever, in memory too, and are computed anew when one comes late. Three for each
    /// person of a room of 5,000; 16 ms.
    public static let changes = 16_384
    /// The bytes of those, so that nobody fills the memory of others with long subjects.
    public static let changeBytes = 4 << 20
    /// Runs of one office: one for each start of its process after which something was written; three a day for a year.
    public static let runs = 1024
    /// Offices in a room, as many as a message is sent to.
    public static let offices = 64
    /// Records that answer one request: some seconds of a line of 9.6 kbit/s.
    public static let recordsAtOnce: UInt64 = 100
    /// Milliseconds after which a message is marked as late: twice what the lanes take for late.
    public static let lateAfter: Int64 = 10_000
    /// A stamp beyond the year 37,000 is no stamp, and leaves room for those that are counted up from it.
    public static let lastMillisecond: Int64 = 1 << 50
    /// Bytes of a name, subject, or field of the configuration.
    public static let textBytes = 10_000
    /// Domains of the people of one office.
    public static let domainsOfAnOffice = 64
}
