import MartletBus
import MartletPrimitives
import MartletSite
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What a site writes where there is little room: its reserve is one at any rate, and a full disk ends nothing.
@Suite struct StoreRoomTests {
    private static let limits = LimitsPolicy()

    @Test(
        "each kind of write is admitted down to its own depth: what stays to the reserve, what goes to the floor, upkeep to the last pages"
    )
    func depths() {
        let admitted = WriteKind.allCases.map { kind in
            [DiskRoom.ample, .reserve, .none, .exhausted].map { $0.admits(kind) }
        }
        #expect(
            admitted == [
                [true, true, true, false], [true, true, false, false], [true, true, false, false], [true, false, false, false],
                [true, false, false, false], [true, false, false, false],
            ])
        let free = [Self.limits.diskReserve, Self.limits.diskFloor, Self.limits.diskBottom]
        #expect(
            free.flatMap { [DiskRoom(freeBytes: $0, Self.limits), DiskRoom(freeBytes: $0 - 1, Self.limits)] }
                == [.ample, .reserve, .reserve, .none, .none, .exhausted])
    }

    /// A site on a disk of its own, at which it looks when it is told to.
    private final class Disk {
        let store = MemoryStore()
        var site: SiteHarness
        /// Bytes that others have on it.
        var others = 0

        init(free: Int64) {
            site = SiteHarness(users: ["alice", "carol", "dave"], store: store)
            store.capacity = store.bytes + Int(free)
        }

        var free: Int64 { Int64(store.capacity - store.bytes) }

        func look() { site.handle(.diskSampled(freeBytes: free)) }
    }

    private func body(_ size: Int) -> String { String(repeating: "x", count: size) }

    private func conditions(_ elements: [Element]) -> [String] {
        elements.compactMap { $0.first("error", Namespaces.client)?.elements.first?.name }
    }

    @Test("no rate passes the reserve between two looks: what was written since the last one is counted")
    func rate() {
        let disk = Disk(free: Self.limits.diskReserve + (8 << 20))
        let alice = disk.site.login("alice")
        disk.look()
        let before = disk.store.bytes
        // Nobody looks again, however much is written: 32 MiB for somebody who is away.
        for number in 0..<512 {
            disk.site.send(
                "<message to='carol@pilsen.example' id='\(number)'><body>\(body(64 << 10))</body></message>", on: alice)
        }
        let written = disk.store.bytes - before
        #expect(written <= 8 << 20, "the reserve was passed by \(written - 8 << 20) bytes")
        #expect(written > 1 << 20, "much less than there was room for was taken over: \(written)")
        #expect(conditions(disk.site.take(alice)).contains("resource-constraint"))
        // The count is on the safe side: a look finds what was not used after all.
        disk.look()
        disk.site.send("<message to='carol@pilsen.example' id='more'><body>more</body></message>", on: alice)
        #expect(conditions(disk.site.take(alice)) == [])
    }

    @Test("below the reserve the site asks for looks as often as half of what is left may be gone")
    func looks() {
        let disk = Disk(free: Self.limits.diskReserve - (1 << 20))
        let alice = disk.site.login("alice")
        disk.look()
        #expect(!disk.site.driver.wantsLook)
        disk.site.handle(.diskSampled(freeBytes: Self.limits.diskFloor + (1 << 20)))
        for number in 0..<40 {
            disk.site.send("<message to='carol@pilsen.example' id='\(number)'><body>x</body></message>", on: alice)
            disk.site.send("<presence type='unsubscribe' to='x\(number)@brno.example'/>", on: alice)
        }
        #expect(disk.site.driver.wantsLook)
    }

    @Test(
        "below the reserve neither messages for who is away, nor rosters, subscriptions, accounts, passwords, nor errors that clients and peers invent fill the disk",
        arguments: [false, true])
    func flood(belowFloor: Bool) throws {
        let limits = Self.limits
        let free = belowFloor ? limits.diskFloor - 1 : limits.diskReserve - 1
        let disk = Disk(free: free)
        let alice = disk.site.login("alice")
        disk.look()
        let before = disk.store.bytes
        for number in 0..<1500 {
            for xml in [
                "<message to='carol@pilsen.example' id='a\(number)'><body>\(body(2000))</body></message>",
                "<message to='bob@brno.example' id='b\(number)'><body>\(body(2000))</body></message>",
                "<message to='bob@brno.example' type='error' id='c\(number)'><body>\(body(2000))</body></message>",
                "<iq type='set' id='d\(number)'><query xmlns='jabber:iq:roster'><item jid='x\(number)@brno.example'/></query></iq>",
                "<presence type='subscribe' to='y\(number)@brno.example'/>",
                "<presence type='subscribe' to='carol@pilsen.example'><status>\(body(2000))</status></presence>",
            ] {
                disk.site.send(xml, on: alice)
            }
            let peer = try JID("z\(number)@brno.example")
            for stanza in [
                Stanza(.presence, from: peer, to: SiteHarness.account("carol"), type: "subscribe"),
                Stanza(
                    .message, from: peer, to: SiteHarness.account("carol"), type: "error",
                    payloads: [Element("body", Namespaces.client, text: body(2000))]),
            ] {
                disk.site.receive(stanza)
            }
            if number % 100 == 0 { disk.look() }
        }
        let written = disk.store.bytes - before
        #expect(written < 2 << 20, "\(written) bytes were written by 12,000 stanzas")
        disk.site.pass(60_000)
        let got = disk.site.take(alice)
        #expect(got.count { $0.name == "message" && $0["type"] == "error" } > 100, "the first ones are answered one by one")
        let words = got.compactMap { $0["type"] == "normal" ? $0.first("body", Namespaces.client)?.text : nil }
        if !belowFloor { #expect(words.contains { $0.contains("more of your messages") }, "\(words)") }
    }

    @Test("when thousands expire their sender gets 200 errors and one message that counts the others, also after a crash")
    func merged() throws {
        let store = MemoryStore()
        var site = SiteHarness(store: store)
        var alice = site.login("alice")
        for number in 0..<1000 {
            site.send("<message to='bob@brno.example' id='\(number)' type='chat'><body>x</body></message>", on: alice)
        }
        site.dialFails()
        site.now += 6 * 86_400_000
        site.pass(5000)
        #expect(site.take(alice).count { $0["type"] == "error" } == 200)
        site.restart(store)
        alice = site.login("alice")
        site.pass(60_000)
        let words = site.take(alice).compactMap { $0["type"] == "normal" ? $0.first("body", Namespaces.client)?.text : nil }
            .filter { $0.contains(" more of ") }
        #expect(words.count == 1)
        #expect(words.first?.hasPrefix("800 more of your messages to brno.example came back since") == true, "\(words)")
        #expect(words.first?.contains("Not delivered within its lifetime") == true)
        #expect(store.count(.untold) == 0)
    }

    @Test("a domain that is no office gets 2,000 errors at once whatever names it invents, and words for a hundred of them")
    func inventedNames() throws {
        let store = MemoryStore()
        var site = SiteHarness(store: store)
        let bob = try JID("bob@evil.example")
        // Somebody here has written to them: they are no strangers.
        site.send("<message to='\(bob)' id='1'><body>x</body></message>", on: site.login("alice"))
        for number in 0..<3000 {
            site.receive(
                Stanza(
                    .message, from: try JID("z\(number)@evil.example"), to: try JID("nobody\(number)@pilsen.example"),
                    id: "\(number)", type: "chat", payloads: [Element("body", Namespaces.client, text: "x")]))
        }
        #expect(store.count(.entry) <= 2001, "\(store.count(.entry)) errors wait for a domain")
        #expect(store.count(.untold) == 100)
        site.pass(60_000)
        #expect(store.count(.entry) <= 2101 + 20)
        #expect(store.count(.untold) == 0)
        // Nobody else gets less for it.
        site.receive(
            Stanza(
                .message, from: try JID("somebody@brno.example"), to: try JID("nobody@pilsen.example"), id: "b", type: "chat",
                payloads: [Element("body", Namespaces.client, text: "x")]))
        #expect(store.count(.untold) == 0)
    }

    @Test(
        "below the floor errors are counted for our people and offices, in a thousand rows at most, and for nobody else",
        arguments: [("brno.example", 1000), ("stranger.example", 0)])
    func untoldBelowFloor(domain: String, rows: Int) throws {
        let disk = Disk(free: Self.limits.diskFloor - 1)
        disk.look()
        for number in 0..<1100 {
            disk.site.receive(
                Stanza(
                    .message, from: try JID("bob\(number)@\(domain)"), to: try JID("nobody@pilsen.example"), id: "\(number)",
                    type: "chat", payloads: [Element("body", Namespaces.client, text: "x")]))
        }
        #expect(disk.store.count(.untold) == rows)
    }

    @Test("a file that cannot grow takes short values only, and the operator is told")
    func growth() {
        let disk = Disk(free: 1 << 40)
        let alice = disk.site.login("alice")
        disk.site.handle(.diskSampled(freeBytes: 1 << 40, growth: 4096))
        let told = disk.site.takeEffects().contains { if case .note(.diskReserveReached(4096)) = $0 { true } else { false } }
        #expect(told)
        #expect(disk.site.driver.isShortOfRoom)
        for (id, size) in [("short", 100), ("long", 5000)] {
            disk.site.send("<message to='carol@pilsen.example' id='\(id)'><body>\(body(size))</body></message>", on: alice)
        }
        #expect(disk.site.take(alice).compactMap { $0["type"] == "error" ? $0["id"] : nil } == ["long"])
    }

    @Test(
        "what was admitted before a look that finds a full disk is committed before its effects leave; the look begins the next batch"
    )
    func lookInABatch() throws {
        let disk = Disk(free: 1 << 40)
        let alice = disk.site.login("alice")
        disk.site.pass(200)
        let commits = disk.store.commits
        let stanza = Stanza(
            .message, from: SiteHarness.account("alice"), to: SiteHarness.account("carol"), id: "m",
            payloads: [Element("body", Namespaces.client, text: "x")])
        var events: [SiteEvent] = [
            .diskSampled(freeBytes: 1 << 40), .client(alice, .stanza(stanza)), .diskSampled(freeBytes: 0),
        ]
        let wall = WallTime(milliseconds: 1_700_000_000_000 + disk.site.now)
        _ = try disk.site.driver.handle(&events, monotonic: disk.site.now, wall: wall)
        #expect(events.count == 1)
        #expect(disk.store.commits == commits + 1)
        _ = try disk.site.driver.handle(&events, monotonic: disk.site.now, wall: wall)
        #expect(events.isEmpty)
        disk.site.restart(disk.store)
        #expect(disk.site.take(disk.site.login("carol")).contains { $0["id"] == "m" })
    }

    @Test("of what waits for a commit on a full disk the oldest acknowledgements give way, the ends of streams do not")
    func heldCloses() {
        let disk = Disk(free: 1 << 40)
        let (alice, carol) = (disk.site.login("alice"), disk.site.login("carol"))
        disk.site.send("<enable xmlns='urn:xmpp:sm:3'/>", on: alice)
        _ = disk.site.takeEffects()
        disk.site.handle(.diskSampled(freeBytes: 0, growth: 0))
        disk.site.handle(.client(carol, .streamEnded))
        for _ in 0..<5000 { disk.site.send("<r xmlns='urn:xmpp:sm:3'/>", on: alice) }
        func closes(_ effects: [Effect]) -> Bool {
            effects.contains { if case .stream(carol, .close(nil)) = $0 { true } else { false } }
        }
        #expect(!closes(disk.site.takeEffects()), "it was closed before it was settled: this shows nothing")
        disk.site.handle(.diskSampled(freeBytes: 1 << 40))
        disk.site.pass(200)
        #expect(closes(disk.site.takeEffects()))
    }

    @Test(
        "on a disk that is full to the last page a site starts, serves what needs no room, acknowledges nothing, and goes on when there is room"
    )
    func full() {
        let store = MemoryStore()
        var site = SiteHarness(store: store)
        site.send("<message to='carol@pilsen.example' id='old'><body>kept</body></message>", on: site.login("alice"))
        site.pass(200)
        store.capacity = 0
        site.restart(store, look: StoreRoom.Look(freeBytes: 0, growth: 0))
        let (alice, carol) = (site.login("alice"), site.login("carol"))
        #expect(site.take(carol).contains { $0.first("body", Namespaces.client)?.text == "kept" })
        site.send("<message to='carol@pilsen.example/desk' id='1'><body>here</body></message>", on: alice)
        #expect(site.take(carol).contains { $0.first("body", Namespaces.client)?.text == "here" })
        site.send("<message to='dave@pilsen.example' id='2'><body>away</body></message>", on: alice)
        site.send("<message to='bob@brno.example' id='3'><body>away</body></message>", on: alice)
        site.send("<iq type='set' id='4'><query xmlns='jabber:iq:roster'><item jid='x@brno.example'/></query></iq>", on: alice)
        site.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>", on: alice)
        let answers = site.take(alice)
        #expect(answers.contains { $0.name == "failed" })
        let refused = conditions(answers)
        #expect(refused == ["service-unavailable", "resource-constraint", "resource-constraint"])
        site.pass(60_000)
        let commits = store.commits
        store.capacity = .max
        site.handle(.diskSampled(freeBytes: 1 << 40))
        site.pass(200)
        #expect(store.commits > commits)
        site.send("<message to='bob@brno.example' id='5'><body>away</body></message>", on: alice)
        #expect(conditions(site.take(alice)) == [])
        #expect(store.count(.entry) == 1)
    }
}
