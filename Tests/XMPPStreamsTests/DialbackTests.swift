import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import XMPPStreams

@Suite("Dialback keys and elements")
struct DialbackTests {
    @Test(
        "XEP-0185 §3, XEP-0220 §2: the examples' keys",
        arguments: [
            (
                "s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F",
                "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"
            ),
            (
                "s3cr3tf0rd14lb4ck", "montague.example", "capulet.example", "D60000229F",
                "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"
            ),
            (
                "d14lb4ck43v3r", "capulet.example", "montague.example", "417GAF25",
                "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"
            ),
        ])
    func keys(secret: String, receiving: String, originating: String, streamID: String, key: String) {
        let secret = DialbackSecret(Array(secret.utf8))
        #expect(secret.dialbackKey(receiving: receiving, originating: originating, streamID: streamID) == key)
        #expect(secret.verifies(key, receiving: receiving, originating: originating, streamID: streamID))
        #expect(!secret.verifies(key, receiving: originating, originating: receiving, streamID: streamID))
        #expect(!secret.verifies("", receiving: receiving, originating: originating, streamID: streamID))
    }

    func element(_ text: String) throws -> DialbackElement? {
        let context = NamespaceContext(Namespaces.server, prefixes: [.init(prefix: "db", namespace: Namespaces.dialback)])
        return DialbackElement(try ElementTape(parsing: Array(text.utf8), context: context))
    }

    @Test("an element is read as it was written")
    func roundTrip() throws {
        var question = DialbackElement(.verify, from: jid("a.example"), to: jid("b.example"), id: "1'<", key: "ab<c")
        #expect(try element(String(decoding: question.serialized, as: UTF8.self)) == question)
        question = DialbackElement(.result, from: jid("a.example"), to: jid("b.example"), key: "abc")
        #expect(
            String(decoding: question.serialized, as: UTF8.self) == "<db:result from='a.example' to='b.example'>abc</db:result>"
        )
        let answer = question.answer(.error(.itemNotFound, words: ""))
        #expect(
            String(decoding: answer.serialized, as: UTF8.self)
                == "<db:result from='b.example' to='a.example' type='error'><error type='cancel'>"
                + "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>")
        #expect(try element(String(decoding: answer.serialized, as: UTF8.self)) == answer)
        #expect(
            answer.verdict(of: "b.example") == .error(.itemNotFound, words: "b.example answers dialback with item-not-found"))
    }

    @Test(
        "addresses must be domains",
        arguments: [
            "<db:result from='a@b.example' to='b.example'/>", "<db:result from='a.example' to='b.example/x'/>",
            "<db:result to='b.example'/>", "<db:result from='a.example'/>", "<db:other from='a.example' to='b.example'/>",
            "<db:result from='' to='b.example'/>",
        ])
    func malformed(text: String) throws {
        #expect(try element(text) == nil)
    }
}
