import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletSessions
@testable import MartletSite

@Suite("XEP-0352: Client State Indication")
struct ClientStateTests {
    private static let romeo = "romeo@montague.example/orchard"
    private static let inactive = "<inactive xmlns='urn:xmpp:csi:0'/>"
    private static let active = "<active xmlns='urn:xmpp:csi:0'/>"

    private func begin(resumable: Bool = true) -> (SessionsHarness, SessionsHarness.Client) {
        var harness = SessionsHarness(users: ["juliet"])
        harness.subscribe("juliet", to: ["romeo@montague.example", "nurse@montague.example"])
        let phone = resumable ? harness.loginResumable("juliet", "phone") : harness.login("juliet", "phone")
        harness.send(phone, Self.inactive)
        _ = harness.take(phone)
        return (harness, phone)
    }

    private static func presence(_ from: String, _ show: String = "", type: String = "") -> String {
        let type = type.isEmpty ? "" : " type='\(type)'"
        return
            "<presence from='\(from)' to='juliet@pilsen.example'\(type)>\(show.isEmpty ? "" : "<show>\(show)</show>")</presence>"
    }

    private static func said(_ inside: String, type: String = "chat") -> String {
        "<message from='\(romeo)' to='juliet@pilsen.example/phone' type='\(type)' id='m'>\(inside)</message>"
    }

    /// What came: names of stanzas, with their type, show or body.
    private func came(_ harness: inout SessionsHarness, _ client: SessionsHarness.Client) -> [String] {
        harness.take(client).map { element in
            let words = element.body ?? element.first("show", Namespaces.client)?.text ?? element.elements.first?.name ?? ""
            return "\(element.name) \(words)"
        }
    }

    @Test(
        "presence is held, the last of each resource; when somebody looks again it comes at once, and then nothing is held",
        arguments: [true, false])
    func presence(resumable: Bool) {
        var (harness, phone) = begin(resumable: resumable)
        for show in ["away", "xa", "dnd"] { harness.receive(Self.presence(Self.romeo, show)) }
        harness.receive(Self.presence("nurse@montague.example/a", "chat"))
        harness.receive(Self.presence(Self.romeo, "away"))
        harness.pass(60_000)
        #expect(came(&harness, phone).isEmpty)
        harness.send(phone, Self.active + "<iq type='get' id='p' to='pilsen.example'><ping xmlns='urn:xmpp:ping'/></iq>")
        // §4.2: before the answer to what is asked next.
        #expect(came(&harness, phone) == ["presence chat", "presence away", "iq "])
        harness.receive(Self.presence(Self.romeo, "xa"))
        #expect(came(&harness, phone) == ["presence xa"])
        harness.send(phone, Self.active + Self.active)
        #expect(came(&harness, phone).isEmpty)
    }

    /// What comes for a client at which nobody looks, and whether it waits.
    private static let kinds: [(String, Bool)] = [
        (presence(romeo, type: "unavailable"), true),
        (presence("iago@shakespeare.lit", type: "subscribe"), false),
        (said("<body>b</body>"), false), (said("<body>b</body>", type: "groupchat"), false),
        (said("<subject>s</subject>", type: "groupchat"), false),
        (said("<composing xmlns='http://jabber.org/protocol/chatstates'/>"), true),
        (said("<paused xmlns='http://jabber.org/protocol/chatstates'/><thread>t</thread>"), true),
        (said("<received xmlns='urn:xmpp:receipts' id='1'/><store xmlns='urn:xmpp:hints'/>"), true),
        (said("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"), true),
        (said("<event xmlns='http://jabber.org/protocol/pubsub#event'/>", type: "headline"), true),
        (said("<encrypted xmlns='eu.siacs.conversations.axolotl'/><store xmlns='urn:xmpp:hints'/>"), false),
        (said("<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>"), false),
        (said("<error type='cancel'/>", type: "error"), false),
        (
            "<iq type='get' id='1' from='\(romeo)' to='juliet@pilsen.example/phone'><query xmlns='jabber:iq:version'/></iq>",
            false
        ),
    ]

    @Test("what matters passes at once, and everything that was held before it; what does not is held", arguments: 0..<14)
    func kinds(place: Int) {
        #expect(Self.kinds.count == 14)
        let (stanza, waits) = Self.kinds[place]
        var (harness, phone) = begin()
        harness.receive(Self.presence("nurse@montague.example/a", "chat"))
        harness.receive(stanza)
        let at = harness.take(phone)
        #expect(at.count == (waits ? 0 : 2), "\(stanza)")
        if !waits { #expect(at.first?.name == "presence", "\(stanza)") }
        harness.send(phone, Self.active)
        #expect(at.count + harness.take(phone).count == 2, "\(stanza)")
    }

    @Test("receipts and chat states of one contact keep their order, and come before his next words")
    func order() {
        var (harness, phone) = begin()
        harness.receive(Self.said("<received xmlns='urn:xmpp:receipts' id='1'/>"))
        harness.receive(Self.said("<composing xmlns='http://jabber.org/protocol/chatstates'/>"))
        harness.receive(Self.presence(Self.romeo, "away"))
        harness.receive(Self.said("<body>words</body>"))
        #expect(came(&harness, phone) == ["message received", "message composing", "presence away", "message words"])
    }

    @Test(
        "acknowledgements bring nothing that is held; counts are those of what was sent, also across a resumption, which is active"
    )
    func counts() {
        var (harness, phone) = begin()
        let slot = SessionsHarness.count(of: phone, in: harness)
        harness.receive(Self.said("<received xmlns='urn:xmpp:receipts' id='1'/>"))
        harness.receive(Self.presence(Self.romeo, "away"))
        #expect(SessionsHarness.count(of: phone, in: harness) == slot)
        harness.acknowledge(phone, slot)
        #expect(came(&harness, phone).isEmpty)
        harness.lose(phone)
        harness.receive(Self.presence(Self.romeo, "dnd"))
        let back = harness.resume(phone, h: slot)
        #expect(came(&harness, back) == ["resumed ", "message received", "presence dnd"])
        #expect(SessionsHarness.count(of: back, in: harness) == slot + 2)
        harness.receive(Self.presence(Self.romeo, "xa"))
        #expect(came(&harness, back) == ["presence xa"])
        harness.acknowledge(back, slot + 3)
        harness.flush()
        #expect(harness.waiting("juliet") == 0)
    }

    @Test("a receipt that is held is there after a crash")
    func crash() {
        var (harness, phone) = begin()
        let slot = SessionsHarness.count(of: phone, in: harness)
        harness.receive(Self.said("<received xmlns='urn:xmpp:receipts' id='1'/>"))
        harness.crash()
        let back = harness.resume(phone, h: slot)
        #expect(came(&harness, back).contains("message received"))
    }

    @Test("a copy of what another device gets is held like the thing itself")
    func copies() {
        var (harness, phone) = begin()
        harness.send(phone, "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        let desk = harness.login("juliet", "desk")
        _ = (harness.take(phone), harness.take(desk))
        harness.send(phone, Self.active + Self.inactive)
        _ = harness.take(phone)
        harness.send(
            desk, "<message to='\(Self.romeo)' type='chat'><active xmlns='http://jabber.org/protocol/chatstates'/></message>")
        harness.receive(Self.said("<received xmlns='urn:xmpp:receipts' id='1'/>").replacing("/phone", with: "/desk"))
        #expect(came(&harness, phone).isEmpty)
        harness.send(desk, "<message to='\(Self.romeo)' type='chat'><body>b</body></message>")
        #expect(came(&harness, phone) == ["message sent", "message received", "message sent"])
    }

    @Test(
        "what is held is bounded in number and bytes, also by a contact with many resources; then it comes, and the next is held"
    )
    func bounds() {
        var (harness, phone) = begin()
        for number in 0..<SessionLimits.heldStanzas + 10 {
            harness.receive(Self.presence("romeo@montague.example/\(number)", "away"))
        }
        #expect(harness.take(phone).count == SessionLimits.heldStanzas + 1)
        harness.acknowledge(phone, SessionsHarness.count(of: phone, in: harness))
        harness.send(phone, Self.active)
        #expect(harness.take(phone).count == 9)
        harness.acknowledge(phone, SessionsHarness.count(of: phone, in: harness))
        harness.send(phone, Self.inactive)
        let long = String(repeating: "x", count: 4000)
        for number in 0..<100 {
            harness.receive(Self.presence("nurse@montague.example/\(number)", long))
            #expect(harness.memory.total < SessionLimits.heldBytes + 4_000_000)
        }
        #expect(harness.take(phone).count > 50)
    }

    @Test("a client without stream management gets what was held when it enables it, before it counts")
    func enabling() {
        var (harness, phone) = begin(resumable: false)
        harness.receive(Self.presence(Self.romeo, "away"))
        #expect(came(&harness, phone).isEmpty)
        let token = harness.site.sessions.sessionCount
        harness.send(phone, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        #expect(token == 1 && came(&harness, phone).prefix(2) == ["presence away", "enabled "])
    }

    @Test("another word in that namespace ends the stream; before a resource is bound the words mean nothing")
    func nonsense() {
        var (harness, phone) = begin()
        harness.send(phone, "<dormant xmlns='urn:xmpp:csi:0'/>")
        #expect(harness.closed[phone.connection] != nil)
        let other = SessionsHarness.Client(connection: harness.authenticate("juliet"), jid: SessionsHarness.account("juliet"))
        harness.send(other, Self.inactive)
        #expect(harness.closed[other.connection] == nil)
    }
}

extension SessionsHarness {
    /// How many stanzas a session was sent under stream management.
    fileprivate static func count(of client: Client, in harness: SessionsHarness) -> UInt32 {
        let sessions = harness.sessions
        guard let place = sessions.online.place(of: client.jid.bare), let id = sessions.session(of: client.jid, at: place)
        else {
            return 0
        }
        return UInt32(truncatingIfNeeded: sessions.sessions[id].outbox.last)
    }
}
