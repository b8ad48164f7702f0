import MartletBus
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@Suite("XEP-0050: my waiting messages")
struct QueueCommandTests {
    private static let command = "<command xmlns='http://jabber.org/protocol/commands' node='urn:martlet:queue'"

    private func ask(_ site: inout SiteHarness, _ connection: ConnectionID, _ command: String) -> Element? {
        site.send("<iq type='set' id='q' to='pilsen.example'>\(command)</iq>", on: connection)
        return site.take(connection).last { $0["id"] == "q" }
    }

    private func options(_ answer: Element?) -> [(label: String, value: String)] {
        let form = answer?.first("command", Namespaces.commands)?.first("x", Namespaces.dataForms).flatMap(DataForm.init)
        return form?.fields.first?.options.map { ($0.label, $0.value) } ?? []
    }

    private func submit(_ site: inout SiteHarness, _ connection: ConnectionID, _ values: [String]) -> Element? {
        let chosen = values.map { "<value>\($0)</value>" }.joined()
        let form = "<x xmlns='jabber:x:data' type='submit'><field var='entries'>\(chosen)</field></x>"
        return ask(&site, connection, "\(Self.command) sessionid='s' action='complete'>\(form)</command>")?
            .first("command", Namespaces.commands)
    }

    private func note(_ command: Element?) -> String? { command?.first("note", Namespaces.commands)?.text }

    @Test("people see their own waiting messages and cancel some; the office contact counts along; strangers see nothing")
    func whole() {
        var site = SiteHarness()
        let alice = site.login("alice")
        let carol = site.login("carol")
        site.dialFails()
        for text in ["one", "two"] { site.send(chat("bob@brno.example", text), on: alice) }
        site.pass(45_000)
        let shown = site.take(alice).filter { $0["from"] == "brno.example/office" }
        #expect(
            shown.last?.first("status", Namespaces.client)?.text
                == "not reached yet, 2 waiting")
        #expect(options(ask(&site, carol, "\(Self.command)/>")).isEmpty)
        let listed = ask(&site, alice, "\(Self.command) action='execute'/>")
        #expect(listed?.first("command", Namespaces.commands)?["status"] == "executing")
        let choices = options(listed)
        #expect(choices.count == 2)
        #expect(
            choices.map(\.label) == ["one", "two"].map { "to bob@brno.example, less than a minute: \($0)" })
        #expect(note(submit(&site, carol, choices.map(\.value))) == "Not waiting any more: 2.")
        #expect(note(submit(&site, alice, [choices[0].value])) == "Cancelled: 1.")
        #expect(options(ask(&site, alice, "\(Self.command)/>")).count == 1)
        site.pass(15_000)
        let now = site.take(alice).filter { $0["from"] == "brno.example/office" }
        #expect(
            now.last?.first("status", Namespaces.client)?.text
                == "not reached yet, 1 waiting")
        #expect(note(submit(&site, alice, [choices[1].value])) == "Cancelled: 1.")
        let empty = ask(&site, alice, "\(Self.command)/>")?.first("command", Namespaces.commands)
        #expect(empty?["status"] == "completed")
        #expect(note(empty) == "None of your messages is waiting.")
    }

    @Test("§4: what makes no sense is refused with the condition that says why; cancel is canceled")
    func refusals() {
        var site = SiteHarness()
        let alice = site.login("alice")
        func own(_ answer: Element?) -> String? {
            answer?.first("error", Namespaces.client)?.elements.last { $0.namespace == Namespaces.commands }?.name
        }
        #expect(own(ask(&site, alice, "\(Self.command) action='next'/>")) == "bad-action")
        #expect(own(ask(&site, alice, "\(Self.command) sessionid='s' action='prev'/>")) == "bad-action")
        #expect(own(ask(&site, alice, "\(Self.command) sessionid='s' action='dance'/>")) == "malformed-action")
        #expect(own(ask(&site, alice, "\(Self.command) sessionid='s' action='complete'/>")) == "bad-payload")
        let cancelled = ask(&site, alice, "\(Self.command) sessionid='s' action='cancel'/>")
        #expect(cancelled?.first("command", Namespaces.commands)?["status"] == "canceled")
        let unknown = ask(&site, alice, "<command xmlns='http://jabber.org/protocol/commands' node='other'/>")
        #expect(unknown?.condition == "item-not-found")
    }

    @Test("§2.2, §2.3: the command is found by service discovery")
    func discovery() {
        var site = SiteHarness()
        let alice = site.login("alice")
        func disco(_ kind: String, _ node: String) -> [Element] {
            site.send(
                "<iq type='get' id='d' to='pilsen.example'><query xmlns='http://jabber.org/protocol/disco#\(kind)'\(node)/></iq>",
                on: alice)
            return site.take(alice).last { $0["id"] == "d" }?.elements.first?.elements ?? []
        }
        #expect(disco("info", "").contains { $0["var"] == Namespaces.commands })
        let items = disco("items", " node='http://jabber.org/protocol/commands'")
        #expect(items.map { $0["node"] } == ["urn:martlet:queue"])
        #expect(items.map { $0["jid"] } == ["pilsen.example"])
        #expect(disco("info", " node='http://jabber.org/protocol/commands'").map { $0["type"] } == ["command-list"])
        let info = disco("info", " node='urn:martlet:queue'")
        #expect(info.map { $0["type"] ?? $0["var"] } == ["command-node", Namespaces.commands, Namespaces.dataForms])
    }
}
