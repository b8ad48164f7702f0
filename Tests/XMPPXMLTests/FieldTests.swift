import Glibc
import Testing

@testable import XMPPXML

/// What we accept everybody else must be able to read: one stanza that expat refuses throws out each client that is sent it.
@Suite("Agreement with the parsers in the field")
struct FieldTests {
    private let expat = Expat()

    private func isAccepted(_ text: String) -> Bool { (try? ElementTape(parsing: Array(text.utf8))) != nil }

    @Test("Names: of all characters just those that expat, libxml2's tables of XML 1.0 appendix B and we accept")
    func everyCharacter() throws {
        func production(_ name: String) throws -> @convention(c) (CUnsignedInt) -> CInt {
            let symbol = try #require(dlsym(nil, name))
            return unsafeBitCast(symbol, to: (@convention(c) (CUnsignedInt) -> CInt).self)
        }
        let (base, ideographic) = (try production("xmlIsBaseChar"), try production("xmlIsIdeographic"))
        let (digit, combining) = (try production("xmlIsDigit"), try production("xmlIsCombining"))
        let extender = try production("xmlIsExtender")
        var starts = 0
        var names = 0
        for number in UInt32(0x80)...0x10FFFF {
            guard let scalar = Unicode.Scalar(number) else { continue }
            let isStart = base(number) != 0 || ideographic(number) != 0
            let isName = isStart || digit(number) != 0 || combining(number) != 0 || extender(number) != 0
            #expect(XMLNameRanges.isStart(number) == isStart, "U+\(String(number, radix: 16))")
            #expect(XMLNameRanges.isName(number) == isName, "U+\(String(number, radix: 16))")
            if isStart { starts += 1 }
            if isName { names += 1 }
            // Beyond the first plane both parsers are asked about a part only: there are a million.
            guard number < 0x11000 || number & 0xFFF < 2 else { continue }
            let (first, later) = ("<\(scalar)/>", "<a\(scalar)/>")
            #expect((expat.read(Array(first.utf8)) != nil) == isStart, "expat: \(first)")
            #expect((expat.read(Array(later.utf8)) != nil) == isName, "expat: \(later)")
            #expect(isAccepted(first) == isStart, "\(first)")
            #expect(isAccepted(later) == isName, "\(later)")
        }
        #expect(starts == 34_462 && names == 35_056)
    }

    @Test(
        "A name that only the fifth edition allows is refused wherever a name stands",
        arguments: [
            "<\u{FF41}/>", "<a\u{FEFF}/>", "<a \u{FF41}='1'/>", "<a xmlns:\u{FF41}='urn:x'/>",
            "<\u{FF41}:a xmlns:\u{FF41}='urn:x'/>", "<a xmlns:p='urn:x' p:\u{10000}=''/>", "<a><b><c\u{203F}/></b></a>",
        ])
    func newNames(text: String) throws {
        #expect(throws: XMLFailure.unusualName) { try ElementTape(parsing: Array(text.utf8)) }
        #expect(expat.read(Array(text.utf8)) == nil)
        #expect(XMLValidator().validate(Array(text.utf8), context: .init()), "libxml2 knows the fifth edition")
        var limits = XMLLimits()
        limits.bearsUnusualNames = true
        _ = try ElementTape(parsing: Array(text.utf8), limits: limits)
    }

    @Test("Namespaces: no character that somebody has set between namespace and name, and every one of a URI")
    func separators() {
        for byte in UInt8(0x20)...0x7F where !"&<'".utf8.contains(byte) {
            let text = "<a xmlns='urn:\(Character(Unicode.Scalar(byte)))x'/>"
            let isSafe = Expat.separators.allSatisfy { expat.read(Array(text.utf8), separator: $0) != nil }
            if isAccepted(text) { #expect(isSafe, "\(text)") }
            let isOfURI = Character(Unicode.Scalar(byte)).isLetter || "0123456789-._~:/?#[]@!$&'()*+,;=%".utf8.contains(byte)
            #expect(isAccepted(text) == isOfURI, "\(text)")
        }
        for text in ["<a xmlns='urn:&#9;x'/>", "<a xmlns='urn:&#32;x'/>", "<a xmlns='&lt;'/>", "<a xmlns:p='urn:&#x7D;'/>"] {
            #expect(throws: XMLFailure.unusualName) { try ElementTape(parsing: Array(text.utf8)) }
        }
        #expect(isAccepted("<a xmlns='http://a.example/?b&amp;c=&apos;d&apos;#\u{E9}'/>"))
    }

    @Test("Stream headers: names and namespaces as in stanzas", arguments: ["xmlns:\u{FF41}='urn:x'", "xmlns:x='urn:}'"])
    func headers(declaration: String) {
        var framer = StanzaFramer()
        framer.append(Array("<stream:stream xmlns:stream='http://etherx.jabber.org/streams' \(declaration)>".utf8))
        #expect(throws: XMLFailure.unusualName) { try framer.next() }
    }

    @Test("Generated and mutated stanzas: expat accepts what we accept, whatever its separator is, and reads it alike")
    func stanzas() throws {
        var generator = XMLGenerator(seed: 7)
        let declarations = " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
        let client = NamespaceContext("jabber:client", prefixes: [.init(prefix: "stream", namespace: XMLNamespace.streams)])
        var accepted = 0
        for round in 0..<10_000 {
            let stanza = round % 4 == 0 ? generator.stanza() : generator.mutated(generator.stanza())
            let separator = Expat.separators[round % Expat.separators.count]
            guard let tape = try? ElementTape(parsing: stanza, context: client) else { continue }
            accepted += 1
            var dump: [UInt8] = []
            tape.element().dump(to: &dump)
            #expect(
                expat.read(stanza, declarations: declarations, separator: separator) == dump,
                "\(String(decoding: stanza, as: UTF8.self).debugDescription)")
        }
        #expect(accepted > 2_500)
    }

    @Test(
        "What every parser accepts in text and values is left alone",
        arguments: [
            "\u{FEFF}", "&#xFDD0;", "&#x1FFFE;", "&#x10FFFF;", "\u{80}", "\u{9F}", "\u{85}", "\u{2028}", "\u{7F}", "&#x80;",
            "&#x1FFFF;", "&#13;", "&#9;",
        ])
    func characters(text: String) throws {
        let stanza = Array("<a b='\(text)' xml:lang='\(text)'>\(text)</a>".utf8)
        var dump: [UInt8] = []
        try ElementTape(parsing: stanza).element().dump(to: &dump)
        #expect(expat.read(stanza) == dump)
        #expect(try XMLValidator().agrees(with: ElementTape(parsing: stanza)))
    }
}
