import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletSessions

/// What waits for sessions is bounded in bytes, in memory and on its way, and costs nobody but who sends it.
@Suite("Memory of sessions") struct SessionsMemoryTests {
    private static let large = String(repeating: "x", count: 100_000)

    private static func headline(_ text: String) -> String {
        "<message type='headline' to='juliet@pilsen.example'><body>\(text)</body></message>"
    }

    private func outbox(of site: SessionsHarness) -> Outbox? {
        site.sessions.sessions.ids.first { site.sessions.sessions[$0].jid.localpart == "juliet" }.map {
            site.sessions.sessions[$0].outbox
        }
    }

    @Test(
        "what waits for a session that is away is bounded in bytes: senders are told, the session stays, and learns what it missed"
    )
    func detached() throws {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        site.subscribe("juliet", to: ["romeo@pilsen.example", "x@brno.example"])
        let juliet = site.loginResumable("juliet", "balcony")
        site.acknowledge(juliet, UInt32(1 + site.take(juliet).count))
        site.lose(juliet)
        for _ in 0..<50 {
            site.send(romeo, Self.headline(Self.large))
            site.send(
                romeo, "<iq type='get' id='q' to='juliet@pilsen.example/balcony'><x xmlns='y'>\(Self.large)</x></iq>")
        }
        let held = try #require(outbox(of: site)?.volatileMemory)
        #expect(held <= SessionLimits.detachedBytes / 2 + 110_000)
        #expect(site.take(romeo).filter { $0.condition == "resource-constraint" }.count > 80)
        #expect(site.memory.total >= held - SessionLimits.bookingStep)
        // What is worth nothing tomorrow does not take the room of what she has asked for.
        for number in 0..<30 {
            site.receive(
                "<presence from='x@brno.example/\(number)' to='juliet@pilsen.example'><status>\(Self.large)</status></presence>"
            )
        }
        #expect(try #require(outbox(of: site)?.volatileMemory) == held)
        _ = site.takeRemote()
        let again = site.resume(juliet, h: UInt32(try #require(outbox(of: site)?.acknowledged)))
        #expect(site.take(again).first?.name == "resumed")
        #expect(site.takeRemote().filter { $0.presenceType == .probe }.isEmpty, "she reads what was kept first")
        site.acknowledge(again, UInt32(try #require(outbox(of: site)?.last)))
        #expect(site.takeRemote().filter { $0.presenceType == .probe }.map(\.to) == [try JID("x@brno.example")])
        #expect(site.take(again).contains { $0.name == "presence" && $0["from"] == "romeo@pilsen.example/orchard" })
    }

    @Test("messages for a session that is away take no memory but their places: they wait in the mailbox")
    func messages() throws {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        site.lose(juliet)
        for number in 0..<100 { site.send(romeo, chat("juliet@pilsen.example", "\(number)\(Self.large)")) }
        #expect(try #require(outbox(of: site)?.memory) < 100 * 256)
        let again = site.resume(juliet, h: 1)
        var count = 0
        var handled: UInt32 = 1
        while true {
            let bodies = site.takeBodies(again)
            if bodies.isEmpty { break }
            #expect(bodies.reduce(0) { $0 + $1.utf8.count } <= site.policy.client.unacknowledgedBytes + 110_000)
            count += bodies.count
            handled += UInt32(bodies.count)
            site.acknowledge(again, handled)
        }
        #expect(count == 100)
        #expect(site.memory.total == 0)
    }

    @Test("whoever is there gets no more bytes on the way than the window, and the rest when it acknowledges")
    func window() throws {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        for _ in 0..<30 { site.send(romeo, Self.headline(Self.large)) }
        let first = site.take(juliet).filter { $0.name == "message" }.count
        #expect(first == site.policy.client.unacknowledgedBytes / 100_000 + 1)
        site.acknowledge(juliet, UInt32(1 + first))
        #expect(site.take(juliet).filter { $0.name == "message" }.count == first)
        #expect(site.take(romeo).isEmpty)
    }

    @Test("RFC 6121 §3.1.3: a thousand waiting subscription requests throw no client with stream management out")
    func subscriptionRequests() {
        var site = SessionsHarness()
        site.policy.client.unacknowledgedStanzas = 100
        for number in 0..<1000 {
            let domain = "s\(number % 25).example"
            site.receive("<presence from='x\(number)@\(domain)' to='juliet@pilsen.example' type='subscribe'/>")
        }
        let juliet = site.bind("juliet", "balcony")
        _ = site.enable(juliet)
        site.send(juliet, "<presence/>")
        var handled: UInt32 = 0
        var requests = 0
        while true {
            let got = site.take(juliet)
            if got.isEmpty { break }
            requests += got.count { $0["type"] == "subscribe" }
            handled += UInt32(got.count)
            site.acknowledge(juliet, handled)
        }
        #expect(requests > 950 && requests == site.store.count(.pendingSubscription))
        #expect(site.closed[juliet.connection] == nil)
    }

    @Test("at the ceiling of the process a session that is away gives up what can be told anew, the one that holds most")
    func ceiling() throws {
        var site = SessionsHarness(users: ["romeo", "juliet", "nurse"])
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        let nurse = site.loginResumable("nurse", "kitchen")
        site.lose(juliet)
        site.lose(nurse)
        for _ in 0..<4 { site.send(romeo, Self.headline(Self.large)) }
        site.send(romeo, "<message type='headline' to='nurse@pilsen.example'><body>\(Self.large)</body></message>")
        site.send(romeo, chat("juliet@pilsen.example", "kept"))
        site.policy.limits.memoryCeiling = 300_000
        site.send(romeo, chat("nurse@pilsen.example", "kept"))
        #expect(outbox(of: site)?.volatileMemory == 0)
        #expect(site.memory.total < 300_000 && site.memory.total > 90_000, "who holds little keeps it")
        #expect(site.takeBodies(site.resume(juliet, h: 1)) == ["kept"])
        let again = site.resume(nurse, h: 1)
        #expect(site.takeBodies(again).map(\.count) == [100_000, 4])
    }

    @Test("a client that asks for more than it reads loses its connection and can resume")
    func answers() {
        var site = SessionsHarness()
        let juliet = site.loginResumable("juliet", "balcony")
        site.send(
            juliet,
            "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='a@b.example'>"
                + (0..<14).map { "<group>\($0)\(String(repeating: "g", count: 500))</group>" }.joined() + "</item></query></iq>"
        )
        var asked = 0
        while site.closed[juliet.connection] == nil, asked < 5000 {
            site.send(juliet, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
            asked += 1
        }
        #expect(site.closed[juliet.connection]??.condition == .resourceConstraint)
        #expect(asked * 7000 < SessionLimits.connectedBytes + (1 << 20))
        #expect(site.take(site.resume(juliet, h: 1)).first?.name == "resumed")
    }

    @Test("a session that ends leaves nothing on the account of memory")
    func ledger() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        site.lose(juliet)
        for _ in 0..<4 { site.send(romeo, Self.headline(Self.large)) }
        #expect(site.memory.total > 300_000)
        site.pass(site.policy.client.resumptionTimeout)
        #expect(site.memory.total == 0)
    }

    @Test("what waited to be sent when stream management was enabled is sent, and not taken for acknowledged")
    func enabledWhileCatchingUp() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        for number in 0..<250 { site.send(romeo, chat("juliet@pilsen.example", String(number))) }
        let juliet = site.bind("juliet", "balcony")
        site.send(juliet, "<presence/>")
        site.send(romeo, chat("juliet@pilsen.example", "250"))
        var bodies = site.takeBodies(juliet)
        _ = site.enable(juliet)
        var handled: UInt32 = 0
        site.acknowledge(juliet, handled)
        while true {
            let got = site.take(juliet)
            if got.isEmpty { break }
            bodies += got.compactMap(\.body)
            handled += UInt32(got.count)
            site.acknowledge(juliet, handled)
        }
        #expect(bodies == (0...250).map(String.init))
        site.flush()
        #expect(site.store.count(.mailbox) == 0)
        #expect(site.store.count(.clientSlot) == 0)
    }
}
