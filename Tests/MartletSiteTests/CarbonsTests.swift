import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletSessions
@testable import MartletSite

/// A copy, taken apart.
private struct Copy: Equatable {
    var kind: String
    var from: String
    var to: String
    var type: String?
    var message: Element
    var stamp: String?

    init?(_ element: Element) {
        guard element.name == "message", let carrier = element.elements.first, carrier.namespace == Namespaces.carbons,
            let forwarded = carrier.first("forwarded", Namespaces.forward),
            let message = forwarded.first("message", Namespaces.client)
        else { return nil }
        (kind, self.message) = (carrier.name, message)
        (from, to, type) = (element["from"] ?? "", element["to"] ?? "", element["type"])
        stamp = forwarded.first("delay", Namespaces.delay)?["stamp"]
    }
}

extension SessionsHarness {
    fileprivate mutating func enable(carbons client: Client, _ name: String = "enable") {
        send(client, "<iq type='set' id='c'><\(name) xmlns='urn:xmpp:carbons:2'/></iq>")
        #expect(take(client).contains { $0["id"] == "c" && $0["type"] == "result" })
    }

    fileprivate mutating func copies(_ client: Client) -> [Copy] { take(client).compactMap(Copy.init) }

    /// What it got: bodies, those of copies with their kind.
    fileprivate mutating func heard(_ client: Client) -> [String] {
        take(client).filter { $0.name == "message" }.map { element in
            Copy(element).map { "\($0.kind) \($0.message.body ?? "")" } ?? element.body ?? element["type"] ?? ""
        }
    }

    fileprivate mutating func rowCount(_ table: Table) -> Int {
        var count = 0
        step { _, turn in
            turn.store.forEach(table, prefix: []) { _, _ in
                count += 1
                return true
            }
        }
        return count
    }
}

/// The montague's server; Juliet is at capulet.example.
@Suite("XEP-0280: Message Carbons")
struct CarbonsTests {
    private static let romeo = "romeo@pilsen.example"
    private static let juliet = "juliet@capulet.example/balcony"

    private static func said(_ to: String, _ inside: String, from: String = juliet, type: String = "chat", id: String = "m1")
        -> String
    {
        "<message from='\(from)' to='\(to)' type='\(type)' id='\(id)'>\(inside)</message>"
    }

    /// Romeo in the garden and at home, both with copies.
    private func begin() -> (harness: SessionsHarness, garden: SessionsHarness.Client, home: SessionsHarness.Client) {
        var harness = SessionsHarness()
        let garden = harness.login("romeo", "garden")
        let home = harness.login("romeo", "home")
        harness.enable(carbons: garden)
        harness.enable(carbons: home)
        return (harness, garden, home)
    }

    @Test("§3: domain and account say that they know copies and all their rules")
    func disco() {
        var (harness, garden, _) = begin()
        for to in ["pilsen.example", Self.romeo] {
            harness.send(garden, "<iq type='get' id='d' to='\(to)'><query xmlns='\(Namespaces.discoInfo)'/></iq>")
            let features = harness.take(garden).last?.elements.first?.elements.compactMap { $0["var"] } ?? []
            #expect(features.contains("urn:xmpp:carbons:2") && features.contains("urn:xmpp:carbons:rules:0"), "\(to)")
        }
    }

    @Test("§4, §5, §10.1: as often as one likes for oneself; another's session is not-allowed, whether it exists or not")
    func requests() {
        var (harness, garden, home) = begin()
        for name in ["enable", "enable", "disable", "disable", "enable"] { harness.enable(carbons: garden, name) }
        #expect(harness.sessions.carbonCount == 2)
        harness.enable(carbons: home, "disable")
        #expect(harness.sessions.carbonCount == 1)
        for to in ["juliet@pilsen.example", "nobody@pilsen.example"] {
            harness.send(garden, "<iq type='set' id='x' to='\(to)'><disable xmlns='urn:xmpp:carbons:2'/></iq>")
            #expect(harness.take(garden).last?.condition == "not-allowed")
        }
        harness.send(garden, "<iq type='get' id='x'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        #expect(harness.take(garden).last?.condition == "service-unavailable")
        harness.logout(garden)
        #expect(harness.sessions.carbonCount == 0)
    }

    @Test("§7: what another server's client says to one resource the others get as the example shows it, and only once each")
    func received() {
        var (harness, garden, home) = begin()
        let plain = harness.login("romeo", "plain")
        _ = (harness.take(garden), harness.take(home))
        harness.receive(Self.said("\(Self.romeo)/garden", "<body>What man art thou</body><thread>0e31</thread>"))
        #expect(harness.heard(garden) == ["What man art thou"])
        #expect(harness.heard(plain).isEmpty)
        let copies = harness.copies(home)
        #expect(copies.count == 1)
        guard let copy = copies.first else { return }
        #expect((copy.kind, copy.from, copy.to, copy.type) == ("received", Self.romeo, "\(Self.romeo)/home", "chat"))
        #expect(copy.message["from"] == Self.juliet && copy.message["to"] == "\(Self.romeo)/garden")
        #expect(copy.message["type"] == "chat" && copy.message["id"] == "m1" && copy.stamp != nil)
        #expect(copy.message.body == "What man art thou")
        #expect(copy.message.first("thread", Namespaces.client)?.text == "0e31")
    }

    @Test("§7: to the bare JID everybody gets the message; a copy gets who does not, since his priority is negative")
    func bare() {
        var (harness, garden, home) = begin()
        let bot = harness.login("romeo", "bot", priority: -1)
        harness.enable(carbons: bot)
        _ = (harness.take(garden), harness.take(home))
        harness.receive(Self.said(Self.romeo, "<body>b</body>"))
        #expect(harness.heard(garden) == ["b"])
        #expect(harness.heard(home) == ["b"])
        #expect(harness.heard(bot) == ["received b"])
    }

    @Test("§8: what one says the others get as the example shows it, whether the sender has copies himself or not")
    func sent() {
        var (harness, garden, home) = begin()
        harness.enable(carbons: home, "disable")
        harness.send(
            home,
            "<message to='\(Self.juliet)' type='chat' id='s1'><body>Neither, fair saint</body><thread>0e31</thread></message>")
        #expect(harness.takeRemote().map(\.id) == ["s1"])
        #expect(harness.heard(home).isEmpty)
        let copies = harness.copies(garden)
        #expect(copies.count == 1)
        guard let copy = copies.first else { return }
        #expect((copy.kind, copy.from, copy.to, copy.type) == ("sent", Self.romeo, "\(Self.romeo)/garden", "chat"))
        #expect(copy.message["from"] == "\(Self.romeo)/home" && copy.message["to"] == Self.juliet)
        #expect(copy.message["id"] == "s1" && copy.message.body == "Neither, fair saint")
    }

    @Test("§8: between two people here each side has its copies; who writes to himself is copied once, and never to the sender")
    func local() {
        var (harness, garden, home) = begin()
        let balcony = harness.login("juliet", "balcony")
        let chamber = harness.login("juliet", "chamber")
        harness.enable(carbons: chamber)
        _ = harness.take(balcony)
        harness.send(garden, chat("juliet@pilsen.example/balcony", "a"))
        #expect(harness.heard(balcony) == ["a"])
        #expect(harness.heard(chamber) == ["received a"])
        #expect(harness.heard(home) == ["sent a"])
        #expect(harness.heard(garden).isEmpty)
        harness.send(garden, chat("\(Self.romeo)/home", "note"))
        #expect(harness.heard(home) == ["note"])
        #expect(harness.heard(garden).isEmpty)
        let tablet = harness.login("romeo", "tablet")
        harness.enable(carbons: tablet)
        _ = (harness.take(garden), harness.take(home))
        harness.send(garden, chat("\(Self.romeo)/home", "again"))
        #expect(harness.heard(home) == ["again"])
        #expect(harness.heard(tablet) == ["received again"])
        #expect(harness.heard(garden).isEmpty)
    }

    private static let body = "<body>b</body>"
    private static let room = "<x xmlns='http://jabber.org/protocol/muc#user'>"
    /// The inside of a message, its type, whether it is copied when it comes, and when it goes.
    private static let cases: [(String, String, Bool, Bool)] = [
        (body, "chat", true, true), (body, "normal", true, true), (body, "nonsense", true, true),
        (body, "groupchat", false, false), (body, "headline", false, false),
        ("<subject>s</subject>", "normal", false, false), ("<x xmlns='urn:example'/>", "chat", true, true),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", "chat", true, true),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", "normal", true, true),
        ("<received xmlns='urn:xmpp:receipts' id='1'/>", "normal", true, true),
        ("<received xmlns='urn:xmpp:receipts' id='1'/>", "groupchat", false, false),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", "normal", true, true),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/><no-store xmlns='urn:xmpp:hints'/>", "chat", true, true),
        (body + "<private xmlns='urn:xmpp:carbons:2'/><no-copy xmlns='urn:xmpp:hints'/>", "chat", false, false),
        (body + "<private xmlns='urn:xmpp:carbons:2'/>", "chat", false, false),
        (body + "<no-copy xmlns='urn:xmpp:hints'/>", "chat", false, false),
        ("<x xmlns='jabber:x:conference' jid='r@rooms.example'/>", "normal", true, true),
        (room + "<invite from='a@b.example'/></x>", "normal", true, true),
        (body + room + "</x>", "chat", false, true), (body + room + "</x>", "normal", false, true),
        ("<event xmlns='http://jabber.org/protocol/pubsub#event'/>", "headline", false, false),
        (body, "error", false, false),
    ]

    @Test(
        "§6.1, §9: what is said is copied, also in rooms' invitations; not what a room says, nor what is private",
        arguments: 0..<22)
    func rules(place: Int) {
        #expect(Self.cases.count == 22)
        let (inside, type, whenReceived, whenSent) = Self.cases[place]
        var (harness, garden, home) = begin()
        harness.receive(Self.said("\(Self.romeo)/garden", inside, type: type))
        #expect(harness.take(garden).contains { $0.name == "message" }, "\(type) \(inside)")
        #expect(harness.copies(home).count == (whenReceived ? 1 : 0), "\(type) \(inside)")
        harness.send(garden, "<message to='\(Self.juliet)' type='\(type)' id='s'>\(inside)</message>")
        #expect(harness.takeRemote().count == 1)
        #expect(harness.copies(home).count == (whenSent ? 1 : 0), "\(type) \(inside)")
    }

    private static let error =
        "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"

    @Test("§6.1: an error is copied that answers what was copied, sent or received, and no other")
    func errors() {
        var (harness, garden, home) = begin()
        harness.send(garden, chat(Self.juliet, "s1"))
        harness.send(garden, "<message to='room@capulet.example' type='groupchat' id='g1'><body>b</body></message>")
        #expect(harness.copies(home).count == 1)
        for (id, from, isCopied) in [
            ("s1", Self.juliet, true), ("s1", "nurse@capulet.example", false), ("g1", "room@capulet.example", false),
            ("other", Self.juliet, false),
        ] {
            harness.receive(Self.said("\(Self.romeo)/garden", Self.error, from: from, type: "error", id: id))
            #expect(harness.take(garden).last?["type"] == "error")
            let copies = harness.copies(home)
            #expect(copies.count == (isCopied ? 1 : 0), "\(id) \(from)")
            if isCopied { #expect(copies.first?.type == "error" && copies.first?.message.condition == "service-unavailable") }
        }
        harness.receive(Self.said("\(Self.romeo)/garden", Self.body, id: "r1"))
        #expect(harness.copies(home).count == 1)
        for (id, isCopied) in [("r1", true), ("r2", false)] {
            harness.send(garden, Self.said(Self.juliet, Self.error, from: "\(Self.romeo)/garden", type: "error", id: id))
            #expect(harness.copies(home).count == (isCopied ? 1 : 0))
        }
    }

    @Test("§11: a copy that somebody else claims to be one reaches nobody, and he hears it; as an error it is dropped")
    func impersonation() {
        var (harness, garden, home) = begin()
        let claim = """
            <received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' \
            from='\(Self.juliet)' to='\(Self.romeo)/garden' type='chat'><body>Thou shall meet me</body></message></forwarded></received>
            """
        for inside in [claim, claim.replacing("received", with: "sent"), Self.body + claim] {
            harness.receive(Self.said(Self.romeo, inside, from: "tybalt@capulet.example/home"))
            #expect(harness.takeRemote().map(\.type) == ["error"])
            harness.receive(Self.said(Self.romeo, inside, from: "tybalt@capulet.example/home", type: "error"))
            #expect(harness.takeRemote().isEmpty)
            // Not even one's own client.
            harness.send(garden, "<message to='\(Self.romeo)/home' type='chat'>\(inside)</message>")
            #expect(harness.take(garden).last?.condition == "not-acceptable")
            #expect(harness.take(garden).isEmpty && harness.take(home).isEmpty)
        }
        #expect(harness.waiting("romeo") == 0)
    }

    @Test("§10.3: a copy that its reader sends back as an error goes to nobody")
    func bouncedCopy() {
        var (harness, garden, home) = begin()
        harness.receive(Self.said("\(Self.romeo)/garden", Self.body))
        _ = harness.take(garden)
        for copy in harness.take(home) {
            let inside = copy.elements.map { String(decoding: $0.serialized(within: Namespaces.client), as: UTF8.self) }
                .joined()
            harness.send(home, "<message to='\(Self.romeo)' type='error'>\(inside)\(Self.error)</message>")
            harness.send(home, "<message to='\(Self.romeo)' type='error'>\(Self.error)</message>")
        }
        #expect(harness.takeRemote().isEmpty && harness.take(garden).isEmpty && harness.take(home).isEmpty)
    }
}

/// Copies are as safe as messages where the reader can resume his session.
@Suite("XEP-0280, XEP-0198: copies across broken lines and restarts")
struct CarbonsResumptionTests {
    private static let romeo = "romeo@pilsen.example"

    private func begin() -> (harness: SessionsHarness, garden: SessionsHarness.Client, home: SessionsHarness.Client) {
        var harness = SessionsHarness()
        let garden = harness.loginResumable("romeo", "garden")
        let home = harness.loginResumable("romeo", "home")
        harness.enable(carbons: home)
        _ = harness.take(garden)
        return (harness, garden, home)
    }

    private func converse(_ harness: inout SessionsHarness, _ garden: SessionsHarness.Client) {
        harness.send(garden, chat("juliet@capulet.example", "one"))
        harness.receive(
            "<message from='juliet@capulet.example/b' to='\(Self.romeo)/garden' type='chat'><body>two</body></message>")
        harness.send(garden, chat("juliet@capulet.example", "three"))
    }

    private let all = ["sent one", "received two", "sent three"]

    @Test("a session that is away gets them when it resumes, in order, counted like all stanzas; then nothing is left of them")
    func resumed() {
        var (harness, garden, home) = begin()
        let read = harness.sent(home)
        harness.lose(home)
        converse(&harness, garden)
        harness.send(
            garden,
            "<message to='juliet@capulet.example' type='chat'><paused xmlns='http://jabber.org/protocol/chatstates'/></message>"
        )
        #expect(harness.takeBodies(garden) == ["two"])
        let back = harness.resume(home, h: read)
        #expect(harness.heard(back) == all)
        #expect(harness.sent(back) == read + 3)
        harness.acknowledge(garden, harness.sent(garden))
        harness.acknowledge(back, harness.sent(back))
        harness.flush()
        #expect(harness.waiting("romeo") == 0)
        #expect(harness.rowCount(.mailbox) == 0 && harness.rowCount(.clientSlot) == 0)
        // The lane's two.
        #expect(harness.rowCount(.log) == 2)
    }

    @Test("what was sent and not acknowledged comes again after a crash, and so does that it wants copies")
    func crashed() {
        var (harness, garden, home) = begin()
        let read = harness.sent(home) + 1
        converse(&harness, garden)
        #expect(harness.heard(home) == all)
        harness.crash()
        #expect(harness.sessions.carbonCount == 1)
        let back = harness.resume(home, h: read)
        #expect(harness.heard(back) == Array(all.dropFirst()))
        let other = harness.resume(garden, h: 2)
        harness.send(other, chat("juliet@capulet.example", "four"))
        let copies = harness.copies(back)
        #expect(copies.map(\.message.body) == ["four"])
        let after = harness.sent(back)
        harness.acknowledge(back, after)
        harness.acknowledge(other, harness.sent(other))
        harness.flush()
        #expect(harness.rowCount(.clientSlot) == 0)
        harness.crash()
        #expect(harness.sessions.carbonCount == 1)
        let again = harness.resume(back, h: after)
        #expect(harness.heard(again).isEmpty)
        harness.enable(carbons: again, "disable")
        harness.crash()
        #expect(harness.sessions.carbonCount == 0)
    }

    @Test("§10.3: the end of a session that had copies in hand tells nobody an error, and leaves nothing")
    func ended() {
        var (harness, garden, home) = begin()
        harness.lose(home)
        harness.send(garden, chat("juliet@capulet.example", "one"))
        _ = harness.takeRemote()
        harness.pass(harness.policy.client.resumptionTimeout + 1000)
        #expect(harness.takeRemote().allSatisfy { $0.kind == .presence })
        #expect(harness.heard(garden).isEmpty)
        #expect(harness.rowCount(.mailbox) == 0 && harness.rowCount(.clientSlot) == 0 && harness.rowCount(.log) == 1)
    }

    @Test("who has read a copy has read the message: it is not sent again when the one that it was for is gone")
    func readElsewhere() {
        var (harness, garden, home) = begin()
        harness.receive(
            "<message from='juliet@capulet.example/b' to='\(Self.romeo)/garden' type='chat'><body>two</body></message>")
        #expect(harness.heard(home) == ["received two"])
        harness.acknowledge(home, harness.sent(home))
        harness.lose(garden)
        harness.pass(harness.policy.client.resumptionTimeout + 1000)
        #expect(harness.heard(home).isEmpty)
        #expect(harness.waiting("romeo") == 0 && harness.rowCount(.mailbox) == 0)
    }

    @Test("who takes no messages has not read one for the account by reading its copy: it waits for who does")
    func negativePriority() {
        var (harness, garden, home) = begin()
        harness.logout(garden)
        harness.send(home, "<presence><priority>-1</priority></presence>")
        _ = harness.take(home)
        harness.receive("<message from='juliet@capulet.example/b' to='\(Self.romeo)' type='chat'><body>two</body></message>")
        #expect(harness.heard(home) == ["received two"])
        #expect(harness.waiting("romeo") == 1)
        harness.acknowledge(home, harness.sent(home))
        harness.flush()
        #expect(harness.waiting("romeo") == 1)
        let garden2 = harness.login("romeo", "garden")
        #expect(harness.waiting("romeo") == 1)
        harness.logout(home)
        // Its ping went with the rest that came at the login; the socket is believed.
        harness.pass(harness.policy.client.fenceTimeout + 1000)
        #expect(garden2.jid.resourcepart == "garden" && harness.waiting("romeo") == 0)
    }

    @Test(
        "XEP-0359: a copy has the id that the message has in the archive, at once and when it is sent again, and no row of its own"
    )
    func archived() {
        var harness = SessionsHarness(archives: true)
        let garden = harness.loginResumable("romeo", "garden")
        let home = harness.loginResumable("romeo", "home")
        let balcony = harness.login("juliet", "balcony")
        harness.enable(carbons: home)
        let read = harness.sent(home)
        converse(&harness, garden)
        harness.send(garden, chat("juliet@pilsen.example/balcony", "four"))
        func ids(_ copies: [Copy]) -> [String] {
            copies.compactMap { $0.message.first("stanza-id", Namespaces.stanzaID) }.map {
                "\($0["by"] ?? "") \($0["id"] ?? "")"
            }
        }
        let live = ids(harness.copies(home))
        #expect(live.count == 4)
        let atJuliet = harness.take(balcony).last?.first("stanza-id", Namespaces.stanzaID)?["id"] ?? "none"
        #expect(live.last == "\(Self.romeo) \(atJuliet)")
        #expect(harness.rowCount(.log) == 4)
        harness.lose(home)
        let back = harness.resume(home, h: read)
        #expect(ids(harness.copies(back)) == live)
        harness.crash()
        let again = harness.resume(back, h: read)
        #expect(ids(harness.copies(again)) == live)
        harness.acknowledge(again, read + 4)
        harness.flush()
        #expect(harness.search(again).ids.map { "\(Self.romeo) \($0)" } == live)
        // What the garden has not acknowledged.
        #expect(harness.rowCount(.clientSlot) == 1)
    }

    @Test("a mailbox that is full bounds what waits as copies; what was said is sent and copied all the same")
    func fullMailbox() {
        var (harness, garden, home) = begin()
        harness.policy.limits.mailboxMessages = 4
        for number in 1...6 { harness.send(garden, chat("juliet@capulet.example", "\(number)")) }
        #expect(harness.heard(home) == (1...6).map { "sent \($0)" })
        #expect(harness.rowCount(.mailbox) <= 4)
        #expect(harness.takeRemote().count == 6)
    }
}

extension SessionsHarness {
    /// How many stanzas a session was sent under stream management.
    fileprivate func sent(_ client: Client) -> UInt32 {
        guard let place = sessions.online.place(of: client.jid.bare), let id = sessions.session(of: client.jid, at: place)
        else {
            return 0
        }
        return UInt32(truncatingIfNeeded: sessions.sessions[id].outbox.last)
    }
}
