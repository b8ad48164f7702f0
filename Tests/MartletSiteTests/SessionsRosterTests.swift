import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletSessions

@Suite("Rosters")
struct SessionsRosterTests {
    private func set(_ item: String) -> String {
        "<iq type='set' id='set'><query xmlns='jabber:iq:roster'>\(item)</query></iq>"
    }

    private func get(_ version: String? = nil) -> String {
        "<iq type='get' id='get'><query xmlns='jabber:iq:roster'\(version.map { " ver='\($0)'" } ?? "")/></iq>"
    }

    private func items(_ element: Element?) -> [Element] { element?.first("query", Namespaces.roster)?.elements ?? [] }

    @Test("RFC 6121 §2.1: items are stored with name and groups, and pushed to every resource that asked for the roster")
    func push() {
        var site = SessionsHarness()
        let orchard = site.login("romeo", "orchard")
        let garden = site.login("romeo", "garden")
        let silent = site.login("romeo", "silent")
        for client in [orchard, garden] {
            site.send(client, get())
            let answer = site.take(client).first { $0.name == "iq" }
            #expect(answer?["type"] == "result")
            #expect(items(answer) == [])
        }
        _ = site.take(silent)
        site.send(orchard, set("<item jid='Juliet@pilsen.example/x' name='J &amp; co'><group>A</group><group>B</group></item>"))
        let pushed = site.take(garden)
        #expect(pushed.map { $0["type"] } == ["set"])
        #expect(pushed.first?["to"] == "romeo@pilsen.example/garden")
        let item = items(pushed.first).first
        #expect(item?["jid"] == "juliet@pilsen.example")
        #expect(item?["name"] == "J & co")
        #expect(item?["subscription"] == "none")
        #expect(item?.elements.map(\.text) == ["A", "B"])
        #expect(Set(site.take(orchard).map { $0["type"] }) == ["set", "result"])
        #expect(site.take(silent) == [])
        site.send(orchard, set("<item jid='juliet@pilsen.example' name='J'/>"))
        #expect(items(site.take(garden).first).first?.elements == [])
        site.crash()
        let again = site.login("romeo", "orchard")
        site.send(again, get())
        #expect(items(site.take(again).first).map { $0["name"] } == ["J"])
    }

    @Test("RFC 6121 §2.5: a removed contact loses its subscriptions and sees the account leave")
    func remove() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, get())
        site.send(romeo, "<presence type='subscribe' to='x@brno.example'/>")
        site.receive("<presence type='subscribed' from='x@brno.example' to='romeo@pilsen.example'/>")
        site.receive("<presence type='subscribe' from='x@brno.example' to='romeo@pilsen.example'/>")
        site.send(romeo, "<presence type='subscribed' to='x@brno.example'/>")
        _ = site.takeRemote()
        _ = site.take(romeo)
        site.send(romeo, set("<item jid='x@brno.example' subscription='remove'/>"))
        #expect(site.takeRemote().map { $0.type } == ["unsubscribe", "unavailable", "unsubscribed"])
        let got = site.take(romeo)
        #expect(items(got.first).map { $0["subscription"] } == ["remove"])
        #expect(got.last?["type"] == "result")
        #expect(site.store.count(.roster) == 0)
        site.send(romeo, set("<item jid='x@brno.example' subscription='remove'/>"))
        #expect(site.take(romeo).map(\.condition) == ["item-not-found"])
    }

    @Test(
        "RFC 6121 §2.3.3: what is no proper item is refused",
        arguments: [
            ("", "bad-request"), ("<item jid='a@b'/><item jid='c@d'/>", "bad-request"), ("<item/>", "bad-request"),
            ("<item jid='@'/>", "jid-malformed"), ("<item jid='a@b'><group/></item>", "not-acceptable"),
            ("<item jid='a@b'><group>A</group><group>A</group></item>", "bad-request"),
            ("<item jid='a@b' name='\(String(repeating: "n", count: 1024))'/>", "not-acceptable"),
            ("<item jid='romeo@pilsen.example'/>", "not-allowed"),
        ])
    func refused(item: String, condition: String) {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, set(item))
        #expect(site.take(romeo).map(\.condition) == [condition])
        #expect(site.store.count(.roster) == 0)
    }

    @Test("RFC 6121 §2.3.3, XEP-0030 §8: a contact's roster is forbidden; a stranger's account is like none")
    func foreign() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let get = "<iq type='get' id='g' to='juliet@pilsen.example'><query xmlns='jabber:iq:roster'/></iq>"
        site.send(romeo, get + get.replacing("juliet", with: "nobody"))
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable", "service-unavailable"])
        site.subscribe("juliet", to: ["romeo@pilsen.example"])
        site.send(romeo, get)
        #expect(site.take(romeo).map(\.condition) == ["forbidden"])
    }

    @Test("RFC 6121 §2.6: a roster has its version, and is answered empty if the client has it; pushes carry the new one")
    func versions() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        for known in [nil, "", "of another server"] {
            site.send(romeo, get(known))
            #expect(site.take(romeo).first?.first("query", Namespaces.roster)?["ver"]?.isEmpty == false)
        }
        site.send(romeo, set("<item jid='a@b'/>"))
        let version = site.take(romeo).first?.first("query", Namespaces.roster)?["ver"] ?? ""
        #expect(!version.isEmpty)
        site.send(romeo, get(version))
        let answer = site.take(romeo).first
        #expect(answer?["type"] == "result")
        #expect(answer?.elements == [])
        site.send(romeo, set("<item jid='c@d'/>"))
        _ = site.take(romeo)
        site.send(romeo, get(version))
        let full = site.take(romeo).first
        #expect(items(full).count == 2)
        #expect(full?.first("query", Namespaces.roster)?["ver"] != version)
    }

    @Test("a roster has an end")
    func limit() {
        var site = SessionsHarness()
        site.policy.limits.rosterItems = 2
        let romeo = site.login("romeo", "orchard")
        for name in ["a", "b", "c"] { site.send(romeo, set("<item jid='\(name)@x'/>")) }
        #expect(site.take(romeo).map(\.condition) == [nil, nil, "resource-constraint"])
        site.send(romeo, "<presence type='subscribe' to='d@x'/>")
        #expect(site.take(romeo).map(\.condition) == ["resource-constraint"])
        #expect(site.takeRemote() == [])
        site.send(romeo, set("<item jid='a@x' name='A'/>"))
        #expect(site.take(romeo).map(\.condition) == [nil])
    }

    @Test("RFC 6121 §2.3.3: an item has an end too, so that the largest roster is known")
    func itemLimit() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        for (count, condition) in [(7, nil), (9, "not-acceptable")] {
            let groups = (0..<count).map { "<group>\($0)\(String(repeating: "g", count: 1000))</group>" }.joined()
            site.send(romeo, set("<item jid='a@x'>\(groups)</item>"))
            #expect(site.take(romeo).map(\.condition) == [condition])
        }
        site.send(romeo, get())
        #expect(items(site.take(romeo).first).map { $0.elements.count } == [7])
    }
}
