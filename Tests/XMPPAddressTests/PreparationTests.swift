import Testing

@testable import XMPPAddress

@Suite("RFC 8264, RFC 8265: preparation of localparts, resourceparts and passwords")
struct PreparationTests {
    @Test(
        "RFC 6120 §7.7.2.1: a resourcepart that conforms is made of nearly every text, and none of one that has nothing to keep"
    )
    func conforming() throws {
        #expect(Resourcepart.conforming("Handy \u{1F469}\u{200D}\u{1F4BB}\u{FE0F}") == "Handy \u{1F469}\u{1F4BB}")
        #expect(Resourcepart.conforming("\u{6F0}\u{660}\u{6F1}") != nil, "digits of two kinds, which must not be mixed")
        for nothing in ["", "\u{200B}", "\u{0}\u{7F}", "\u{200D}", String(repeating: "\u{200B}", count: 1 << 20)] {
            #expect(Resourcepart.conforming(nothing) == nil)
        }
        // Normalization form C makes three bytes of one, so that what is cut is too long once more.
        for long in ["x", "\u{E9}", "\u{FB2C}", "\u{1F4BB}\u{200D}"] {
            let made = try #require(Resourcepart.conforming(String(repeating: long, count: 3000)))
            #expect((500...JID.maximumPartBytes).contains(made.utf8.count))
            #expect(try Resourcepart.prepare(made) == made)
        }
    }

    @Test("§3.3: UsernameCaseMapped maps width, then case, then normalizes")
    func mappings() throws {
        #expect(Array(try Localpart.prepare("\u{FF21}\u{FF42}\u{FF11}").utf8) == Array("ab1".utf8))
        #expect(Array(try Localpart.prepare("E\u{301}va").utf8) == Array("\u{E9}va".utf8))
        // Halfwidth Katakana KA with a halfwidth voiced sound mark is GA.
        #expect(Array(try Localpart.prepare("\u{FF76}\u{FF9E}").utf8) == Array("\u{30AC}".utf8))
        // Unicode toLowerCase() knows the final sigma.
        #expect(try Localpart.prepare("\u{39D}\u{399}\u{39A}\u{39F}\u{3A3}") == "\u{3BD}\u{3B9}\u{3BA}\u{3BF}\u{3C2}")
    }

    @Test(
        "RFC 8264 §8: what the IdentifierClass refuses",
        arguments: [
            "\u{0}", "\u{7F}", "\u{85}", "\u{A0}", "\u{AD}", "\u{2028}", "\u{200B}", "\u{FEFF}", "\u{FFFE}", "\u{1F600}",
            "\u{1C5}",
            "\u{FB01}", "\u{1100}", "\u{640}", "\u{378}", "\u{E000}", "\u{212B}", "\u{20AC}", "\u{E0001}", "\u{2044}",
        ])
    func identifierClass(text: String) {
        #expect(throws: JIDError.self) { try Localpart.prepare("x" + text) }
    }

    @Test(
        "RFC 8264 §8: what the FreeformClass refuses",
        arguments: [
            "\u{0}", "\t", "\n", "\u{7F}", "\u{85}", "\u{AD}", "\u{2028}", "\u{200B}", "\u{FEFF}", "\u{FFFE}", "\u{1100}",
            "\u{640}",
            "\u{378}", "\u{E000}",
        ])
    func freeformClass(text: String) {
        #expect(throws: JIDError.self) { try Resourcepart.prepare("x" + text) }
        #expect(throws: JIDError.self) { try OpaqueString.prepare("\u{E9}" + text) }
    }

    @Test("§4.2.2: OpaqueString keeps case and width, makes every space one of ASCII, and normalizes")
    func opaqueString() throws {
        #expect(try OpaqueString.prepare("Correct Horse Battery Staple") == "Correct Horse Battery Staple")
        #expect(Array(try OpaqueString.prepare("foo\u{1680}ba\u{A0}r\u{3000}").utf8) == Array("foo ba r ".utf8))
        #expect(Array(try OpaqueString.prepare("Jack of \u{2666}s").utf8) == Array("Jack of \u{2666}s".utf8))
        #expect(Array(try OpaqueString.prepare("A\u{30A}").utf8) == Array("\u{C5}".utf8))
        #expect(Array(try OpaqueString.prepare("\u{FF21}").utf8) == Array("\u{FF21}".utf8))
        #expect(throws: JIDError.empty(.opaqueString)) { try OpaqueString.prepare("") }
        #expect(throws: JIDError.disallowed("\t", .opaqueString)) { try OpaqueString.prepare("my cat is a \tby") }
    }

    @Test(
        "RFC 4013 §2, §3: SASLprep maps, normalizes to form KC and keeps case; what came after Unicode 3.2 too",
        arguments: [
            ("I\u{AD}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{AA}", "a"), ("\u{2168}", "IX"),
            ("pass\u{B2}", "pass2"), ("\u{BD}", "1\u{2044}2"), ("\u{FB01}sh", "fish"), ("\u{FF21}\u{FF11}", "A1"),
            ("a\u{A0}b\u{3000}c", "a b c"), ("a\u{200B}b", "a b"), ("a\u{200D}\u{FE0F}b", "ab"), ("A\u{30A}", "\u{C5}"),
            ("\u{1F600}", "\u{1F600}"), ("\u{627}1\u{628}", "\u{627}1\u{628}"), ("\u{FDFA}\u{FDFA}", "\u{FDFA}\u{FDFA}"),
        ])
    func saslprep(text: String, prepared: String) throws {
        let once = try SASLprep.prepare(text)
        if text != "\u{FDFA}\u{FDFA}" {
            #expect(Array(once.utf8) == Array(prepared.utf8))
        } else {
            // The one that grows most: eleven times.
            #expect(once.utf8.count == 66)
        }
        #expect(try SASLprep.prepare(once) == once)
    }

    @Test(
        "RFC 4013 §2.3, §2.4: what SASLprep refuses",
        arguments: [
            "", "\t", "\u{7}", "x\u{7F}", "\u{85}", "\u{AD}", "\u{2028}", "\u{E000}", "\u{FFFD}", "\u{2FF0}", "\u{200E}",
            "\u{E0041}", "\u{378}", "\u{627}1", "1\u{627}", "\u{627}a\u{628}", "\u{5D0}\u{41}",
            String(repeating: "\u{E9}", count: 2047),
        ])
    func saslprepRefuses(text: String) {
        #expect(throws: JIDError.self) { try SASLprep.prepare(text) }
        do throws(JIDError) { _ = try SASLprep.prepare(text) } catch { #expect(SASLprep.words(error).contains(" ")) }
    }

    @Test(
        "RFC 5892 appendix A: code points that need a context, in it and out of it",
        arguments: [
            ("l\u{B7}l", true), ("L\u{B7}L", true), ("a\u{B7}l", false), ("\u{B7}", false),
            ("\u{375}\u{3B1}", true), ("\u{375}a", false), ("\u{375}", false),
            ("\u{5D0}\u{5F3}", true), ("\u{5F3}\u{5D0}", false), ("\u{5D0}\u{5F4}", true),
            ("\u{30A2}\u{30FB}", true), ("a\u{30FB}", false), ("a\u{30FB}\u{4E00}", true), ("\u{30FB}", false),
            ("\u{627}\u{660}", true), ("\u{627}\u{660}\u{6F0}", false), ("\u{627}\u{6F0}", true),
            ("\u{915}\u{94D}\u{200D}", true), ("a\u{200D}b", false), ("\u{200D}", false),
            ("\u{915}\u{94D}\u{200C}", true), ("\u{628}\u{200C}\u{628}", true), ("a\u{200C}b", false),
            ("\u{628}\u{200C}", false),
            ("\u{628}\u{64B}\u{200C}\u{64B}\u{627}", true), ("\u{627}\u{200C}\u{628}", false),
        ])
    func contexts(text: String, isValid: Bool) {
        #expect(((try? Localpart.prepare(text)) != nil) == isValid)
        #expect(((try? Resourcepart.prepare(text)) != nil) == (isValid && text != "L\u{B7}L"))
    }

    @Test(
        "RFC 5893 §2: a localpart with right-to-left code points obeys the Bidi Rule",
        arguments: [
            ("\u{5D0}\u{5D1}", true), ("\u{5D0}1", true), ("1\u{5D0}", false), ("\u{5D0}a", false), ("a\u{5D0}", false),
            ("\u{5D0}-", false), ("\u{5D0}-\u{5D1}", true), ("\u{627}1", true), ("\u{627}1\u{661}", false),
            ("\u{627}\u{64B}", true),
            ("-\u{5D0}", false), ("\u{660}\u{627}", false),
        ])
    func bidiRule(text: String, isValid: Bool) {
        #expect(((try? Localpart.prepare(text)) != nil) == isValid)
        // RFC 8265 §4.2.2: OpaqueString has no directionality rule.
        #expect((try? Resourcepart.prepare(text)) != nil)
    }

    @Test("The fast path for ASCII and the general one agree on every ASCII byte, wherever it stands")
    func fastPath() {
        var differences: [String] = []
        for byte in UInt8(0)...0x7F {
            for (before, after) in [("", ""), ("a", ""), ("", "a"), ("a", "a"), ("a.", ".a")] {
                let text = before + String(Unicode.Scalar(byte)) + after
                // U+0101 takes the general path and is left in place by all profiles.
                let domain = byte == UInt8(ascii: "[") ? "_" : text
                if (try? Localpart.prepare(text + "\u{101}")) != (try? Localpart.prepare(text)).map({ $0 + "\u{101}" })
                    || (try? Resourcepart.prepare(text + "\u{101}"))
                        != (try? Resourcepart.prepare(text)).map({ $0 + "\u{101}" })
                    || (try? Domainpart.prepare(domain + "x.\u{101}"))
                        != (try? Domainpart.prepare(domain + "x")).map({ $0 + ".\u{101}" })
                {
                    differences.append(text.debugDescription)
                }
            }
        }
        #expect(differences.isEmpty)
    }
}
