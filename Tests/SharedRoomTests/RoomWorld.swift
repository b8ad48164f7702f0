import MartletPrimitives

@testable import MartletServices

/// Some offices with one shared room, lanes between them, and everything that can happen to both; one run for a seed.
///
/// A turn and its commit are one step: rows and lane entries are written together, so a crash loses what is in memory and nothing else. A
/// lane keeps its order and gives each entry once, except that an entry may be gone (it expired, or an operator removed it), and that a
/// restored office gets again, or not, what it got after its backup.
struct RoomWorld {
    enum Letter {
        case record(SharedRecord)
        case mark(RoomMark)
        case want([RoomWant])
    }

    struct Lane {
        var entries: [Letter?] = []
        var given = 0
    }

    /// Somebody whose client asks for what is new, with the address of some message that it has.
    struct Reader {
        var known: Set<RecordID> = []
        var some: RecordID?
    }

    struct Store {
        var replica: RoomReplica
        var rows: [RecordID: SharedRecord] = [:]
        var arrivals: [(place: UInt64, id: RecordID)] = []
        var sent: [Int]
        var got: [Int]
    }

    struct Node {
        var store: Store
        var backup: Store?
        var wallOffset: Int64 = 0
        var reader = Reader()
        var shown: [RecordID: Int] = [:]
        var wasRestored = false
    }

    /// What may happen, each as a weight.
    struct Faults {
        var cut = 2
        var crash = 1
        var restore = 1
        var gone = 1
        var clock = 1
        var removal = 1
        var destruction = 0
        var joining = 1
    }

    /// What kinds of histories are tried.
    enum Kind: CaseIterable {
        /// Cuts and starts.
        case cuts
        /// Also entries that are gone from lanes, restored backups, clocks that are set, an office that comes and goes.
        case everything
        /// Four offices, and a room that is destroyed.
        case destroyed
    }

    /// A history of that kind, afterwards.
    static func healed(_ kind: Kind, seed: UInt64) -> RoomWorld {
        var world =
            switch kind {
            case .cuts: RoomWorld(seed: seed, faults: Faults(restore: 0, gone: 0, clock: 0, removal: 0))
            case .everything: RoomWorld(seed: seed)
            case .destroyed: RoomWorld(seed: seed, offices: 4, faults: Faults(destruction: 4))
            }
        world.run(steps: kind == .cuts ? 120 : 150)
        world.heal()
        return world
    }

    var nodes: [Node] = []
    var lanes: [[Lane]] = []
    var isUp: [[Bool]] = []
    var time: Int64 = 1_763_796_727_120
    var random: RandomStream
    let offices: [String]
    let faults: Faults
    /// Messages that somebody was told are taken over: text → where.
    var accepted: [String: Int] = [:]
    /// Changes that were taken over here, by whom, and what their authors were told, in order.
    var changes: [RecordID: (node: Int, change: SharedChange)] = [:]
    var tells: [RecordID: [ChangeOutcome]] = [:]
    var notes: [RoomDiagnostic] = []
    var ownerless = 0
    var isHealing = false
    var trace: [String] = []

    init(seed: UInt64, offices count: Int = 3, faults: Faults = Faults()) {
        random = RandomStream(seed: seed)
        offices = (0..<count).map { "rooms.o\($0).example" }
        self.faults = faults
        lanes = Array(repeating: Array(repeating: Lane(), count: count), count: count)
        isUp = Array(repeating: Array(repeating: false, count: count), count: count)
        let founders = faults.joining > 0 && count > 2 && random.next() % 3 == 0 ? count - 1 : count
        let founding = SharedFounding(
            room: "r",
            offices: Dictionary(uniqueKeysWithValues: (0..<founders).map { (offices[$0], Self.office($0)) }),
            owners: [Self.person(0, 0), Self.person(0, 1)], settings: ["name": "Room"])
        for index in 0..<count {
            let replica = RoomReplica(
                own: offices[index], founding: founding, isJoining: index >= founders, now: Instant(milliseconds: time),
                process: random.next())
            nodes.append(
                Node(
                    store: Store(
                        replica: replica, sent: Array(repeating: 0, count: count), got: Array(repeating: 0, count: count))))
        }
        for one in 0..<count { for other in 0..<count where one != other { setLine(one, other, up: true) } }
    }

    static func office(_ index: Int) -> SharedOffice { SharedOffice(label: "O\(index)", people: ["o\(index).example"]) }
    static func person(_ number: Int, _ office: Int) -> String { "p\(number)@o\(office).example" }

    mutating func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    func wall(_ node: Int) -> WallTime { WallTime(milliseconds: time + nodes[node].wallOffset) }
    var now: Instant { Instant(milliseconds: time) }

    // MARK: steps

    mutating func run(steps: Int) {
        for _ in 0..<steps { step() }
    }

    mutating func step() {
        time += Int64(pick(20) == 0 ? pick(3_600_000) : pick(4000))
        let node = pick(nodes.count)
        let weights = [
            10, 5, 26, faults.cut, faults.crash, faults.restore, faults.restore, faults.gone, faults.clock, 2, 2,
        ]
        var choice = pick(weights.reduce(0, +))
        var what = 0
        while choice >= weights[what] {
            choice -= weights[what]
            what += 1
        }
        switch what {
        case 0: say(node)
        case 1: change(node)
        case 2: deliverOne()
        case 3:
            let other = pick(nodes.count)
            if other != node { setLine(node, other, up: !isUp[node][other], both: true) }
        case 4: restart(node)
        case 5: if nodes[node].backup == nil || pick(2) == 0 { nodes[node].backup = nodes[node].store }
        case 6: if nodes[node].backup != nil { restore(node) }
        case 7: lose()
        case 8: nodes[node].wallOffset = [0, 0, 31_536_000_000, -31_536_000_000, 700_000, -700_000, 200_000][pick(7)]
        case 9: read(node)
        default: tick(node)
        }
    }

    mutating func say(_ node: Int) {
        let text = "m\(accepted.count)"
        var actions: [RoomAction] = []
        let fresh = random.next()
        let refusal = nodes[node].store.replica.said(
            Array(text.utf8), nickname: "p", author: Self.person(pick(3), node), wall: wall(node), now: now, fresh: fresh,
            into: &actions)
        if refusal == nil { accepted[text] = node }
        perform(actions, node)
    }

    mutating func change(_ node: Int) {
        let people = (0..<9).map { Self.person($0 % 3, $0 / 3 % nodes.count) }
        let owners = nodes[node].store.replica.state.owners.filter { $0.hasSuffix("@o\(node).example") }
        let author = !owners.isEmpty && pick(4) > 0 ? owners[pick(owners.count)] : Self.person(pick(3), node)
        let change: SharedChange
        switch pick(20) {
        case 0...10: change = .affiliation(of: people[pick(people.count)], SharedAffiliation.allCases[pick(5)])
        case 11...13: change = .subject("s\(pick(5))")
        case 14, 15: change = .setting(["name", "whois"][pick(2)], ["a", "b", nil][pick(3)])
        case 16:
            guard let message = nodes[node].store.rows.keys.filter({ !$0.line.isChanges }).min(),
                let office = nodes[node].store.rows[message]?.office
            else { return }
            change = .retraction(of: message, by: office)
        case 17 where pick(8) < faults.destruction: change = .destruction
        case 17, 18:
            guard faults.removal > 0 else { return }
            let last = nodes.count - 1
            let isThere = nodes[node].store.replica.state.offices.contains(offices[last])
            if node == last { return }
            change = .office(offices[last], isThere ? (pick(3) == 0 ? nil : Self.office(last)) : Self.office(last))
        default: change = .affiliation(of: people[pick(people.count)], [.outcast, .owner][pick(2)])
        }
        submit(change, author, node)
    }

    @discardableResult
    mutating func submit(_ change: SharedChange, _ author: String, _ node: Int) -> RecordID? {
        var actions: [RoomAction] = []
        let fresh = random.next()
        let refusal = nodes[node].store.replica.changed(
            change, author: author, wall: wall(node), now: now, fresh: fresh, into: &actions)
        var id: RecordID?
        for case .keep(let record) in actions where refusal == nil && record.author == author {
            changes[record.id] = (node, change)
            id = record.id
        }
        perform(actions, node)
        return id
    }

    mutating func deliverOne() {
        var filled: [(Int, Int)] = []
        for one in nodes.indices {
            for other in nodes.indices where isUp[one][other] && lanes[one][other].given < lanes[one][other].entries.count {
                filled.append((one, other))
            }
        }
        guard !filled.isEmpty else { return }
        let (one, other) = filled[pick(filled.count)]
        deliver(one, other)
    }

    mutating func deliver(_ one: Int, _ other: Int) {
        let letter = lanes[one][other].entries[lanes[one][other].given]
        lanes[one][other].given += 1
        nodes[other].store.got[one] = lanes[one][other].given
        var actions: [RoomAction] = []
        switch letter {
        case nil: break
        case .record(let record)?:
            nodes[other].store.replica.received(
                record, from: offices[one], isProven: true, wall: wall(other), now: now, into: &actions)
        case .mark(let mark)?: nodes[other].store.replica.received(mark, from: offices[one], into: &actions)
        case .want(let wants)?: nodes[other].store.replica.received(wants, from: offices[one], into: &actions)
        }
        perform(actions, other)
    }

    // MARK: faults

    mutating func setLine(_ one: Int, _ other: Int, up: Bool, both: Bool = false) {
        guard isUp[one][other] != up else { return }
        isUp[one][other] = up
        var actions: [RoomAction] = []
        nodes[one].store.replica.linkChanged(offices[other], isUp: up, into: &actions)
        perform(actions, one)
        if both { setLine(other, one, up: up) }
    }

    mutating func restart(_ node: Int) {
        nodes[node].store.replica.started(process: random.next())
        for other in nodes.indices where other != node && isUp[node][other] {
            setLine(node, other, up: false)
            setLine(other, node, up: false)
            setLine(node, other, up: true, both: true)
        }
    }

    /// The office's disk is replaced by an older one.
    mutating func restore(_ node: Int) {
        guard let backup = nodes[node].backup else { return }
        // What is lost while another office is only about to fetch it is lost.
        if nodes.contains(where: { $0.store.replica.isBeginning }) { return }
        let present = nodes[node].store
        nodes[node].store = backup
        nodes[node].wasRestored = true
        let isKept = pick(4) > 0
        for other in nodes.indices where other != node {
            // What it had not yet sent, and had written after the backup, is gone; what it had sent is known to be there.
            let known = backup.sent[other]
            for place in max(
                known, lanes[node][other].given)..<max(known, lanes[node][other].given, lanes[node][other].entries.count)
            {
                lanes[node][other].entries[place] = nil
            }
            if isKept { lanes[other][node].given = backup.got[other] }
            nodes[node].store.got[other] = lanes[other][node].given
            nodes[node].store.sent[other] = present.sent[other]
        }
        restart(node)
    }

    mutating func lose() {
        let (one, other) = (pick(nodes.count), pick(nodes.count))
        let lane = lanes[one][other]
        guard lane.given < lane.entries.count else { return }
        lanes[one][other].entries[lane.given + pick(lane.entries.count - lane.given)] = nil
    }

    mutating func tick(_ node: Int) {
        var actions: [RoomAction] = []
        let fresh = random.next()
        nodes[node].store.replica.timePassed(wall: wall(node), now: now, fresh: fresh, into: &actions)
        for other in nodes.indices where other != node && isUp[node][other] {
            if isHealing || pick(3) == 0 { nodes[node].store.replica.backfill(from: offices[other], into: &actions) }
        }
        perform(actions, node)
    }

    // MARK: readers

    mutating func read(_ node: Int) {
        let store = nodes[node].store
        var behind: UInt64 = 0
        if let some = nodes[node].reader.some, let place = store.arrivals.first(where: { $0.id == some })?.place {
            behind = store.replica.feed.answered(after: place)
        }
        for arrival in store.arrivals where arrival.place > behind { nodes[node].reader.known.insert(arrival.id) }
        // The worst of clients: it goes on from any message that it has.
        let known = store.arrivals.filter { nodes[node].reader.known.contains($0.id) }
        if !known.isEmpty { nodes[node].reader.some = known[pick(known.count)].id }
    }

    // MARK: actions

    mutating func perform(_ actions: [RoomAction], _ node: Int) {
        for action in actions {
            switch action {
            case .keep(let record):
                nodes[node].store.rows[record.id] = record
                if !record.id.line.isChanges {
                    let place = nodes[node].store.replica.feed.came()
                    nodes[node].store.arrivals.append((place, record.id))
                }
            case .send(let record, let others): for other in others { send(.record(record), node, other) }
            case .mark(let mark, let other): send(.mark(mark), node, other)
            case .want(let wants, let other): send(.want(wants), node, other)
            case .sendAgain(let want, let count, let other):
                for step in 0..<count {
                    let number = want.isBackwards ? want.from - step : want.from + step
                    guard let record = nodes[node].store.rows[RecordID(want.line, number)] else { continue }
                    send(.record(record), node, other)
                }
            case .show(let record, _): nodes[node].shown[record.id, default: 0] += 1
            case .stateChanged:
                let state = nodes[node].store.replica.state
                let isHeld = state.owners.contains { owner in state.offices.contains { state.speaks($0, for: owner) } }
                if !isHeld { ownerless += 1 }
            case .tell(_, let id, let outcome): tells[id, default: []].append(outcome)
            case .note(let note): notes.append(note)
            }
        }
    }

    private mutating func send(_ letter: Letter, _ node: Int, _ office: String) {
        guard let other = offices.firstIndex(of: office) else { return }
        lanes[node][other].entries.append(letter)
        nodes[node].store.sent[other] = lanes[node][other].entries.count
    }

    // MARK: afterwards

    /// Everything is repaired, and time enough goes by.
    mutating func heal() {
        isHealing = true
        for node in nodes.indices { nodes[node].wallOffset = 0 }
        for one in nodes.indices { for other in nodes.indices where one != other { setLine(one, other, up: true) } }
        for _ in 0..<12 {
            for node in nodes.indices { tick(node) }
            time += 60_000
            var isMoving = true
            while isMoving {
                isMoving = false
                for one in nodes.indices {
                    for other in nodes.indices where lanes[one][other].given < lanes[one][other].entries.count {
                        deliver(one, other)
                        isMoving = true
                    }
                }
            }
        }
        for node in nodes.indices { read(node) }
    }
}
