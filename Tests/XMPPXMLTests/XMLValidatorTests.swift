import Testing

@testable import XMPPXML

@Suite("XMLValidator")
struct XMLValidatorTests {
    private let client = NamespaceContext("jabber:client", prefixes: [.init(prefix: "stream", namespace: XMLNamespace.streams)])

    private func validate(_ text: String) -> Bool {
        XMLValidator().validate(Array(text.utf8), context: client)
    }

    @Test(
        "libxml2 accepts stanzas with the stream's prefixes",
        arguments: [
            "<a/>", "<stream:features/>", "<m to='a'><b xmlns='not-a-uri'>x &amp; &#233;</b><![CDATA[<]]></m>",
            "<a b='&lt;&amp;&#10;'/>",
        ])
    func accepted(text: String) throws {
        #expect(validate(text))
        #expect(try XMLValidator().agrees(with: ElementTape(parsing: Array(text.utf8), context: client)))
    }

    @Test(
        "libxml2 refuses what is malformed, restricted, more or less than one element",
        arguments: [
            "", "x", "<a/><b/>", "<a/><b/><c/><d/>", "<a/>x", " <a/>", "<a>", "</r>", "</r><r>", "<a/></r><!--", "<x:a/>",
            "<a x:b=''/>",
            "<a b='' b=''/>",
            "<a><!-- --></a>", "<a><?b?></a>", "<a>&b;</a>", "<a>\u{0}</a>", "<!DOCTYPE a>", "<a xmlns:p=''/>",
        ])
    func refused(text: String) {
        #expect(!validate(text))
    }

    @Test("Several elements at once: accepted where each is, and only where each ends as the caller says")
    func runs() {
        let validator = XMLValidator()
        func accepts(_ first: String, _ others: String, _ ends: [Int]) -> Bool {
            let bytes = Array("??\(others)".utf8)
            return validator.validate(Array(first.utf8), followedBy: bytes[2...], endingAt: ends)
        }
        #expect(accepts("<a/>", "<b>x</b><c/>", [8, 12]))
        #expect(accepts("<a xmlns:x='urn:x'/>", "", []))
        for ends in [[8], [12], [4, 12], [8, 11], [8, 12, 12], []] {
            #expect(!accepts("<a/>", "<b>x</b><c/>", ends), "\(ends)")
        }
        #expect(!accepts("<a>", "</a>", [4]), "the first ends elsewhere")
        #expect(!accepts("<a/>", "<b/></r><r>", [4]))
        #expect(!accepts("<a/>", " <b/>", [5]))
        #expect(!accepts("<a xmlns:x='urn:x'/>", "<x:b/>", [6]), "a prefix is in force in its element alone")
        #expect(accepts("<a/>", "<b/>", [4]), "a refusal leaves nothing behind")
    }

    @Test("A refused stanza leaves no namespace declaration behind")
    func noLeftovers() {
        let validator = XMLValidator()
        #expect(!validator.validate(Array("<a xmlns:x='urn:x'><x:b><c></a>".utf8), context: client))
        #expect(!validator.validate(Array("<x:a/>".utf8), context: client))
        #expect(validator.validate(Array("<a/>".utf8), context: client))
    }

    @Test("Fresh attribute names fill the dictionary, but never so far that a stanza is refused")
    func dictionary() {
        let validator = XMLValidator()
        var largest = 0
        var renewals = 0
        for stanza in 0..<400 {
            var text = "<a"
            for attribute in 0..<40 { text += " x\(stanza)-\(attribute)-\(String(repeating: "y", count: 200))=''" }
            guard validator.validate(Array((text + "/>").utf8), context: client) else {
                Issue.record("stanza \(stanza) was refused")
                return
            }
            largest = max(largest, validator.dictionaryBytes)
            if validator.dictionaryBytes < largest { renewals += 1 }
        }
        // Without renewal it would hold 3 MB by now.
        #expect(renewals > 0)
        #expect(largest > 300_000)
        #expect(largest < 1_100_000)
    }
}
