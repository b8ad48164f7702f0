import Testing
import XMPPXML

@Suite("StartTag")
struct StartTagTests {
    private func splice(_ text: String, _ edits: [StartTag.Edit], declaring namespace: String? = nil) throws -> String {
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        try #require(StartTag(scanning: bytes)).splice(bytes, edits, declaring: namespace, into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    @Test("Splicing replaces attributes and keeps every other byte")
    func splicing() throws {
        let message = "<message\n to = 'x' from=\"a>b\"  id='&amp;' xmlns='jabber:client'><body>hi</body></message>"
        #expect(
            try splice(message, [.init("from", "a'b"), .init("to", nil)])
                == "<message  id='&amp;' from='a&apos;b'><body>hi</body></message>")
        #expect(
            try splice("<a b='c'/>", [.init("d", escaped: Array("e".utf8))], declaring: "n") == "<a xmlns='n' b='c' d='e'/>")
        #expect(try splice("<a />", []) == "<a/>")
    }

    @Test("Attributes are found with their raw values")
    func attributes() throws {
        let bytes = Array("<a b='1' xml:lang=\"de\" c=''>x</a>".utf8)
        let tag = try #require(StartTag(scanning: bytes))
        #expect(tag.attribute("xml:lang", in: bytes).map { Array(bytes[$0]) } == Array("de".utf8))
        #expect(tag.attribute("c", in: bytes)?.isEmpty == true)
        #expect(tag.attribute("lang", in: bytes) == nil)
        #expect(bytes[tag.end] == UInt8(ascii: "x"))
        var names = 0
        tag.forEachAttribute(in: bytes) { _ in names += 1 }
        #expect(names == 3)
    }

    @Test(
        "Bytes without a start tag give nil",
        arguments: ["", "<", "<a", "<a b", "<a b=", "<a b='", "<a b='c'", "<a/", "a>", "<>", "</a>"])
    func nothing(text: String) {
        #expect(StartTag(scanning: Array(text.utf8)) == nil)
    }
}
