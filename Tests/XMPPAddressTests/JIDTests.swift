import Testing

@testable import XMPPAddress

@Suite("RFC 7622: JIDs")
struct JIDTests {
    @Test(
        "§3.5 table 1: texts that are JIDs",
        arguments: [
            ("juliet@example.com", "juliet", "example.com", nil),
            ("juliet@example.com/foo", "juliet", "example.com", "foo"),
            ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
            ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
            ("foo\\20bar@example.com", "foo\\20bar", "example.com", nil),
            ("fussball@example.com", "fussball", "example.com", nil),
            ("fu\u{DF}ball@example.com", "fu\u{DF}ball", "example.com", nil),
            ("\u{3C0}@example.com", "\u{3C0}", "example.com", nil),
            ("\u{3A3}@example.com/foo", "\u{3C3}", "example.com", "foo"),
            ("\u{3C3}@example.com/foo", "\u{3C3}", "example.com", "foo"),
            ("\u{3C2}@example.com/foo", "\u{3C2}", "example.com", "foo"),
            ("king@example.com/\u{265A}", "king", "example.com", "\u{265A}"),
            ("example.com", nil, "example.com", nil),
            ("example.com/foobar", nil, "example.com", "foobar"),
            ("a.example.com/b@example.net", nil, "a.example.com", "b@example.net"),
        ] as [(String, String?, String, String?)])
    func valid(text: String, localpart: String?, domainpart: String, resourcepart: String?) throws {
        let jid = try JID(text)
        #expect(jid.localpart == localpart)
        #expect(jid.domainpart == domainpart)
        #expect(jid.resourcepart == resourcepart)
        let parts = try JID(localpart: localpart, domainpart: domainpart, resourcepart: resourcepart)
        #expect(parts == jid)
    }

    @Test(
        "§3.5 table 2: texts that are no JIDs",
        arguments: [
            ("\"juliet\"@example.com", .disallowed("\"", .localpart)),
            ("foo bar@example.com", .disallowed(" ", .localpart)),
            ("@example.com/", .empty(.localpart)),
            ("henry\u{2163}@example.com", .disallowed("\u{2163}", .localpart)),
            ("\u{265A}@example.com", .disallowed("\u{265A}", .localpart)),
            ("juliet@", .empty(.domainpart)),
            ("/foobar", .empty(.domainpart)),
        ] as [(String, JIDError)])
    func invalid(text: String, error: JIDError) {
        #expect(throws: error) { try JID(text) }
    }

    @Test("§3.5 example 18 against §3.4: no rule forbids a leading space in a resourcepart, so it is accepted")
    func leadingSpace() throws {
        #expect(try JID("juliet@example.com/ foo").resourcepart == " foo")
    }

    @Test("§3.1: the first slash ends the bare JID, then the first at sign within it ends the localpart")
    func separators() throws {
        let jid = try JID("a@b/c@d/e@f")
        #expect(jid.localpart == "a")
        #expect(jid.domainpart == "b")
        #expect(jid.resourcepart == "c@d/e@f")
        #expect(throws: JIDError.disallowed("@", .domainpart)) { try JID("a@b@c") }
        #expect(throws: JIDError.empty(.domainpart)) { try JID("") }
        #expect(throws: JIDError.empty(.domainpart)) { try JID("@") }
        #expect(throws: JIDError.empty(.resourcepart)) { try JID("a@b/") }
    }

    @Test("§3.1: fullwidth separators are mapped after splitting, and then are no part of a localpart or domainpart")
    func fullwidthSeparators() {
        #expect(throws: JIDError.disallowed("@", .localpart)) { try JID("juliet\u{FF20}x@example.com") }
        #expect(throws: JIDError.self) { try JID("juliet\u{FF20}example.com") }
        #expect(throws: JIDError.self) { try JID("juliet@example.com\u{FF0F}foo") }
    }

    @Test("§3.3.1: the localpart excludes the delimiters and the characters that mark up XML", arguments: Array("\"&'/:<>"))
    func excludedFromLocalpart(character: Character) {
        #expect(throws: JIDError.self) { try Localpart.prepare("a\(character)b") }
        #expect(throws: JIDError.self) { try Localpart.prepare("\u{E9}\(character)b") }
        // The fullwidth form of the same character becomes it (U+FF02 is one for U+0022, and so on).
        let fullwidth = character.unicodeScalars.compactMap { Unicode.Scalar($0.value + 0xFEE0) }
        #expect(throws: JIDError.self) { try Localpart.prepare("a" + String(String.UnicodeScalarView(fullwidth)) + "b") }
    }

    @Test("RFC 7613 and RFC 8265: the domain and the localpart are compared without case, the resourcepart with it")
    func cases() throws {
        let jid = try JID("Juliet@EXAMPLE.com/Balcony")
        #expect(jid.description == "juliet@example.com/Balcony")
        #expect(jid == (try JID("juliet@example.com/Balcony")))
        #expect(jid != (try JID("juliet@example.com/balcony")))
        #expect(try Localpart.prepare("\u{C9}va") == "\u{E9}va")
    }

    @Test("Bare, full and domain JIDs are told apart and derived from each other")
    func derivation() throws {
        let full = try JID("juliet@example.com/balcony")
        let bare = try JID("juliet@example.com")
        let domain = try JID("example.com")
        #expect(full.bare == bare)
        #expect(full.domain == domain)
        #expect(full.isFull && !full.isBare && !full.isDomain)
        #expect(!bare.isFull && bare.isBare && !bare.isDomain)
        #expect(!domain.isFull && domain.isBare && domain.isDomain)
        #expect(try bare.with(resourcepart: "balcony") == full)
        #expect(throws: JIDError.empty(.resourcepart)) { try bare.with(resourcepart: "") }
        #expect(full.hasSameBare(as: bare))
        #expect(!full.hasSameBare(as: domain))
        #expect(JID(preparedLocalpart: "juliet", preparedDomainpart: "example.com", preparedResourcepart: "balcony") == full)
    }

    @Test("Every part may have 1,023 bytes, and a JID 3,071; not one more")
    func longest() throws {
        let localpart = String(repeating: "a", count: 1023)
        let domainpart =
            String(repeating: String(repeating: "b", count: 63) + ".", count: 15) + String(repeating: "c", count: 63)
        let resourcepart = String(repeating: "\u{20AC}", count: 341)
        let text = localpart + "@" + domainpart + "/" + resourcepart
        #expect(text.utf8.count == 3071)
        let jid = try JID(text)
        #expect(jid.description == text)
        var bytes: [UInt8] = []
        jid.write(to: &bytes)
        #expect(bytes.count == JID.maximumBytes)
        #expect(throws: JIDError.tooLong(.localpart)) { try JID("a" + text) }
        #expect(throws: JIDError.tooLong(.resourcepart)) { try JID(text + "d") }
        #expect(throws: JIDError.tooLong(.domainpart)) { try JID(localpart + "@b." + domainpart + "/" + resourcepart) }
        #expect(throws: JIDError.tooLong(.localpart)) { try Localpart.prepare(String(repeating: "\u{E9}", count: 512)) }
        #expect(throws: JIDError.tooLong(.resourcepart)) {
            try Resourcepart.prepare(String(repeating: "\u{E9}", count: 100_000))
        }
    }

    @Test("Bytes that are not UTF-8 are refused in every part")
    func notUTF8() {
        for bytes in [[0xFF], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]] {
            let part = Array("x".utf8) + bytes
            #expect(throws: JIDError.invalidUTF8(.localpart)) { try JID(utf8: (part + Array("@b".utf8))[...]) }
            #expect(throws: JIDError.invalidUTF8(.domainpart)) { try JID(utf8: part[...]) }
            #expect(throws: JIDError.invalidUTF8(.resourcepart)) { try JID(utf8: (Array("b/".utf8) + part)[...]) }
        }
    }

    @Test("A slice that does not begin at zero is parsed like any other")
    func slices() throws {
        let bytes = Array("to='juliet@example.com/balcony'".utf8)
        #expect(try JID(utf8: bytes[4..<(bytes.count - 1)]).description == "juliet@example.com/balcony")
        let text = "<juliet@example.com>"
        #expect(try JID(text.dropFirst().dropLast()).localpart == "juliet")
    }
}
