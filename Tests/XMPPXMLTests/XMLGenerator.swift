@testable import XMPPXML

/// Random stanzas, well-formed by construction, and mutations of their bytes towards what parsers disagree about.
struct XMLGenerator {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// A well-formed stanza in a context that binds `stream`.
    mutating func stanza() -> [UInt8] {
        var text = ""
        element(depth: 0, prefixes: ["stream"], into: &text)
        return Array(text.utf8)
    }

    /// `bytes` with one to three changes.
    mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...Int.random(in: 0...2, using: &random) {
            let at = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, at + Int.random(in: 0...4, using: &random))
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes.removeSubrange(at..<end)
            case 1: bytes.insert(contentsOf: Self.snippets[Int.random(in: 0..<Self.snippets.count, using: &random)], at: at)
            case 2:
                bytes.replaceSubrange(at..<end, with: Self.snippets[Int.random(in: 0..<Self.snippets.count, using: &random)])
            case 3 where at < bytes.count: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 4 where at < bytes.count: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            default:
                let from = Int.random(in: 0...bytes.count, using: &random)
                bytes.insert(contentsOf: Array(bytes[from..<min(bytes.count, from + 12)]), at: at)
            }
        }
        return bytes
    }

    private static let snippets: [[UInt8]] =
        [
            "<", ">", "/>", "</", "&", ";", "'", "\"", "=", " ", "]]>", "]]", "<![CDATA[", "<!--", "-->", "<?", "?>",
            "<!DOCTYPE a [", "&amp;",
            "&#0;", "&#x", "&#13;", "&#xFFFE;", "&#1114112;", "&foo;", ":", "xmlns", "xmlns:", "xmlns=''", " xmlns:p=''",
            " xmlns:p='urn:a'",
            " p:a=''", " a=''", "xml:", "\r", "\r\n", "\n", "\t", "\u{0}", "\u{1}", "\u{FFFE}", "\u{FEFF}", "\u{E9}", "\u{B7}",
            "\u{37E}",
            "\u{10FFFF}", "\u{FF41}", "}", "|", "<a>", "</a>", "<a/>", "http://www.w3.org/XML/1998/namespace",
            "http://www.w3.org/2000/xmlns/",
            "stream:", "</r>",
        ].map { Array($0.utf8) } + [
            [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0x80], [0xC3], [0xEF, 0xBF],
        ]

    private mutating func pick(_ choices: [String]) -> String {
        choices[Int.random(in: 0..<choices.count, using: &random)]
    }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func element(depth: Int, prefixes: [String], into text: inout String) {
        var prefixes = prefixes
        var attributes = ""
        if chance(30) {
            attributes += space() + "xmlns" + value(pick(["urn:a", "urn:b", "jabber:client", "a+b", "", "urn:a&amp;b"]))
        }
        for prefix in ["p", "q", "stream"] where chance(12) {
            attributes += space() + "xmlns:\(prefix)" + value(pick(["urn:\(prefix)", "urn:x", "jabber:client"]))
            if !prefixes.contains(prefix) { prefixes.append(prefix) }
        }
        for name in ["to", "from", "id", "x\u{E9}", "a-b.c"] where chance(25) {
            attributes += space() + name + value(characters())
        }
        if chance(10) { attributes += space() + "xml:lang" + value("de") }
        // Distinct local names keep expanded names distinct, whatever the prefixes are bound to.
        for (number, prefix) in prefixes.enumerated() where chance(15) {
            attributes += space() + "\(prefix):k\(number)" + value("1")
        }
        let prefix = chance(20) ? pick(prefixes) + ":" : ""
        let name = prefix + pick(["a", "b", "message", "_x", "\u{E9}l\u{E9}ment"])
        text += "<" + name + attributes + (chance(20) ? pick([" ", "\n"]) : "")
        if chance(25) {
            text += "/>"
            return
        }
        text += ">"
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            switch Int.random(in: 0..<4, using: &random) {
            case 0 where depth < 5, 1 where depth < 3: element(depth: depth + 1, prefixes: prefixes, into: &text)
            case 2: text += "<![CDATA[" + pick(["", "<&>", "]]", "]", "\r\n", "x\r"]) + "]]>"
            default: text += characters()
            }
        }
        text += "</" + name + (chance(10) ? " " : "") + ">"
    }

    private mutating func space() -> String { pick([" ", " ", " ", "\n", "\t ", "\r\n"]) }

    private mutating func value(_ value: String) -> String {
        let quote = pick(["'", "\""])
        return pick(["=", "=", " =", "= "]) + quote + value + quote
    }

    private mutating func characters() -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            // `]]>` would end a section that was never begun, so no `>` follows a bracket.
            if text.hasSuffix("]") { text += "." }
            text += pick([
                "x", "hello world", "&amp;", "&lt;", "&#38;", "&#x9;", "&#13;", "&#10;", "\r", "\r\n", "\n", "\t", "\u{E9}",
                "\u{20AC}",
                "\u{1F600}", ">", "]]", "&quot;", "&apos;", "\u{FFFD}", "&#x1F600;", "  ",
            ])
        }
        return text.hasSuffix("]") ? text + "." : text
    }
}
