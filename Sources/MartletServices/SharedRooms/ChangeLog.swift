import MartletPrimitives

/// All changes of a room that a copy has, in their order, and what follows from them.
///
/// A change counts when everything is there that its office had taken into account: so nobody's act is judged without what gave him the
/// right to it. Its place is by its stamp, but never before what it knew (`RecordPlace` of the lifted stamp): by a place that depends
/// on nothing that comes later. What comes in between is applied by computing everything anew; what comes at the end, which is
/// nearly always, by one step.
struct ChangeLog: Sendable, Equatable {
    /// The changes of a run.
    private struct Line: Sendable, Equatable {
        var changes: [SharedRecord] = []
        /// The stamps by which the first of them are ordered: those that count.
        var lifted: [HybridStamp] = []
        var outcomes: [ChangeOutcome] = []
    }

    private struct Place: Sendable, Equatable {
        var place: RecordPlace
        var slot: Int
        var index: Int
    }

    private var lines: [Line] = []
    private var slots: [UInt64: Int] = [:]
    private var order: [Place] = []
    private let founding: SharedFounding
    /// Changes that wait no more for what they knew, since no office has it any more: the stores that had it are gone.
    private var forgiven: Set<RecordID> = []
    /// What the room is.
    private(set) var state: SharedState
    /// How much of each run counts: what a change written now has seen.
    private(set) var counted = SeenChanges()
    /// Every office that some change makes one of the room's, whether it stands or not: who believed it has taken what that office wrote.
    private(set) var named: Set<String>
    /// How many there are.
    private(set) var count = 0
    /// How often everything was computed anew.
    private(set) var recomputed = 0

    init(_ founding: SharedFounding) {
        self.founding = founding
        named = Set(founding.offices.keys)
        state = SharedState(founding)
    }

    /// Whether some changes wait for others.
    var isWaiting: Bool { order.count < count }

    func outcome(of id: RecordID) -> ChangeOutcome? {
        guard let slot = slots[id.line.run] else { return nil }
        let place = Int(id.number) - 1
        return lines[slot].outcomes.indices.contains(place) ? lines[slot].outcomes[place] : nil
    }

    func record(_ id: RecordID) -> SharedRecord? {
        guard let slot = slots[id.line.run] else { return nil }
        let place = Int(id.number) - 1
        return lines[slot].changes.indices.contains(place) ? lines[slot].changes[place] : nil
    }

    /// The changes that count, in their order.
    var ordered: [RecordID] { order.map(\.place.id) }

    /// Adds the next change of its run. Returns the changes of which something else became than was thought, each with what.
    mutating func append(_ record: SharedRecord) -> [(id: RecordID, outcome: ChangeOutcome)] {
        let slot = slots[record.id.line.run] ?? lines.count
        if slot == lines.count {
            slots[record.id.line.run] = slot
            lines.append(Line())
        }
        require(UInt64(lines[slot].changes.count) + 1 == record.id.number, "change \(record.id.number) behind a gap")
        lines[slot].changes.append(record)
        count += 1
        if case .change(.office(let domain, _), _) = record.content { named.insert(domain) }
        if !forgiven.isEmpty { return countAnew() }
        return countReady()
    }

    /// All offices have been heard, and what some changes wait for is nowhere: they count without it. Where each stands is computed from what
    /// there is, so that copies agree even if it turns up after all.
    mutating func forgive() -> [(id: RecordID, outcome: ChangeOutcome)] {
        var changed: [(id: RecordID, outcome: ChangeOutcome)] = []
        while isWaiting {
            let waiting = lines.filter { $0.lifted.count < $0.changes.count }.map { $0.changes[$0.lifted.count].id }
            forgiven.formUnion(waiting)
            let more = countAnew()
            if more.isEmpty { break }
            changed = more.reduce(into: changed) { list, one in
                list.removeAll { $0.id == one.id }
                list.append(one)
            }
        }
        return changed
    }

    /// Forgets every place, and finds them again.
    private mutating func countAnew() -> [(id: RecordID, outcome: ChangeOutcome)] {
        let before = lines.map(\.outcomes)
        for slot in lines.indices {
            lines[slot].lifted = []
            lines[slot].outcomes = []
        }
        order = []
        counted = SeenChanges()
        state = SharedState(founding)
        recomputed += 1
        _ = countReady()
        return order.compactMap { place in
            let outcome = lines[place.slot].outcomes[place.index]
            let known = before[place.slot].indices.contains(place.index) ? before[place.slot][place.index] : nil
            return known == outcome ? nil : (place.place.id, outcome)
        }
    }

    /// Counts what has become ready, in rounds, since each may be what another waits for.
    private mutating func countReady() -> [(id: RecordID, outcome: ChangeOutcome)] {
        var added: [Place] = []
        var isDone = false
        while !isDone {
            isDone = true
            for slot in lines.indices {
                while lines[slot].lifted.count < lines[slot].changes.count, let place = ready(slot) {
                    lines[slot].lifted.append(place.place.stamp)
                    lines[slot].outcomes.append(.stands)
                    counted[place.place.id.line.run] = place.place.id.number
                    added.append(place)
                    isDone = false
                }
            }
        }
        guard !added.isEmpty else { return [] }
        added.sort { $0.place < $1.place }
        if let last = order.last, added[0].place < last.place { return insert(added) }
        var changed: [RecordID: ChangeOutcome] = [:]
        for place in added {
            order.append(place)
            apply(place, &changed)
        }
        return changed.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Where the next change of a line belongs; nil while something is missing that it knew.
    private func ready(_ slot: Int) -> Place? {
        let index = lines[slot].lifted.count
        let record = lines[slot].changes[index]
        guard case .change(_, let seen) = record.content, counted.covers(seen) || isForgiven(record, seen) else { return nil }
        var stamp = record.stamp
        if let before = lines[slot].lifted.last { stamp = max(stamp, before.next) }
        for (run, number) in seen.numbers where run != record.id.line.run {
            guard let other = slots[run], let last = lines[other].lifted.prefix(Int(number)).last else { continue }
            stamp = max(stamp, last.next)
        }
        return Place(place: RecordPlace(stamp: stamp, office: record.office, id: record.id), slot: slot, index: index)
    }

    /// Whether only such is missing as is nowhere.
    private func isForgiven(_ record: SharedRecord, _ seen: SeenChanges) -> Bool {
        forgiven.contains(record.id)
            && seen.numbers.allSatisfy { run, number in
                counted[run] >= number || slots[run].map { counted[run] == UInt64(lines[$0].changes.count) } ?? true
            }
    }

    private mutating func insert(_ added: [Place]) -> [(id: RecordID, outcome: ChangeOutcome)] {
        let before = lines.map(\.outcomes)
        order = (order + added).sorted { $0.place < $1.place }
        state = SharedState(founding)
        recomputed += 1
        var ignored: [RecordID: ChangeOutcome] = [:]
        for place in order { apply(place, &ignored) }
        let isNew = Set(added.map(\.place.id))
        return order.compactMap { place in
            let outcome = lines[place.slot].outcomes[place.index]
            let isChanged = isNew.contains(place.place.id) || before[place.slot][place.index] != outcome
            return isChanged ? (place.place.id, outcome) : nil
        }
    }

    private mutating func apply(_ place: Place, _ changed: inout [RecordID: ChangeOutcome]) {
        let record = lines[place.slot].changes[place.index]
        let effect = state.apply(record)
        lines[place.slot].outcomes[place.index] = effect.outcome
        changed[record.id] = effect.outcome
        for id in effect.overridden {
            guard let slot = slots[id.line.run] else { continue }
            lines[slot].outcomes[Int(id.number) - 1] = .lost(.overridden(by: record.id))
            changed[id] = .lost(.overridden(by: record.id))
        }
    }
}
