import MartletPrimitives

@testable import MartletServices

/// Judges a healed world, by what was accepted and what stands in the archives; it shares no code with what it judges but the records.
struct RoomChecker {
    let world: RoomWorld
    var faults: [String] = []

    static func faults(in world: RoomWorld) -> [String] {
        var checker = RoomChecker(world: world)
        checker.judge()
        return checker.faults
    }

    /// The offices that are of the room in the end.
    private var members: [Int] {
        let state = world.nodes[0].store.replica.state
        return world.nodes.indices.filter { state.offices.contains(world.offices[$0]) }
    }

    private mutating func judge() {
        if world.ownerless > 0 { faults.append("a room without an owner, \(world.ownerless) times") }
        for note in world.notes {
            if case .forked = note { faults.append("\(note)") }
            if case .refused(_, _, .malformed) = note { faults.append("\(note)") }
        }
        equalArchives()
        nothingLostOrDoubled()
        equalStates()
        order()
        reports()
        readers()
    }

    private mutating func equalArchives() {
        let first = world.nodes[members[0]].store
        let order = archive(first)
        for node in members.dropFirst() {
            let store = world.nodes[node].store
            if store.rows != first.rows {
                let lacking = Set(first.rows.keys).subtracting(store.rows.keys).count
                let more = Set(store.rows.keys).subtracting(first.rows.keys).count
                faults.append("office \(node) lacks \(lacking) records of office \(members[0]), and has \(more) others")
            } else if archive(store) != order {
                faults.append("office \(node) has another order")
            }
        }
    }

    /// The order by the rule: stamp less what its office said of its clock, office, name.
    private func archive(_ store: RoomWorld.Store) -> [RecordID] {
        var wrong: [UInt64: Int64] = [:]
        for record in store.rows.values {
            if case .change(.retiming(let run, let by), _) = record.content, run >> 32 == record.id.line.run >> 32 {
                wrong[run] = max(wrong[run] ?? 0, by)
            }
        }
        func key(_ record: SharedRecord) -> (Int64, UInt32, String) {
            (record.stamp.milliseconds - (wrong[record.id.line.run] ?? 0), record.stamp.counter, record.office)
        }
        return store.rows.values.filter { !$0.id.line.isChanges }
            .sorted { key($0) != key($1) ? key($0) < key($1) : ($0.id.line.run, $0.id.number) < ($1.id.line.run, $1.id.number) }
            .map(\.id)
    }

    private mutating func nothingLostOrDoubled() {
        var everywhere: Set<String> = []
        for node in members {
            var texts: [String: Int] = [:]
            for record in world.nodes[node].store.rows.values {
                guard case .message(_, let payload) = record.content else { continue }
                texts[String(decoding: payload, as: UTF8.self), default: 0] += 1
            }
            for (text, count) in texts.sorted(by: { $0.key < $1.key }) where count > 1 {
                faults.append("\(text) stands \(count) times at office \(node)")
            }
            everywhere.formUnion(texts.keys)
            let arrivals = world.nodes[node].store.arrivals.map(\.id)
            if Set(arrivals).count != arrivals.count { faults.append("office \(node) has a message at two places") }
            if !world.nodes[node].wasRestored, world.nodes[node].shown.values.contains(where: { $0 > 1 }) {
                faults.append("office \(node) has shown a message twice")
            }
        }
        // What an office had taken over, told nobody, and lost with its disk is gone; so is what was said in an office that was removed.
        for (text, node) in world.accepted.sorted(by: { $0.key < $1.key })
        where members.contains(node) && !world.nodes[node].wasRestored && !everywhere.contains(text) {
            faults.append("\(text) of office \(node) is lost")
        }
    }

    private mutating func equalStates() {
        let first = world.nodes[members[0]].store.replica
        for node in members.dropFirst() where world.nodes[node].store.replica.state != first.state {
            faults.append("office \(node) has another state than office \(members[0])")
        }
        for node in members where world.nodes[node].store.replica.log.isWaiting {
            faults.append("office \(node) waits for changes")
        }
        var naive = NaiveRoom(first.founding, Array(world.nodes[members[0]].store.rows.values))
        naive.compute()
        for person in naive.people where naive.affiliation(person) != first.state.affiliation(of: person) {
            faults.append("\(person) is \(first.state.affiliation(of: person)), by the rule \(naive.affiliation(person))")
        }
        for (id, stands) in naive.stands where stands != (first.outcome(of: id).map { !isRefusal($0) } ?? false) {
            faults.append("change \(id.number) \(stands ? "takes effect" : "does not") by the rule")
        }
    }

    /// Overridden is a change that had effect, and was replaced by somebody who did not know it.
    private func isRefusal(_ outcome: ChangeOutcome) -> Bool {
        switch outcome {
        case .stands, .lost(.overridden): false
        case .lost: true
        }
    }

    /// Where nobody's clock was wrong, an answer stands behind what it answers: what was there when it was written.
    private mutating func order() {
        for node in members {
            let replica = world.nodes[node].store.replica
            for id in replica.log.ordered {
                guard let record = replica.log.record(id), case .change(_, let seen) = record.content else { continue }
                for (run, number) in seen.numbers where number > 0 {
                    let other = RecordID(RecordLine(run: run, isChanges: true), number)
                    guard let place = replica.log.ordered.firstIndex(of: other) else { continue }
                    guard let own = replica.log.ordered.firstIndex(of: id),
                        place < own
                    else {
                        faults.append("a change stands before what it knew")
                        return
                    }
                }
            }
        }
    }

    /// Whoever has lost was told once; whoever was told, and stands after all, was told that.
    private mutating func reports() {
        for (id, change) in world.changes {
            guard members.contains(change.node), let outcome = world.nodes[members[0]].store.replica.outcome(of: id) else {
                continue
            }
            let told = (world.tells[id] ?? []).map { $0 != .stands }
            let isLost = outcome != .stands
            // A restored store has forgotten whom it told.
            let isRestored = world.nodes[change.node].wasRestored
            if isLost != (told.last ?? false), isLost || !isRestored {
                faults.append("a change is \(outcome), and its author was told \(told)")
            }
            guard !isRestored else { continue }
            for (place, lost) in told.enumerated() where lost != (place % 2 == 0) {
                faults.append("an author was told the same twice: \(told)")
                break
            }
        }
    }

    private mutating func readers() {
        for node in members {
            let missing = world.nodes[node].store.arrivals.count { !world.nodes[node].reader.known.contains($0.id) }
            if missing > 0 { faults.append("a reader of office \(node) has missed \(missing) messages") }
        }
    }
}

/// The rules for affiliations and offices once more, written as they are read: everything is looked up in the list of what happened before.
struct NaiveRoom {
    private let founding: SharedFounding
    private var records: [RecordID: SharedRecord] = [:]
    private var lifted: [RecordID: HybridStamp] = [:]
    private var done: [(record: SharedRecord, wasMore: Bool)] = []
    private(set) var stands: [(RecordID, Bool)] = []

    init(_ founding: SharedFounding, _ rows: [SharedRecord]) {
        self.founding = founding
        for row in rows where row.id.line.isChanges { records[row.id] = row }
    }

    var people: [String] {
        var people = Set(founding.owners)
        for record in records.values { if case .change(.affiliation(let jid, _), _) = record.content { people.insert(jid) } }
        return people.sorted()
    }

    mutating func compute() {
        let order = records.values.sorted { (key($0), $0.office, $0.id) < (key($1), $1.office, $1.id) }
        for record in order {
            guard case .change(let change, _) = record.content, case let (isRight, wasMore) = judge(record, change) else {
                continue
            }
            stands.append((record.id, isRight))
            if isRight { done.append((record, wasMore)) }
        }
    }

    private mutating func key(_ record: SharedRecord) -> HybridStamp {
        if let known = lifted[record.id] { return known }
        guard case .change(_, let seen) = record.content else { return record.stamp }
        var stamp = record.stamp
        var known = seen.numbers.map { RecordID(RecordLine(run: $0.run, isChanges: true), $0.number) }.filter {
            $0.line != record.id.line
        }
        if record.id.number > 1 { known.append(RecordID(record.id.line, record.id.number - 1)) }
        for id in known { if let other = records[id], case let key = key(other), key >= stamp { stamp = key.next } }
        lifted[record.id] = stamp
        return stamp
    }

    func affiliation(_ jid: String) -> SharedAffiliation {
        for (record, _) in done.reversed() {
            if case .change(.affiliation(jid, let affiliation), _) = record.content { return affiliation }
        }
        return founding.owners.contains(jid) ? .owner : .none
    }

    private func office(_ domain: String) -> SharedOffice? {
        for (record, _) in done.reversed() {
            if case .change(.office(domain, let office), _) = record.content { return office }
        }
        return founding.offices[domain]
    }

    private var domains: [String] {
        var domains = Set(founding.offices.keys)
        for (record, _) in done { if case .change(.office(let domain, _), _) = record.content { domains.insert(domain) } }
        return domains.sorted()
    }

    private func owners(except jid: String? = nil, with other: (String, SharedOffice?)? = nil) -> [String] {
        people.filter { person in
            let domain = String(person.split(separator: "@")[1])
            let isHeld = (domains + [other?.0 ?? ""]).contains { name in
                (name == other?.0 ? other?.1 : office(name))?.people.contains(domain) ?? false
            }
            return person != jid && affiliation(person) == .owner && isHeld
        }
    }

    /// Whether something took that away of which the change knew nothing.
    private func isTaken(_ record: SharedRecord, _ isSame: (SharedChange) -> Bool) -> Bool {
        done.contains { before, wasMore in
            guard case .change(let change, _) = before.content else { return false }
            return wasMore && isSame(change) && !record.saw(before.id)
        }
    }

    private func judge(_ record: SharedRecord, _ change: SharedChange) -> (Bool, Bool) {
        if case .retiming = change { return (true, false) }
        if done.contains(where: { if case .change(.destruction, _) = $0.record.content { true } else { false } }) {
            return (false, false)
        }
        let domain = String(record.author.split(separator: "@").last ?? "")
        guard office(record.office)?.people.contains(domain) == true else { return (false, false) }
        guard !isTaken(record, { if case .office(record.office, nil) = $0 { true } else { false } }) else {
            return (false, false)
        }
        let rank = affiliation(record.author)
        switch change {
        case .subject: return (rank != .outcast, false)
        case .setting, .destruction: return (rank == .owner, false)
        case .retraction(_, let office): return (rank >= .admin || office == record.office, false)
        case .retiming: return (true, false)
        case .affiliation(let jid, let new):
            let old = affiliation(jid)
            let target = String(jid.split(separator: "@")[1])
            let isSelf = jid == record.author && old > new && new != .outcast && old > .none
            guard rank == .owner || rank == .admin && old < .admin && new < .admin || isSelf else { return (false, false) }
            if new >= .admin, !domains.contains(where: { office($0)?.people.contains(target) ?? false }) {
                return (false, false)
            }
            if new > old, isTaken(record, { if case .affiliation(jid, _) = $0 { true } else { false } }) {
                return (false, false)
            }
            if old == .owner, new < .owner, owners(except: jid).isEmpty { return (false, false) }
            return (true, new < old)
        case .office(let name, let new):
            guard rank == .owner, !owners(with: (name, new)).isEmpty else { return (false, false) }
            if new != nil, isTaken(record, { if case .office(name, nil) = $0 { true } else { false } }) {
                return (false, false)
            }
            for other in domains where other != name {
                if office(other)?.people.contains(where: { new?.people.contains($0) ?? false }) ?? false {
                    return (false, false)
                }
            }
            return (true, new == nil && office(name) != nil)
        }
    }
}
