import MartletBus
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// The XEPs' own examples, in their order, with our addresses and ids in the place of theirs.
@Suite("XEP-0313, XEP-0441: the examples")
struct ArchiveExamplesTests {
    private static let romeo = "romeo@pilsen.example"
    private static let juliet = "juliet@pilsen.example"
    private static let lines = [
        "Call me but love, and I'll be new baptized; Henceforth I never will be Romeo.",
        "What man art thou that thus bescreen'd in night so stumblest on my counsel?",
    ]

    /// Juliet in her chamber, after the two lines from orchard and balcony.
    private func scene() -> (harness: SessionsHarness, juliet: SessionsHarness.Client, ids: [String], stamps: [String]) {
        var harness = SessionsHarness(archives: true)
        let orchard = harness.login("romeo", "orchard")
        let balcony = harness.login("juliet", "balcony")
        harness.pass(60_000)
        harness.send(
            orchard, "<message to='\(Self.juliet)/balcony' type='chat'><body>\(Self.lines[0])</body></message>")
        // Example 1: the reader learns the id.
        let heard = harness.take(balcony).last
        #expect(heard?.body == Self.lines[0] && heard?.first("stanza-id", Namespaces.stanzaID)?["by"] == Self.juliet)
        harness.pass(60_000)
        harness.send(
            balcony, "<message to='\(Self.romeo)/orchard' type='chat' id='8a54s'><body>\(Self.lines[1])</body></message>")
        let juliet = harness.login("juliet", "chamber")
        let all = harness.search(juliet)
        #expect(all.ids.first == heard?.first("stanza-id", Namespaces.stanzaID)?["id"])
        return (harness, juliet, all.ids, all.messages.map(\.stamp))
    }

    private func ask(
        _ harness: inout SessionsHarness, _ client: SessionsHarness.Client, _ xml: String
    ) -> (results: [Element], iq: Element?) {
        _ = harness.take(client)
        harness.send(client, xml)
        let got = harness.take(client)
        return (got.compactMap { $0.first("result", Namespaces.archive) }, got.first { $0.name == "iq" })
    }

    private static func query(_ fields: String, set: String = "", more: String = "", id: String = "juliet1") -> String {
        """
        <iq type='set' id='\(id)'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>\
        <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>\(fields)</x>\(set)\(more)</query></iq>
        """
    }

    private static func field(_ name: String, _ value: String) -> String {
        "<field var='\(name)'><value>\(value)</value></field>"
    }

    @Test("examples 2 to 4 and 16: the messages in their order, as they were received, and the end behind them")
    func all() {
        var (harness, juliet, ids, _) = scene()
        let (results, iq) = ask(
            &harness, juliet, "<iq type='set' id='juliet1'><query xmlns='urn:xmpp:mam:2' queryid='f27' /></iq>")
        #expect(results.map { $0["queryid"] } == ["f27", "f27"] && results.map { $0["id"] } == ids)
        let messages = results.compactMap {
            $0.first("forwarded", Namespaces.forward)?.first("message", Namespaces.client)
        }
        #expect(messages.map(\.body) == Self.lines)
        #expect(messages.map { $0["from"] } == ["\(Self.romeo)/orchard", "\(Self.juliet)/balcony"])
        #expect(messages.map { $0["to"] } == ["\(Self.juliet)/balcony", "\(Self.romeo)/orchard"])
        #expect(messages.map { $0["id"] } == [nil, "8a54s"] && messages.map { $0["type"] } == ["chat", "chat"])
        let fin = iq?.first("fin", Namespaces.archive)
        let set = fin?.first("set", Namespaces.resultSet)
        #expect(iq?["id"] == "juliet1" && iq?["type"] == "result" && fin?["complete"] == "true")
        #expect(set?.first("first", Namespaces.resultSet)?.text == ids[0])
        #expect(set?.first("last", Namespaces.resultSet)?.text == ids[1])
    }

    @Test("examples 6 to 13: filters by address, by time, by ids, by groupchat")
    func filters() {
        var (harness, juliet, ids, stamps) = scene()
        func found(_ fields: String) -> [String?] { ask(&harness, juliet, Self.query(fields)).results.map { $0["id"] } }
        #expect(found(Self.field("with", Self.romeo)) == ids)
        #expect(found(Self.field("start", stamps[0]) + Self.field("end", stamps[0])) == [ids[0]])
        #expect(found(Self.field("start", "2010-08-07T00:00:00Z")) == ids)
        #expect(found(Self.field("after-id", ids[0])) == [ids[1]])
        #expect(found(Self.field("after-id", ids[0]) + Self.field("before-id", ids[1])) == [])
        #expect(found(Self.field("ids", ids[1])) == [ids[1]])
        for value in ["true", "false"] { #expect(found(Self.field("include-groupchat", value)) == ids) }
    }

    @Test("examples 14, 15 and 17: the form, and fields that it does not have")
    func form() {
        var (harness, juliet, _, _) = scene()
        let form = ask(&harness, juliet, "<iq type='get' id='form1'><query xmlns='urn:xmpp:mam:2'/></iq>").iq
        let fields = form?.first("query", Namespaces.archive)?.first("x", Namespaces.dataForms)?
            .all("field", Namespaces.dataForms)
        let types = ["with": "jid-single", "start": "text-single", "end": "text-single", "ids": "list-multi"]
        for (name, type) in types.sorted(by: { $0.key < $1.key }) {
            #expect(fields?.first { $0["var"] == name }?["type"] == type)
        }
        let mood = Self.query(
            Self.field("{http://example.com/}free-text-search", "Where arth thou, my Juliet?")
                + Self.field("{http://example.com/}stanza-content", "{http://jabber.org/protocol/mood}mood/lonely"))
        #expect(ask(&harness, juliet, mood).iq?.condition == "feature-not-implemented")
    }

    @Test("examples 18 to 25: pages, one that is not there, the last one, and one that is flipped")
    func pages() {
        var (harness, juliet, ids, _) = scene()
        let start = Self.field("start", "2010-08-07T00:00:00Z")
        func set(_ inside: String) -> String { "<set xmlns='http://jabber.org/protocol/rsm'>\(inside)</set>" }
        let first = ask(&harness, juliet, Self.query(start, set: set("<max>1</max>"), id: "q29302"))
        #expect(first.results.map { $0["id"] } == [ids[0]])
        #expect(first.iq?.first("fin", Namespaces.archive)?["complete"] == nil)
        let second = ask(&harness, juliet, Self.query(start, set: set("<max>10</max><after>\(ids[0])</after>"), id: "q29303"))
        #expect(second.results.map { $0["id"] } == [ids[1]])
        #expect(second.iq?.first("fin", Namespaces.archive)?["complete"] == "true")
        let missing = ask(&harness, juliet, Self.query(start, set: set("<max>10</max><after>09af3-cc343-b409f</after>")))
        #expect(missing.iq?.condition == "item-not-found" && missing.results.isEmpty)
        let last = ask(&harness, juliet, Self.query(start, set: set("<max>1</max><before/>")))
        #expect(last.results.map { $0["id"] } == [ids[1]])
        let flipped = ask(&harness, juliet, Self.query(start, set: set("<max>10</max>"), more: "<flip-page/>"))
        #expect(flipped.results.map { $0["id"] } == ids.reversed())
        let ends = flipped.iq?.first("fin", Namespaces.archive)?.first("set", Namespaces.resultSet)
        #expect(ends?.first("first", Namespaces.resultSet)?.text == ids[0])
    }

    @Test("examples 26 and 27: metadata; XEP-0441 examples 1 to 5: preferences are there, changed, and in force")
    func metadataAndPreferences() {
        var (harness, juliet, ids, stamps) = scene()
        let metadata = ask(&harness, juliet, "<iq type='get' id='jui8921rr9'><metadata xmlns='urn:xmpp:mam:2'/></iq>").iq?
            .first("metadata", Namespaces.archive)
        #expect(metadata?.elements.map(\.name) == ["start", "end"])
        #expect(metadata?.elements.map { $0["id"] } == ids && metadata?.elements.map { $0["timestamp"] } == stamps)
        let before = ask(&harness, juliet, "<iq type='get' id='juliet2'><prefs xmlns='urn:xmpp:mam:2'/></iq>").iq?
            .first("prefs", Namespaces.archive)
        #expect(before?.elements.map(\.name) == ["always", "never"] && before?["default"] == "always")
        let wanted = """
            <prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>\(Self.romeo)</jid></always>\
            <never><jid>montague@montague.lit</jid></never></prefs>
            """
        let after = ask(&harness, juliet, "<iq type='set' id='juliet3'>\(wanted)</iq>").iq
        #expect(after?.first("prefs", Namespaces.archive) == ContentReader.elements(in: Array(wanted.utf8)).first)
        for sender in ["montague@montague.lit", "tybalt@brno.example"] {
            harness.receive("<message from='\(sender)/x' to='\(Self.juliet)' type='chat'><body>b</body></message>")
        }
        #expect(harness.search(juliet).ids == ids)
    }
}
