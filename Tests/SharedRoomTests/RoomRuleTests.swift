import MartletPrimitives
import Testing

@testable import MartletServices

/// Each rule of `Docs/shared-rooms.md`, with the schedule that would break it.
@Suite struct RoomRuleTests {
    private static let quiet = RoomWorld.Faults(cut: 0, crash: 0, restore: 0, gone: 0, clock: 0, removal: 0, joining: 0)
    private let alice = "p0@o0.example"
    private let bob = "p0@o1.example"
    private let eve = "p1@o2.example"

    /// Three offices that have heard each other; two owners, Alice in the first and Bob in the second.
    private func world(_ offices: Int = 3) -> RoomWorld {
        var world = RoomWorld(seed: 7, offices: offices, faults: Self.quiet)
        world.heal()
        return world
    }

    private func cut(_ world: inout RoomWorld, _ node: Int) {
        for other in world.nodes.indices where other != node { world.setLine(node, other, up: false, both: true) }
    }

    private func state(_ world: RoomWorld, _ node: Int = 2) -> SharedState { world.nodes[node].store.replica.state }

    private func judge(_ world: inout RoomWorld) {
        world.heal()
        #expect(RoomChecker.faults(in: world) == [])
    }

    @Test("a ban wins over a grant that did not know it, whichever was later")
    func ban() {
        for isFirst in [true, false] {
            var world = world()
            world.submit(.affiliation(of: eve, .member), alice, 0)
            world.heal()
            cut(&world, 1)
            let steps = [(SharedAffiliation.outcast, alice, 0), (.admin, bob, 1)]
            var grant: RecordID?
            for (affiliation, author, node) in isFirst ? steps : steps.reversed() {
                let id = world.submit(.affiliation(of: eve, affiliation), author, node)
                if node == 1 { grant = id }
                world.time += 10_000
            }
            judge(&world)
            #expect(state(world).affiliation(of: eve) == .outcast)
            #expect(world.tells[grant!]?.count == 1)
        }
    }

    @Test("a mere removal that did not know a ban does not undo it")
    func removalAfterBan() {
        var world = world()
        world.submit(.affiliation(of: eve, .member), alice, 0)
        world.heal()
        cut(&world, 1)
        world.submit(.affiliation(of: eve, .outcast), alice, 0)
        world.time += 10_000
        world.submit(.affiliation(of: eve, .none), bob, 1)
        judge(&world)
        #expect(state(world).affiliation(of: eve) == .outcast)
    }

    @Test("who knows a ban may lift it")
    func lifted() {
        var world = world()
        world.submit(.affiliation(of: eve, .outcast), alice, 0)
        world.heal()
        world.submit(.affiliation(of: eve, .member), bob, 1)
        judge(&world)
        #expect(state(world).affiliation(of: eve) == .member)
        #expect(world.tells.isEmpty)
    }

    @Test("two owners who remove each other, or both go: one remains, and the other is told")
    func owners() {
        for isLeaving in [true, false] {
            var world = world()
            cut(&world, 1)
            world.submit(.affiliation(of: isLeaving ? alice : bob, .member), alice, 0)
            world.time += 10_000
            let second = world.submit(.affiliation(of: isLeaving ? bob : alice, .member), bob, 1)
            judge(&world)
            #expect(state(world).owners == [isLeaving ? bob : alice])
            #expect(world.tells[second!]?.count == 1)
            #expect(world.tells.count == 1)
        }
    }

    @Test("the last owner cannot go, and the last office with an owner cannot be removed")
    func lastOwner() {
        var world = world()
        world.submit(.affiliation(of: bob, .none), alice, 0)
        world.heal()
        #expect(world.submit(.affiliation(of: alice, .none), alice, 0) == nil)
        #expect(world.submit(.office(world.offices[0], nil), alice, 0) == nil)
        #expect(world.submit(.office(world.offices[1], nil), alice, 0) != nil)
        judge(&world)
    }

    @Test("an office speaks for its own people alone")
    func impostor() {
        var world = world()
        #expect(world.submit(.affiliation(of: eve, .owner), alice, 2) == nil)
        #expect(world.submit(.affiliation(of: eve, .owner), eve, 2) == nil)
        // And one that does not keep that is not believed.
        for author in [alice, eve] {
            forge(.affiliation(of: eve, .owner), author, 2, &world)
            forge(.office("rooms.evil.example", SharedOffice(label: "E", people: ["evil.example"])), author, 2, &world)
            forge(.destruction, author, 2, &world)
        }
        world.heal()
        for node in 0...1 {
            #expect(state(world, node).affiliation(of: eve) == .none)
            #expect(state(world, node).offices.count == 3)
            #expect(state(world, node).destroyedBy == nil)
        }
    }

    /// A change that an office writes without asking its own copy.
    private func forge(
        _ change: SharedChange, _ author: String, _ node: Int, _ world: inout RoomWorld, stamp: HybridStamp? = nil
    ) {
        let line = RecordLine(run: RecordLine.run(of: world.offices[node], world.random.next()), isChanges: true)
        let record = SharedRecord(
            id: RecordID(line, 1), office: world.offices[node], stamp: stamp ?? HybridStamp(world.time), after: 0,
            author: author,
            content: .change(change, seen: world.nodes[node].store.replica.log.counted))
        for other in world.nodes.indices where other != node {
            var actions: [RoomAction] = []
            world.nodes[other].store.replica.received(
                record, from: world.offices[node], isProven: true, wall: world.wall(other), now: world.now, into: &actions)
            world.perform(actions, other)
        }
    }

    @Test("an office takes no run of another, and no third office passes on what nothing proves")
    func theft() {
        var world = world()
        world.say(0)
        let line = RecordLine(run: RecordLine.run(of: world.offices[0], 99), isChanges: false)
        func take(_ office: String, isProven: Bool) -> [RoomAction] {
            var actions: [RoomAction] = []
            let record = SharedRecord(
                id: RecordID(line, 1), office: office, stamp: HybridStamp(world.time), after: 0, author: alice,
                content: .message(nickname: "a", []))
            world.nodes[1].store.replica.received(
                record, from: world.offices[2], isProven: isProven, wall: world.wall(1), now: world.now, into: &actions)
            return actions
        }
        let id = RecordID(line, 1)
        #expect(take(world.offices[2], isProven: true) == [.note(.refused(id, from: world.offices[2], .malformed))])
        #expect(take(world.offices[0], isProven: false) == [.note(.refused(id, from: world.offices[2], .unproven))])
        #expect(take(world.offices[0], isProven: true).contains { if case .keep = $0 { true } else { false } })
    }

    @Test("a stamp in the far future takes nobody along, and what was changed by it can be changed again")
    func future() {
        var world = world()
        forge(.subject("from the future"), bob, 1, &world, stamp: HybridStamp(world.time + 31_536_000_000))
        #expect(state(world, 0).subject == "from the future")
        world.say(0)
        #expect(world.nodes[0].store.replica.clock.last.milliseconds <= world.time + HybridClock.drift)
        world.submit(.subject("now"), alice, 0)
        #expect(state(world, 0).subject == "now")
        // Numbers without end are no stamps.
        forge(.subject("never"), bob, 1, &world, stamp: HybridStamp(.max))
        #expect(state(world, 0).subject == "now")
    }

    @Test("an office whose clock was a year ahead puts right what it stamped, in every archive")
    func retimed() {
        var world = world()
        world.say(0)
        world.nodes[1].wallOffset = 31_536_000_000
        world.time += 60_000
        world.say(1)
        world.time += 60_000
        world.say(0)
        world.heal()
        func texts(_ node: Int) -> [String] {
            let store = world.nodes[node].store
            return store.rows.values.filter { !$0.id.line.isChanges }
                .sorted { store.replica.place(of: $0) < store.replica.place(of: $1) }
                .compactMap {
                    if case .message(_, let bytes) = $0.content { String(decoding: bytes, as: UTF8.self) } else { nil }
                }
        }
        for node in world.nodes.indices { #expect(texts(node) == ["m0", "m1", "m2"]) }
        #expect(world.notes.contains { if case .clockWasAhead = $0 { true } else { false } })
        #expect(RoomChecker.faults(in: world) == [])
    }

    @Test("a restored office gives no number twice, and gets back what it wrote")
    func restored() {
        var world = world()
        world.nodes[1].backup = world.nodes[1].store
        world.say(1)
        world.heal()
        cut(&world, 1)
        world.restore(1)
        world.say(1)
        judge(&world)
        for node in world.nodes { #expect(node.store.arrivals.count == 2) }
        #expect(world.notes.contains { if case .wentBack = $0 { true } else { false } })
    }

    @Test(
        "what an office wrote is fetched from another while its line is cut, and not sent twice as long as it comes by itself")
    func third() {
        var world = world()
        world.setLine(0, 2, up: false, both: true)
        world.say(0)
        for _ in 0..<5 {
            world.deliver(0, 1)
            if world.lanes[0][1].given == world.lanes[0][1].entries.count { break }
        }
        for _ in 0..<3 {
            for node in world.nodes.indices { world.tick(node) }
            for (one, other) in [(1, 2), (2, 1), (1, 2)] {
                while world.lanes[one][other].given < world.lanes[one][other].entries.count { world.deliver(one, other) }
            }
        }
        #expect(world.nodes[2].store.arrivals.count == 1)
        judge(&world)
    }

    @Test("a message is late where it comes in between, or long after it was said, and not otherwise")
    func late() {
        var world = world()
        cut(&world, 1)
        world.say(1)
        world.time += 20_000
        world.say(0)
        var late: [Bool] = []
        for entry in world.lanes[1][0].entries.dropFirst(world.lanes[1][0].given) {
            guard case .record(let record)? = entry else { continue }
            var actions: [RoomAction] = []
            world.nodes[0].store.replica.received(
                record, from: world.offices[1], isProven: true, wall: world.wall(0), now: world.now, into: &actions)
            late += actions.compactMap { if case .show(_, let isLate) = $0 { isLate } else { nil } }
        }
        #expect(late == [true])
    }

    @Test("an office that may write no more changes than any is refused, and fills nobody's memory")
    func full() {
        var replica = RoomReplica(
            own: "a", founding: SharedFounding(room: "r", offices: [:], owners: []), now: Instant(milliseconds: 0), process: 1)
        replica.changesOfOffice["b"] = (SharedRoomLimits.changes, 0)
        let line = RecordLine(run: RecordLine.run(of: "b", 1), isChanges: true)
        let content = SharedRecord.Content.change(.subject("s"), seen: SeenChanges())
        let record = SharedRecord(
            id: RecordID(line, 1), office: "b", stamp: HybridStamp(0), after: 0, author: "x@b", content: content)
        #expect(replica.isFull(record))
        #expect(SharedRecord(row: record.row) == record)
    }

    @Test("rows are read as they were written")
    func rows() {
        let line = RecordLine(run: RecordLine.run(of: "b", 1), isChanges: true)
        var seen = SeenChanges()
        seen[9] = 4
        seen[3] = 1
        let office = SharedOffice(label: "B", people: ["x.example", "y.example"])
        let changes: [SharedChange] = [
            .affiliation(of: alice, .admin), .subject("ü"), .setting("name", nil), .setting("name", ""), .office("b", office),
            .office("b", nil),
            .retraction(of: RecordID(RecordLine(run: 7, isChanges: false), 3), by: "b"), .destruction, .retiming(run: 7, by: 5),
        ]
        for content in changes.map({ SharedRecord.Content.change($0, seen: seen) }) {
            let record = SharedRecord(
                id: RecordID(line, 2), office: "b", stamp: HybridStamp(5, 6), after: 7, author: alice, content: content)
            #expect(SharedRecord(row: record.row) == record)
        }
        let message = SharedRecord(
            id: RecordID(RecordLine(run: 1, isChanges: false), 1), office: "b", stamp: HybridStamp(5), after: 0, author: alice,
            content: .message(nickname: "p", Array("<body/>".utf8)))
        #expect(SharedRecord(row: message.row) == message)
        #expect(message.digest != 0)
    }
}
