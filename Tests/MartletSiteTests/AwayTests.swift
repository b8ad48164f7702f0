import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSessions
@testable import MartletSite

@Suite("XEP-0012: Last Activity")
struct LastActivityTests {
    private static let juliet = "juliet@pilsen.example"
    private static let query = "<query xmlns='jabber:iq:last'/>"

    private func begin() -> (SessionsHarness, romeo: SessionsHarness.Client, paris: SessionsHarness.Client) {
        var harness = SessionsHarness(users: ["juliet", "romeo", "paris"])
        harness.subscribe("juliet", to: ["romeo@pilsen.example", "nurse@capulet.example"])
        let romeo = harness.login("romeo", "orchard")
        let paris = harness.login("paris", "p")
        return (harness, romeo, paris)
    }

    private func ask(_ harness: inout SessionsHarness, _ client: SessionsHarness.Client, _ to: String) -> String {
        harness.send(client, "<iq type='get' id='l' to='\(to)'>\(Self.query)</iq>")
        guard let answer = harness.take(client).last(where: { $0["id"] == "l" }) else { return "nothing" }
        let query = answer.first("query", Namespaces.lastActivity)
        return answer.condition ?? "\(query?["seconds"] ?? "none") \(query?.text ?? "")"
    }

    @Test("§3: since when somebody is away, and his last words; 0 while he is there; across a restart and a crash")
    func account() {
        var (harness, romeo, _) = begin()
        #expect(ask(&harness, romeo, Self.juliet) == "item-not-found")
        let balcony = harness.login("juliet", "balcony")
        #expect(ask(&harness, romeo, Self.juliet) == "0 ")
        harness.send(balcony, "<presence type='unavailable'><status>Heading Home</status></presence>")
        #expect(ask(&harness, romeo, Self.juliet) == "0 ")
        harness.logout(balcony)
        harness.pass(903_000)
        #expect(ask(&harness, romeo, Self.juliet) == "903 Heading Home")
        harness.crash()
        let again = harness.login("romeo", "again")
        #expect(ask(&harness, again, Self.juliet) == "904 Heading Home")
        let last = harness.login("juliet", "last")
        harness.send(
            last, "<presence type='unavailable'><status>\(String(repeating: "\u{e9}", count: 1000))</status></presence>")
        harness.logout(last)
        #expect(ask(&harness, again, Self.juliet) == "0 \(String(repeating: "\u{e9}", count: 100))")
        harness.receive("<iq type='get' id='r' from='nurse@capulet.example/n' to='\(Self.juliet)'>\(Self.query)</iq>")
        #expect(harness.takeRemote().last?.type == "result")
        _ = harness.command(.accounts(.remove(SessionsHarness.account("juliet"))))
        harness.pass(1000)
        #expect(ask(&harness, again, Self.juliet) == "forbidden")
    }

    @Test("§3, §4: who does not see an account learns nothing, not even that it exists; nor does its client hear of him")
    func strangers() {
        var (harness, romeo, paris) = begin()
        let balcony = harness.login("juliet", "balcony")
        for to in [
            Self.juliet, "\(Self.juliet)/balcony", "\(Self.juliet)/none", "nobody@pilsen.example", "nobody@pilsen.example/x",
        ] {
            #expect(ask(&harness, paris, to) == "forbidden", "\(to)")
        }
        #expect(harness.take(balcony).isEmpty)
        harness.send(romeo, "<iq type='get' id='l' to='\(Self.juliet)/balcony'>\(Self.query)</iq>")
        #expect(harness.take(balcony).map { $0["id"] } == ["l"])
        #expect(ask(&harness, romeo, "\(Self.juliet)/none") == "service-unavailable")
        #expect(ask(&harness, balcony, Self.juliet) == "0 ")
    }

    @Test("§5: how long the server has been running")
    func uptime() {
        var (harness, _, paris) = begin()
        harness.pass(60_000)
        #expect(ask(&harness, paris, "pilsen.example") == "60 ")
    }
}

@Suite("XEP-0357: Push Notifications")
struct PushTests {
    private static let service = "push-5.client.example"
    private static let options =
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value>"
        + "</field><field var='secret'><value>eruio234vzxc2kla-91</value></field></x>"

    @discardableResult
    private func ask(
        _ harness: inout SessionsHarness, _ client: SessionsHarness.Client, _ name: String, _ attributes: String,
        _ inside: String = ""
    ) -> String {
        harness.send(client, "<iq type='set' id='e'><\(name) xmlns='urn:xmpp:push:0' \(attributes)>\(inside)</\(name)></iq>")
        let answer = harness.take(client).last { $0["id"] == "e" }
        return answer?.condition ?? answer?["type"] ?? "nothing"
    }

    private func begin(_ inside: String = "") -> (SessionsHarness, phone: SessionsHarness.Client) {
        var harness = SessionsHarness(users: ["juliet", "romeo"])
        let phone = harness.loginResumable("juliet", "phone")
        #expect(ask(&harness, phone, "enable", "jid='\(Self.service)' node='yxs'", inside) == "result")
        return (harness, phone)
    }

    private func say(
        _ harness: inout SessionsHarness, _ inside: String = "<body>b</body>", to: String = "", type: String = "chat"
    ) {
        harness.receive(
            "<message from='a@b.example/r' to='juliet@pilsen.example\(to)' type='\(type)' id='m'>\(inside)</message>")
    }

    /// The notifications that went out since the last look.
    private func published(_ harness: inout SessionsHarness) -> [Stanza] {
        harness.takeRemote().filter { $0.kind == .iq && $0.payload("pubsub", Namespaces.nodes) != nil }
    }

    private func counts(_ stanzas: [Stanza]) -> [String] {
        stanzas.compactMap {
            $0.payload("pubsub", Namespaces.nodes)?.first("publish", Namespaces.nodes)?.first("item", Namespaces.nodes)?
                .first("notification", Namespaces.push)?.first("x", Namespaces.dataForms).flatMap(DataForm.init)?.values(
                    "message-count"
                ).first
        }
    }

    private func answer(_ harness: inout SessionsHarness, _ request: Stanza?, _ error: String? = nil) {
        let inside = error.map { "<error type='cancel'><\($0) xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>" } ?? ""
        harness.receive(
            "<iq type='\(error == nil ? "result" : "error")' id='\(request?.id ?? "")' from='\(Self.service)' to='juliet@pilsen.example'>\(inside)</iq>"
        )
    }

    @Test(
        "§4 to §7: while the device is connected nothing is told; away or gone, the service hears how many, with the options, and no more"
    )
    func whole() {
        var (harness, phone) = begin(Self.options)
        harness.send(phone, "<iq type='get' id='d' to='juliet@pilsen.example'><query xmlns='\(Namespaces.discoInfo)'/></iq>")
        #expect(harness.take(phone).last?.elements.first?.elements.contains { $0["var"] == "urn:xmpp:push:0" } == true)
        say(&harness)
        #expect(published(&harness).isEmpty)
        // What it has not acknowledged is told when its line breaks.
        harness.lose(phone)
        let first = published(&harness)
        #expect(counts(first) == ["1"])
        let request = first.first
        #expect(request?.from?.description == "juliet@pilsen.example" && request?.to?.description == Self.service)
        let pubsub = request?.payload("pubsub", Namespaces.nodes)
        #expect(pubsub?.first("publish", Namespaces.nodes)?["node"] == "yxs")
        let sent = pubsub?.first("publish-options", Namespaces.nodes)?.first("x", Namespaces.dataForms).flatMap(DataForm.init)
        #expect(sent?.values("secret") == ["eruio234vzxc2kla-91"])
        #expect(request.map { !String(decoding: $0.serialized(), as: UTF8.self).contains("b.example") } == true)
        // One at a time: what comes meanwhile is counted.
        say(&harness)
        say(&harness)
        #expect(published(&harness).isEmpty)
        answer(&harness, request)
        let second = published(&harness)
        #expect(counts(second) == ["2"])
        answer(&harness, second.first)
        #expect(published(&harness).isEmpty)
        // Gone for good, and after a crash.
        harness.pass(harness.policy.client.resumptionTimeout + 1000)
        harness.crash()
        say(&harness)
        #expect(counts(published(&harness)) == ["1"])
        let desk = harness.login("juliet", "desk")
        say(&harness)
        harness.pass(Push.patience + 1000)
        say(&harness)
        #expect(counts(published(&harness)) == ["2"])
        #expect(!harness.take(desk).isEmpty)
    }

    @Test("what nobody misses, errors and headlines are not told")
    func unimportant() {
        var (harness, phone) = begin()
        harness.lose(phone)
        for (inside, type) in [
            ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", "chat"),
            ("<received xmlns='urn:xmpp:receipts' id='1'/>", "chat"), ("<body>b</body>", "headline"), ("<error/>", "error"),
        ] { say(&harness, inside, to: "/phone", type: type) }
        #expect(published(&harness).isEmpty)
        say(&harness, "<encrypted xmlns='eu.siacs.conversations.axolotl'/><store xmlns='urn:xmpp:hints'/>")
        #expect(published(&harness).count == 1)
    }

    @Test("§6: disabled is one node, or all of a service; nothing is told any more, and nothing is left")
    func disable() {
        var (harness, phone) = begin()
        for node in ["a", "b"] { #expect(ask(&harness, phone, "enable", "jid='\(Self.service)' node='\(node)'") == "result") }
        #expect(ask(&harness, phone, "enable", "jid='\(Self.service)' node='a'") == "result")
        #expect(harness.site.push.accounts.values.first?.registrations.count == 3)
        #expect(ask(&harness, phone, "disable", "jid='\(Self.service)' node='a'") == "result")
        #expect(harness.site.push.accounts.values.first?.registrations.count == 2)
        #expect(ask(&harness, phone, "disable", "jid='other.example'") == "result")
        #expect(harness.site.push.isUsed)
        #expect(ask(&harness, phone, "disable", "jid='\(Self.service)'") == "result")
        #expect(!harness.site.push.isUsed)
        harness.lose(phone)
        say(&harness)
        #expect(published(&harness).isEmpty)
        harness.crash()
        #expect(!harness.site.push.isUsed)
    }

    @Test("what makes no sense, is too long or too much is refused")
    func refusals() {
        var (harness, phone) = begin()
        #expect(ask(&harness, phone, "enable", "node='x'") == "bad-request")
        #expect(ask(&harness, phone, "disable", "node='x'") == "bad-request")
        #expect(ask(&harness, phone, "enable", "jid='@@'") == "jid-malformed")
        #expect(ask(&harness, phone, "enable", "jid='juliet@pilsen.example'") == "not-allowed")
        #expect(ask(&harness, phone, "enable", "jid='x.example'", "<x xmlns='jabber:x:data' type='submit'/>") == "bad-request")
        #expect(
            ask(&harness, phone, "enable", "jid='x.example' node='\(String(repeating: "n", count: 1024))'")
                == "policy-violation")
        let long = Self.options.replacing("eruio", with: String(repeating: "x", count: 5000))
        #expect(ask(&harness, phone, "enable", "jid='x.example'", long) == "policy-violation")
        harness.policy.limits.pushRegistrations = 2
        #expect(ask(&harness, phone, "enable", "jid='x.example'") == "result")
        #expect(ask(&harness, phone, "enable", "jid='y.example'") == "resource-constraint")
        harness.room = .reserve
        #expect(ask(&harness, phone, "enable", "jid='x.example'") == "resource-constraint")
    }

    @Test("§7: an error that does not pass ends the registration; others only many in a row; somebody else's answer is none")
    func errors() {
        var (harness, phone) = begin()
        harness.lose(phone)
        say(&harness)
        let first = published(&harness).first
        harness.receive("<iq type='error' id='\(first?.id ?? "")' from='evil.example' to='juliet@pilsen.example'/>")
        #expect(harness.site.push.isUsed)
        answer(&harness, first, "remote-server-timeout")
        for _ in 2..<Push.failures {
            say(&harness)
            answer(&harness, published(&harness).first, "remote-server-timeout")
        }
        #expect(harness.site.push.isUsed)
        say(&harness)
        answer(&harness, published(&harness).first)
        say(&harness)
        answer(&harness, published(&harness).first, "remote-server-timeout")
        #expect(harness.site.push.isUsed)
        say(&harness)
        answer(&harness, published(&harness).first, "item-not-found")
        #expect(!harness.site.push.isUsed)
    }

    @Test("with the account its registrations go")
    func removal() {
        var (harness, _) = begin()
        _ = harness.command(.accounts(.remove(SessionsHarness.account("juliet"))))
        harness.pass(5000)
        harness.crash()
        #expect(!harness.site.push.isUsed)
        harness.step { _, turn in PushTable.forEach(in: turn.store) { _, _, _ in Issue.record("a row is left") } }
    }
}
