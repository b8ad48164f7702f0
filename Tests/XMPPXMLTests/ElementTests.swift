import Testing
import XMPPXML

@Suite("Element")
struct ElementTests {
    private func string(_ element: Element, within namespace: String = "") -> String {
        String(decoding: element.serialized(within: namespace), as: UTF8.self)
    }

    @Test("xmlns is written only where the namespace differs from the one in force")
    func namespaces() {
        let message = Element(
            "message", "jabber:client", [("to", "a@b")],
            elements: [
                Element("body", "jabber:client", text: "hi"), Element("active", "http://jabber.org/protocol/chatstates"),
            ])
        #expect(
            string(message, within: "jabber:client")
                == "<message to='a@b'><body>hi</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>")
        #expect(string(Element("a", ""), within: "x") == "<a xmlns=''/>")
    }

    @Test("What is written reads back the same, whatever the text")
    func roundTrip() throws {
        var element = Element("a", "urn:a", [("q", "'\"<>&\t\n\r x"), ("xml:lang", "de")], [.text("<&>]]>'\"\r\n\t\u{E9}")])
        element["p", "urn:b"] = "1"
        element["q", "urn:b"] = "2"
        element.append(Element("b", "", text: "x"))
        let bytes = element.serialized(within: "")
        #expect(try Element(parsing: bytes) == element)
    }

    @Test("Characters that XML forbids are written as U+FFFD")
    func forbiddenCharacters() throws {
        let element = Element("a", "", [("b", "\u{0}\u{FFFE}")], text: "\u{1F}\u{FFFF}\u{FFFD}")
        #expect(string(element) == "<a b='\u{FFFD}\u{FFFD}'>\u{FFFD}\u{FFFD}\u{FFFD}</a>")
    }

    @Test("A namespace with a prefix in the context is written with that prefix")
    func prefixes() {
        let context = NamespaceContext("jabber:client", prefixes: [.init(prefix: "stream", namespace: XMLNamespace.streams)])
        var bytes: [UInt8] = []
        Element("features", XMLNamespace.streams, elements: [Element("bind", "urn:ietf:params:xml:ns:xmpp-bind")])
            .write(to: &bytes, within: context)
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>")
    }

    @Test("Translation to another content namespace leaves forwarded stanzas alone")
    func translation() {
        let inner = Element("message", "jabber:client", elements: [Element("body", "jabber:client")])
        let outer = Element(
            "message", "jabber:client",
            elements: [Element("forwarded", "urn:xmpp:forward:0", elements: [inner]), Element("body", "jabber:client")])
        let translated = outer.translated(from: "jabber:client", to: "jabber:server")
        #expect(translated.namespace == "jabber:server")
        #expect(translated.first("body", "jabber:server") != nil)
        #expect(translated.first("forwarded", "urn:xmpp:forward:0")?.elements == [inner])
    }
}
