import Testing
import XMPPStanzas
import XMPPXML

@Suite struct AmplificationTests {
    @Test("a stanza whose prefixes would make it many times larger when rebuilt is refused")
    func prefixes() {
        let namespace = String(repeating: "n", count: 250)
        let children = String(repeating: "<p:a/>", count: 2000)
        let text = "<message xmlns:p='\(namespace)' to='a@b.example'><x xmlns='y'>z</x>\(children)</message>"
        #expect(throws: StanzaFailure.unacceptableXML(.oversized)) {
            try Stanza(
                parsing: Array(text.utf8), contentNamespace: Namespaces.client, context: NamespaceContext(Namespaces.client))
        }
    }
}
