import Testing
import XMPPXML

@Suite("ElementTape")
struct ElementTapeTests {
    private let client = NamespaceContext("jabber:client", prefixes: [.init(prefix: "stream", namespace: XMLNamespace.streams)])

    private func tape(_ text: String) throws -> ElementTape {
        try ElementTape(parsing: Array(text.utf8), context: client)
    }

    @Test("Names, namespaces, attributes and children are found in place")
    func navigation() throws {
        let tape = try tape(
            "<message to='a@b' type=\"chat\" xml:lang='en' id='a&amp;b'><body>1 &lt; 2<![CDATA[ & 3]]></body>\n"
                + "<active xmlns='urn:x'/><y:z xmlns:y='urn:y' y:k='v'/></message>")
        #expect(tape.is("message", "jabber:client"))
        #expect(tape.attribute("to") == "a@b")
        #expect(tape.attribute("id", equals: "a&b"))
        #expect(tape.attribute("lang") == nil)
        #expect(tape.attribute("lang", namespace: XMLNamespace.xml) == "en")
        let children = Array(tape.children())
        #expect(children.count == 3)
        let body = children[0]
        #expect(tape.is("body", "jabber:client", at: body))
        #expect(tape.text(of: body) == "1 < 2 & 3")
        #expect(tape.is("active", "urn:x", at: children[1]))
        let z = children[2]
        #expect(tape.is("z", "urn:y", at: z))
        #expect(tape.name(of: z) == "z")
        #expect(tape.attribute("k", namespace: "urn:y", of: z) == "v")
        #expect(tape.element().elements.count == 3)
        #expect(String(decoding: tape.bytes[tape.range(of: z)], as: UTF8.self) == "<y:z xmlns:y='urn:y' y:k='v'/>")
    }

    @Test(
        "Malformed XML is refused",
        arguments: [
            "", "<", "<a", "<a>", "<a/", "<a/><b/>", "<a></b>", "<a></a", " <a/>", "<a/> ", "<a b='1'c='2'/>", "<a b=1/>",
            "<a b='<'/>",
            "<a b='1' b='2'/>", "<a>&</a>", "<a>&amp</a>", "<a>&#0;</a>", "<a>&#x110000;</a>", "<a>&#xD800;</a>", "<a>&#;</a>",
            "<a>]]></a>", "<a>\u{1}</a>", "<a>\u{FFFF}</a>", "<1/>", "<a:/>", "<:a/>", "<a:b:c/>", "<u:a/>", "<a u:b='1'/>",
            "<a xmlns:p=''/>", "<a xmlns:xml='urn:x'/>", "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
            "<a xmlns='http://www.w3.org/XML/1998/namespace'/>", "<a xmlns:xmlns='urn:x'/>",
            "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
            "<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='' q:b=''/>",
            "<a xmlns:p='urn:x&amp;'><b xmlns:q='urn:x&#38;' p:b='' q:b=''/></a>",
            "<a xmlns:p='jabber:client'><b xmlns:q='jabber:client' p:b='' q:b=''/></a>",
            "<a xmlns:q='http://etherx.jabber.org/streams' stream:b='' q:b=''/>", "<xmlns:a/>", "<a><![CDATA[</a>", "<a / >",
            "< a/>",
            "<a></ a>",
            "<a><![CDATAx[]]></a>", "<a\u{D7}/>",
        ])
    func malformed(text: String) {
        #expect(throws: XMLFailure.notWellFormed) { try tape(text) }
    }

    @Test(
        "RFC 6120 §11.1: comments, processing instructions, document types and entity references are refused",
        arguments: ["<a><!-- x --></a>", "<a><?x y?></a>", "<a>&foo;</a>", "<a b='&foo;'/>", "<a><!DOCTYPE a></a>"])
    func restricted(text: String) {
        #expect(throws: XMLFailure.restrictedXML) { try tape(text) }
    }

    @Test(
        "Wrong UTF-8 is refused in text, values and names",
        arguments: [
            [0x80], [0xC3], [0xC0, 0xAF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF8, 0x80, 0x80, 0x80],
        ] as [[UInt8]])
    func utf8(sequence: [UInt8]) {
        for frame in ["<a>?</a>", "<a b='?'/>", "<a?/>", "<a><![CDATA[?]]></a>"] {
            let bytes = frame.utf8.flatMap { $0 == UInt8(ascii: "?") ? sequence : [$0] }
            #expect(throws: XMLFailure.notWellFormed) { try ElementTape(parsing: bytes) }
        }
    }

    @Test("Limits on depth, attributes, declarations, names and size")
    func limits() throws {
        var limits = XMLLimits()
        limits.depth = 3
        limits.attributes = 2
        limits.namespaces = 3
        limits.nameBytes = 5
        limits.namespaceBytes = 6
        limits.stanzaBytes = 200
        func parse(_ text: String) throws { _ = try ElementTape(parsing: Array(text.utf8), limits: limits) }
        try parse("<a><b><c/></b></a>")
        #expect(throws: XMLFailure.tooDeep) { try parse("<a><b><c><d/></c></b></a>") }
        try parse("<a b='' c=''/>")
        #expect(throws: XMLFailure.tooManyAttributes) { try parse("<a b='' c='' d=''/>") }
        try parse("<a xmlns='a' xmlns:b='b'><b:b xmlns='c'/><b:b xmlns='c'/></a>")
        #expect(throws: XMLFailure.tooManyNamespaces) { try parse("<a xmlns='a' xmlns:b='b'><b:b xmlns='c' xmlns:d='d'/></a>") }
        try parse("<abcde/>")
        #expect(throws: XMLFailure.nameTooLong) { try parse("<abcdef/>") }
        try parse("<a xmlns='123456'/>")
        #expect(throws: XMLFailure.nameTooLong) { try parse("<a xmlns='1234567'/>") }
        try parse("<a>\(String(repeating: "x", count: 193))</a>")
        #expect(throws: XMLFailure.oversized) { try parse("<a>\(String(repeating: "x", count: 194))</a>") }
    }

    @Test(
        "A stanza is forwardable if its content means the same under another start tag",
        arguments: [
            ("<message><body>x</body><a xmlns='urn:a'><b/></a></message>", true),
            ("<message xmlns='jabber:client' xml:lang='en'><p:x xmlns:p='urn:p' p:y=''/></message>", true),
            (
                "<message><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body/></message></forwarded></message>",
                true
            ),
            ("<message xmlns='jabber:server'><body/></message>", false),
            ("<message xmlns:p='urn:p'><body/></message>", false),
            ("<message><stream:x/></message>", false),
            ("<message><body xmlns='jabber:client'/></message>", false),
            ("<p:message xmlns:p='jabber:client'/>", false),
            ("<message><p:forwarded xmlns:p='urn:xmpp:forward:0'><message/></p:forwarded></message>", false),
            ("<message><x xmlns='urn:x'><y xmlns=''/></x></message>", true),
        ])
    func forwardable(text: String, expected: Bool) throws {
        #expect(try tape(text).isForwardable(contentNamespace: "jabber:client") == expected)
    }
}
