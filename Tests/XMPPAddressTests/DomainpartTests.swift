import Testing

@testable import XMPPAddress

@Suite("RFC 7622 §3.2: domainparts")
struct DomainpartTests {
    @Test(
        "Names are written with U-labels, in lower case, without a trailing dot",
        arguments: [
            ("Example.COM", "example.com"), ("example.com.", "example.com"), ("localhost", "localhost"),
            ("xn--bcher-kva.example", "b\u{FC}cher.example"), ("XN--BCHER-KVA.Example.", "b\u{FC}cher.example"),
            ("B\u{DC}CHER.example", "b\u{FC}cher.example"), ("bu\u{308}cher.example", "b\u{FC}cher.example"),
            ("fu\u{DF}ball.example", "fu\u{DF}ball.example"), ("xn--fuball-cta.example", "fu\u{DF}ball.example"),
            ("\u{FF45}\u{FF58}\u{FF0E}\u{FF43}\u{FF4F}\u{FF4D}", "ex.com"),
            ("\u{4F8B}\u{3002}\u{5B50}\u{3002}", "\u{4F8B}.\u{5B50}"),
            ("plze\u{148}.example", "plze\u{148}.example"), ("r3---sn.example", "r3---sn.example"), ("127.0.0.1", "127.0.0.1"),
        ])
    func names(text: String, prepared: String) throws {
        #expect(Array(try Domainpart.prepare(text).utf8) == Array(prepared.utf8))
    }

    @Test(
        "What is no domain name",
        arguments: [
            "", ".", "..", "a..b", ".a", "a..", "-a.example", "a-.example", "a_b.example", "a b", "a:5269", "a<b", "a\u{0}b",
            "a@b",
            "xn--", "xn--a", "xn--abc-", "xn--0.example", "xn--example-.com", "\u{265A}.example", "\u{E9}_a", "\u{E9} a",
            "\u{E9}<", "\u{E9}@a",
            "\u{E9}/a", "\u{E9}\u{0}", "-\u{E9}", "\u{E9}-", "\u{301}a", "a\u{200D}b.example", "a\u{B7}b.example", "\u{E9}..a",
            "\u{5D0}a.example", "1a.\u{5D0}", "\u{E9}.1a.\u{5D0}b", "\u{1F600}.example", "\u{3002}", "xn--fuball-cta9.example",
        ])
    func invalidNames(text: String) {
        #expect(throws: JIDError.self) { try Domainpart.prepare(text) }
    }

    @Test("An A-label which is not what its U-label converts to is refused: one name must not have two spellings")
    func deceptiveALabels() {
        // Punycode of "Bücher" with a capital letter, of plain ASCII, and of a decomposed letter.
        for text in ["xn--Bcher-kva.example", "xn--BCHER-KVA.example"] {
            #expect((try? Domainpart.prepare(text)) == "b\u{FC}cher.example")
        }
        for text in ["xn--example-", "xn--bucher-xyd.example", "xn--ls8h.example"] {
            #expect(throws: JIDError.self) { try Domainpart.prepare(text) }
        }
    }

    @Test("RFC 1035 §2.3.4: a label has at most 63 bytes in ASCII form")
    func labels() throws {
        let longest = String(repeating: "a", count: 63)
        #expect(try Domainpart.prepare(longest) == longest)
        #expect(throws: JIDError.tooLong(.domainpart)) { try Domainpart.prepare(longest + "a") }
        #expect(throws: JIDError.self) { try Domainpart.prepare(longest + "\u{E9}") }
    }

    @Test(
        "RFC 5952: IPv6 literals are compared by value",
        arguments: [
            ("[::1]", "[::1]"), ("[0:0:0:0:0:0:0:1]", "[::1]"), ("[::]", "[::]"), ("[2001:DB8::0:1]", "[2001:db8::1]"),
            ("[1::]", "[1::]"),
            ("[2001:db8:0:1:1:1:1:1]", "[2001:db8:0:1:1:1:1:1]"), ("[2001:0:0:1:0:0:0:1]", "[2001:0:0:1::1]"),
            ("[2001:db8:0:0:1:0:0:1]", "[2001:db8::1:0:0:1]"), ("[::ffff:192.0.2.1]", "[::ffff:c000:201]"),
            ("[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7:0]"), ("[1:2:3:4:5:6:1.2.3.4]", "[1:2:3:4:5:6:102:304]"),
        ])
    func ipv6(text: String, prepared: String) throws {
        #expect(try Domainpart.prepare(text) == prepared)
        #expect(try JID("a@\(text)/r").domainpart == prepared)
    }

    @Test(
        "What is no IPv6 literal",
        arguments: [
            "[", "[]", "[:]", "[:::]", "[1]", "[::1", "[::1].", "[::1]:5269", "[1:2:3:4:5:6:7:8:9]", "[1::2::3]", "[12345::]",
            "[g::]", "[+1::]",
            "[1:2:3:4:5:6:7:8::]", "[::1%eth0]", "[1:]", "[:1]", "[::1.2.3]", "[::1.2.3.256]", "[::01.2.3.4]", "[::1.2.3.4:5]",
            "[127.0.0.1]",
            "[\u{E9}]", "[::\u{661}]", "[1:2:3:4:5:6:7:1.2.3.4]",
        ])
    func invalidIPv6(text: String) {
        #expect(throws: JIDError.invalidDomain) { try Domainpart.prepare(text) }
    }

    @Test("The ASCII form is made of A-labels and ends at the 253 bytes of the DNS")
    func asciiForm() throws {
        #expect(try Domainpart.asciiForm("example.com") == "example.com")
        #expect(try Domainpart.asciiForm("b\u{FC}cher.example") == "xn--bcher-kva.example")
        #expect(try Domainpart.asciiForm("fu\u{DF}ball.example") == "xn--fuball-cta.example")
        #expect(try Domainpart.asciiForm("[::1]") == "[::1]")
        let long = Array(repeating: String(repeating: "a", count: 63), count: 4).joined(separator: ".")
        #expect(try Domainpart.asciiForm(String(long.dropLast(2))) == String(long.dropLast(2)))
        #expect(throws: JIDError.tooLong(.domainpart)) { try Domainpart.asciiForm(long) }
        #expect(throws: JIDError.tooLong(.domainpart)) { try Domainpart.asciiForm("\u{E9}." + long.dropLast(4)) }
    }
}
