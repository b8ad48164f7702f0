import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSessions
@testable import MartletSite

/// What comes while a session's job is under way waits, and there is never much of it.
@Suite struct SessionsHeldTests {
    typealias Harness = SessionsHarness

    private static func contacts(_ count: Int) -> [String] { (0..<count).map { "contact\($0)@brno.example" } }
    private static func items(_ element: Element?) -> [Element] { element?.first("query", Namespaces.roster)?.elements ?? [] }
    private static let get = "<iq type='get' id='get'><query xmlns='jabber:iq:roster'/></iq>"
    /// What a connection may have on its way to the site.
    private static let onTheWay = 64

    private static func held(_ harness: Harness) -> Int {
        harness.sessions.sessions.ids.reduce(0) { $0 + (harness.sessions.sessions[$1].held?.count ?? 0) }
    }

    private static func goOns(_ harness: Harness, _ client: Harness.Client) -> Int {
        harness.commands[client.connection]?.count { $0 == .goOn } ?? 0
    }

    @Test(
        "RFC 6120 §10.1: whoever says more while presence goes to hundreds is read on when nothing of it waits any more, in order"
    )
    func pipelined() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(300))
        let romeo = harness.bind("romeo", "orchard")
        let all = (0..<200).map { number in
            number.isMultiple(of: 2)
                ? "<presence><status>\(number)</status></presence>" : chat("contact299@brno.example", "\(number)")
        }
        var (next, most, seen) = (0, 0, -1)
        for _ in 0..<20_000 where next < all.count || Self.held(harness) > 0 {
            let goOns = Self.goOns(harness, romeo)
            if goOns > seen {
                // The connection takes as much as it may before it hears that it has to wait again.
                seen = goOns
                for xml in all[next..<min(next + Self.onTheWay, all.count)] { harness.send(romeo, xml) }
                next = min(next + Self.onTheWay, all.count)
                most = max(most, Self.held(harness))
            }
            harness.pass(1)
            most = max(most, Self.held(harness))
        }
        harness.pass(1000)
        #expect(next == all.count)
        #expect(most > 0 && most <= Self.onTheWay)
        let toLast = harness.takeRemote().filter { $0.to?.localpart == "contact299" && $0.type != "probe" }
        let said = toLast.map {
            $0.payload("status", Namespaces.client)?.text ?? $0.payload("body", Namespaces.client)?.text ?? ""
        }
        #expect(said == (0..<200).map(String.init))
        #expect(harness.commands[romeo.connection]?.last == .goOn)
    }

    @Test("what has waited is done in turns of its own, however many hear each")
    func turns() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(300))
        let resources = (0..<20).map { harness.login("juliet", "r\($0)") }
        let romeo = harness.bind("romeo", "orchard")
        for resource in resources { _ = harness.take(resource) }
        harness.send(romeo, "<presence/>" + (0..<63).map { chat("juliet@pilsen.example", "\($0)") }.joined())
        #expect(Self.held(harness) == 63)
        // The harness records a turn that is longer than it may be.
        harness.pass(1000)
        for resource in resources { #expect(harness.takeBodies(resource) == (0..<63).map(String.init)) }
    }

    @Test("what waits is in the site's account of memory")
    func memory() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(300))
        let romeo = harness.bind("romeo", "orchard")
        let party = Party.account(harness.number("romeo"))
        harness.send(romeo, "<presence/>")
        let before = harness.memory.bytes(of: party)
        harness.send(romeo, chat("contact1@brno.example", String(repeating: "x", count: 100_000)))
        #expect(harness.memory.bytes(of: party) > before + 90_000)
        harness.pass(1000)
        #expect(harness.memory.bytes(of: party) < before + SessionLimits.bookingStep)
    }

    @Test("RFC 6120 §4.4: a session that could be resumed and has said good-bye while it was held has said what it said")
    func goodBye() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1000))
        let romeo = harness.bind("romeo", "orchard")
        _ = harness.enable(romeo)
        let juliet = harness.login("juliet", "balcony")
        harness.send(romeo, Self.get + chat("juliet@pilsen.example", "farewell"))
        harness.logout(romeo)
        harness.lose(romeo)
        harness.pass(500)
        #expect(harness.takeBodies(juliet) == ["farewell"])
        #expect(harness.sessions.sessionCount == 1)
    }

    @Test("whoever comes back under the same name before it is done takes nothing from what was said")
    func conflict() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1000))
        let romeo = harness.bind("romeo", "orchard")
        let juliet = harness.login("juliet", "balcony")
        harness.send(romeo, Self.get + chat("juliet@pilsen.example", "farewell"))
        harness.lose(romeo)
        let again = harness.bind("romeo", "orchard")
        #expect(again.jid.resourcepart == "orchard")
        harness.pass(500)
        #expect(harness.takeBodies(juliet) == ["farewell"])
        #expect(harness.sessions.sessionCount == 2)
    }

    @Test("XEP-0198 §4: another password is not counted before what was said before it", arguments: [true, false])
    func password(isLost: Bool) {
        var harness = Harness()
        harness.policy.client.allowsRegistration = true
        harness.subscribe("romeo", to: Self.contacts(1000))
        var romeo = harness.bind("romeo", "orchard")
        romeo.token = harness.enable(romeo)
        let juliet = harness.login("juliet", "balcony")
        let change =
            "<iq type='set' id='p' to='pilsen.example'><query xmlns='jabber:iq:register'><username>romeo</username>"
            + "<password>other</password></query></iq>"
        harness.send(romeo, Self.get + chat("juliet@pilsen.example", "before") + change)
        if isLost {
            harness.lose(romeo)
            romeo = harness.resume(romeo, h: 0)
            #expect(harness.take(romeo).first { $0.name == "resumed" }?["h"] == "1")
        } else {
            harness.pass(500)
            #expect(harness.takeBodies(juliet) == ["before"])
            #expect(harness.take(romeo).contains { $0["id"] == "p" && $0["type"] == "result" })
            #expect(harness.commands[romeo.connection]?.contains(.registrationHandled) == true)
        }
    }

    @Test("who asks on many sessions before the first answer is written has as many large ones unread as otherwise")
    func manyAsk() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1500))
        let clients = (0..<8).map { harness.bind("romeo", "r\($0)") }
        for client in clients { harness.send(client, Self.get) }
        harness.pass(2000)
        let answers = clients.map { harness.take($0).first { $0["id"] == "get" } }
        #expect(answers.count { Self.items($0).count == 1500 } == SessionLimits.largeAnswers)
        #expect(answers.count { $0?.condition == "resource-constraint" } == 8 - SessionLimits.largeAnswers)
    }

    @Test("contacts who hear nothing count in a slice too")
    func visits() {
        var harness = Harness()
        harness.step { _, turn in
            guard let account = AddressTable.number(of: Harness.account("romeo"), in: turn.store) else { return }
            for contact in Self.contacts(3000).compactMap({ try? JID($0) }) {
                let number = AddressTable.makeNumber(of: contact, in: turn.store)
                let domain = AddressTable.makeNumber(of: contact.domain, in: turn.store)
                RosterTable.put(account, number, domain: domain, RosterRow(), in: turn.store)
            }
        }
        let romeo = harness.bind("romeo", "orchard")
        harness.send(romeo, "<presence/>")
        harness.pass(SessionLimits.jobPause - 1)
        #expect(harness.commands[romeo.connection]?.last == .hold)
        harness.pass(50)
        #expect(harness.commands[romeo.connection]?.last == .goOn)
    }

    @Test("XEP-0198 §3: a mailbox goes on where stream management is enabled while it waits for what is not counted any more")
    func lateEnable() {
        var harness = Harness()
        harness.policy.client.unacknowledgedBytes = 50_000
        harness.subscribe("juliet", to: Self.contacts(1500))
        let romeo = harness.login("romeo", "orchard")
        for number in 0..<3 { harness.send(romeo, chat("juliet@pilsen.example", "\(number)")) }
        let juliet = harness.bind("juliet", "balcony")
        harness.send(juliet, Self.get)
        harness.pass(500)
        harness.send(juliet, "<presence/>")
        harness.pass(500)
        #expect(harness.takeBodies(juliet).isEmpty)
        harness.send(juliet, "<enable xmlns='urn:xmpp:sm:3'/>")
        harness.pass(500)
        #expect(harness.takeBodies(juliet) == ["0", "1", "2"])
    }

    @Test(
        "a large answer that was given up for want of memory, or sent again and read, keeps nobody from the next",
        arguments: [true, false])
    func largeAnswer(isGivenUp: Bool) {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1500))
        var romeo = harness.bind("romeo", "orchard")
        romeo.token = harness.enable(romeo)
        harness.send(romeo, Self.get)
        harness.pass(500)
        #expect(harness.take(romeo).contains { Self.items($0).count == 1500 })
        harness.lose(romeo)
        let ceiling = harness.policy.limits.memoryCeiling
        if isGivenUp { harness.policy.limits.memoryCeiling = 1 }
        harness.handle(.tick)
        harness.policy.limits.memoryCeiling = ceiling
        romeo = harness.resume(romeo, h: 0)
        #expect(harness.take(romeo).contains { Self.items($0).count == 1500 } == !isGivenUp)
        if !isGivenUp {
            harness.send(romeo, Self.get)
            harness.pass(500)
            #expect(harness.take(romeo).compactMap(\.condition) == ["resource-constraint"])
            harness.acknowledge(romeo, 2)
        }
        harness.send(romeo, Self.get)
        harness.pass(500)
        #expect(harness.take(romeo).contains { Self.items($0).count == 1500 })
    }
}

/// People elsewhere of whom nobody is there any more, a resource at a time.
@Suite struct SessionsGoneTests {
    typealias Harness = SessionsHarness

    private static let gone = "<presence type='unavailable' from='x@evil.example' to='juliet@pilsen.example'/>"

    private static func available(_ resource: Int, _ to: String = "juliet") -> String {
        "<presence from='x@evil.example/r\(resource)' to='\(to)@pilsen.example'/>"
    }

    /// Juliet, who sees three hundred resources of somebody elsewhere.
    private static func harness() -> (Harness, Harness.Client) {
        var harness = Harness()
        let juliet = harness.login("juliet", "balcony")
        for number in 0..<300 { harness.receive(available(number)) }
        harness.pass(10)
        _ = harness.take(juliet)
        return (harness, juliet)
    }

    @Test(
        "a server that says again and again that somebody is gone has that done once, pays for it, and keeps nobody from anything"
    )
    func repeated() {
        var (harness, juliet) = Self.harness()
        for _ in 0..<100 { harness.receive(Self.gone) }
        let number = harness.number("juliet")
        #expect(harness.sessions.jobs.count(of: number) == 0)
        #expect(harness.sessions.jobs.count(in: Jobs.Queue(account: number, isOfOthers: true)) == 1)
        // Neither she nor another of her devices waits for it.
        harness.send(juliet, "<presence><show>away</show></presence>")
        #expect(harness.commands[juliet.connection]?.contains(.hold) != true)
        #expect(harness.bind("juliet", "other").jid.resourcepart == "other")
        let evil = JID(preparedLocalpart: nil, preparedDomainpart: "evil.example", preparedResourcepart: nil)
        #expect(!harness.site.karma.knows(.peer(evil)))
        harness.pass(100)
        #expect(harness.site.karma.knows(.peer(evil)))
        let told = harness.take(juliet).filter { $0["type"] == "unavailable" }.compactMap { $0["from"] }
        #expect(told.count == 300)
        #expect(Set(told).count == 300)
    }

    @Test("who is back before everybody was told is not gone")
    func back() {
        var (harness, juliet) = Self.harness()
        harness.receive(Self.gone + Self.available(99))
        harness.pass(100)
        let last = harness.take(juliet).last { $0["from"] == "x@evil.example/r99" }
        #expect(last != nil && last?["type"] == nil)
        #expect(
            harness.sessions.online.place(of: Harness.account("juliet")).map { harness.sessions.online[$0].seen.count } == 1)
    }

    @Test("what was to be told to an account that is not there any more is not told to another in its place")
    func place() {
        var (harness, juliet) = Self.harness()
        harness.receive(Self.gone)
        let before = harness.sessions.online.place(of: Harness.account("juliet"))
        harness.logout(juliet)
        let romeo = harness.login("romeo", "orchard")
        #expect(harness.sessions.online.place(of: Harness.account("romeo")) == before)
        // As many as one slice has left over.
        for number in 0..<10 { harness.receive(Self.available(number, "romeo")) }
        harness.pass(100)
        let told = harness.take(romeo)
        #expect(told.count == 10)
        #expect(told.allSatisfy { $0["type"] == nil })
    }
}
