import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletSessions

/// Mailboxes and lists that many write to are bounded in bytes, and nobody fills one alone.
@Suite("Shares of mailboxes and lists") struct SessionsPortionsTests {
    private static let large = String(repeating: "x", count: 100_000)

    private func bytes(of site: SessionsHarness) -> Int { site.sessions.mailboxes.values.reduce(0) { $0 + $1.total.bytes } }

    @Test("RFC 6121 §8.5.2.2.1: a mailbox is bounded in bytes; who fills his share is told, and others still reach it")
    func mailboxBytes() {
        var site = SessionsHarness(users: ["romeo", "juliet", "nurse"])
        site.policy.limits.mailboxBytes = 2_000_000
        let romeo = site.login("romeo", "orchard")
        let nurse = site.login("nurse", "kitchen")
        for number in 0..<30 { site.send(romeo, chat("juliet@pilsen.example", "\(number)\(Self.large)")) }
        #expect(site.waiting("juliet") == 10, "half of it")
        #expect(site.take(romeo).map(\.condition) == Array(repeating: "service-unavailable", count: 20))
        site.send(nurse, chat("juliet@pilsen.example", Self.large))
        #expect(site.take(nurse).isEmpty)
        #expect(site.waiting("juliet") == 11)
        let juliet = site.bind("juliet", "balcony")
        _ = site.enable(juliet)
        site.send(juliet, "<presence/>")
        var handled: UInt32 = 0
        for _ in 0..<12 {
            handled += UInt32(site.take(juliet).count)
            site.acknowledge(juliet, handled)
        }
        #expect(site.waiting("juliet") == 0)
        #expect(bytes(of: site) == 0)
        site.send(romeo, chat("juliet@pilsen.example", Self.large))
        #expect(site.take(romeo).isEmpty, "what was read is no share of anybody's")
    }

    @Test("another server has one share of a mailbox, whomever it names as sender; people of an office have one each")
    func mailboxOfPeers() throws {
        var site = SessionsHarness()
        site.policy.limits.mailboxMessages = 100
        for number in 0..<100 {
            site.receive("<message from='x\(number)@evil.example/r' to='juliet@pilsen.example'><body>x</body></message>")
        }
        #expect(site.waiting("juliet") == 50)
        site.policy.federation.knownPeers = [try JID("brno.example")]
        for number in 0..<20 {
            site.receive("<message from='x\(number)@brno.example/r' to='juliet@pilsen.example'><body>x</body></message>")
        }
        #expect(site.waiting("juliet") == 70)
    }

    @Test("after a restart a mailbox is as full as before")
    func mailboxAfterRestart() {
        var site = SessionsHarness(users: ["romeo", "juliet", "nurse"])
        site.policy.limits.mailboxMessages = 20
        var romeo = site.login("romeo", "orchard")
        for number in 0..<20 { site.send(romeo, chat("juliet@pilsen.example", String(number))) }
        #expect(site.waiting("juliet") == 10)
        site.flush()
        site.crash()
        romeo = site.login("romeo", "orchard")
        site.send(romeo, chat("juliet@pilsen.example", "again"))
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable"])
        let nurse = site.login("nurse", "kitchen")
        site.send(nurse, chat("juliet@pilsen.example", "1"))
        #expect(site.take(nurse).isEmpty)
    }

    @Test("what a room says to an occupant who is away counts for the mailbox, too")
    func groupchat() {
        var site = SessionsHarness()
        site.policy.limits.mailboxMessages = 20
        let juliet = site.loginResumable("juliet", "balcony")
        site.lose(juliet)
        for number in 0..<30 {
            site.receive(
                "<message type='groupchat' id='\(number)' from='room@evil.example/x' to='juliet@pilsen.example/balcony'>"
                    + "<body>\(number)</body></message>")
        }
        #expect(site.store.count(.mailbox) == 10)
        #expect(site.takeRemote().count { $0.type == "error" } == 20)
    }

    // Subscription requests

    private static func request(_ from: String, _ payload: String, id: String = "s") -> String {
        "<presence from='\(from)' to='juliet@pilsen.example' type='subscribe' id='\(id)'>\(payload)</presence>"
    }

    @Test("RFC 6121 §3.1.3: of a subscription request who asks is kept, his name and a few words; not half a megabyte")
    func shortRequest() throws {
        var site = SessionsHarness()
        let nick = "<nick xmlns='http://jabber.org/protocol/nick'>Benvolio</nick>"
        let status = "<status>It is me. \(String(repeating: "ž", count: 60_000))</status>"
        site.receive(Self.request("b@brno.example", nick + "<x xmlns='urn:x'>\(Self.large)</x>" + status))
        var sizes: [Int] = []
        site.step { _, turn in
            turn.store.forEach(.pendingSubscription, prefix: []) { _, value in
                sizes.append(value.count)
                return true
            }
        }
        #expect(sizes.count == 1 && sizes[0] < 2500)
        let juliet = site.login("juliet", "balcony")
        _ = site.take(juliet)
        let again = site.bind("juliet", "chamber")
        site.send(again, "<presence/>")
        let request = try #require(site.take(again).first { $0["type"] == "subscribe" })
        #expect(request["from"] == "b@brno.example")
        #expect(request.first("nick", "http://jabber.org/protocol/nick")?.text == "Benvolio")
        #expect(request.first("status", Namespaces.client)?.text.hasPrefix("It is me. ž") == true)
        #expect(request.first("x", "urn:x") == nil)
    }

    @Test("a small request is kept as it came")
    func smallRequest() {
        var site = SessionsHarness()
        let payload = "<status>Hello</status><preauth xmlns='urn:xmpp:pars:0' token='1tMFqYDdKhfe2pwp'/>"
        site.receive(Self.request("b@brno.example", payload))
        let juliet = site.bind("juliet", "balcony")
        site.send(juliet, "<presence/>")
        let request = site.take(juliet).first { $0["type"] == "subscribe" }
        #expect(request?["id"] == "s")
        #expect(request?.elements.map(\.name) == ["status", "preauth"])
    }

    @Test("the requests that wait for an account are bounded in number and bytes, and one server does not take all of them")
    func manyRequests() {
        var site = SessionsHarness()
        site.policy.limits.pendingSubscriptions = 100
        for number in 0..<100 { site.receive(Self.request("x\(number)@evil.example", "")) }
        #expect(site.store.count(.pendingSubscription) == 50)
        #expect(site.takeRemote().count { $0.type == "error" } == 50)
        site.receive(Self.request("friend@brno.example", ""))
        #expect(site.store.count(.pendingSubscription) == 51)
        // Answered, or taken back, there is room again.
        site.receive("<presence from='x1@evil.example' to='juliet@pilsen.example' type='unsubscribe'/>")
        #expect(site.store.count(.pendingSubscription) == 50)
        site.policy.limits.pendingSubscriptionBytes = 60_000
        for number in 0..<100 { site.receive(Self.request("y\(number)@brno.example", "<status>\(Self.large)</status>")) }
        let all = site.sessions.subscriptionRequests.values.reduce(0) { $0 + $1.total.bytes }
        #expect(all <= 60_000)
    }

    @Test("a request that an earlier version kept whole is shown short, and can be answered")
    func oldRow() throws {
        var site = SessionsHarness()
        do {
            let account = SessionsHarness.account("juliet")
            let contact = try JID("b@brno.example")
            site.step { _, turn in
                guard let number = AddressTable.number(of: account, in: turn.store) else { return }
                let request = Stanza(
                    .presence, from: contact, to: account, type: "subscribe",
                    payloads: [Element("status", Namespaces.client, text: Self.large)])
                PendingSubscriptionTable.put(
                    number, AddressTable.makeNumber(of: contact, in: turn.store), request, in: turn.store)
            }
        }
        let juliet = site.login("juliet", "balcony")
        _ = site.take(juliet)
        let again = site.bind("juliet", "chamber")
        site.send(again, "<presence/>")
        let request = try #require(site.take(again).first { $0["type"] == "subscribe" })
        #expect(request.first("status", Namespaces.client)?.text.utf8.count == 1000)
        site.send(again, "<presence type='subscribed' to='b@brno.example'/>")
        #expect(site.store.count(.pendingSubscription) == 0)
    }
}
