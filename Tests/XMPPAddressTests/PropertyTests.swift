import Testing

@testable import XMPPAddress

@Suite("Properties of preparation, over seeded random texts")
struct PropertyTests {
    /// Code points at which preparations differ: delimiters, cases, widths, marks, digits, joiners, both directions.
    private static let interesting: [ClosedRange<UInt32>] = [
        0x00...0x7F, 0x21...0x7E, 0x30...0x39, 0x61...0x7A, 0xA0...0x17F, 0x300...0x36F, 0x370...0x3FF, 0x5D0...0x5F4,
        0x600...0x6FF,
        0x900...0x97F, 0x1100...0x1112, 0x1E00...0x1FFF, 0x2000...0x206F, 0x2100...0x218F, 0x3000...0x30FF, 0x4E00...0x4E20,
        0xAC00...0xAC20, 0xFB00...0xFB4F, 0xFE00...0xFE0F, 0xFF00...0xFFEF, 0x1_0400...0x1_044F, 0x1_F600...0x1_F64F,
        0x0...0x10_FFFF,
    ]

    private func text(_ count: Int, _ random: inout SplitMix) -> String {
        var scalars = String.UnicodeScalarView()
        // A text of one script passes more often than a mixture.
        let range = Self.interesting.randomElement(using: &random) ?? 0...0x7F
        for _ in 0..<count {
            let stray = Int.random(in: 0..<8, using: &random) == 0
            let code = UInt32.random(
                in: stray ? Self.interesting.randomElement(using: &random) ?? range : range, using: &random)
            if let scalar = Unicode.Scalar(code) { scalars.append(scalar) }
        }
        return String(scalars)
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("What is prepared stays as it is when prepared again", arguments: 1...8 as ClosedRange<UInt64>)
    func idempotence(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        var accepted = 0
        for _ in 0..<3_000 {
            let text = text(Int.random(in: 1...12, using: &random), &random)
            if let once = try? Localpart.prepare(text) {
                #expect(bytes(try Localpart.prepare(once)) == bytes(once), "localpart \(text.debugDescription)")
                accepted += 1
            }
            if let once = try? Domainpart.prepare(text) {
                #expect(bytes(try Domainpart.prepare(once)) == bytes(once), "domainpart \(text.debugDescription)")
                accepted += 1
            }
            if let once = try? OpaqueString.prepare(text) {
                #expect(bytes(try OpaqueString.prepare(once)) == bytes(once), "opaque string \(text.debugDescription)")
                accepted += 1
            }
        }
        #expect(accepted > 300)
    }

    @Test("A prepared domain and its ASCII form are one domain", arguments: 1...4 as ClosedRange<UInt64>)
    func asciiForm(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        for _ in 0..<3_000 {
            guard let domain = try? Domainpart.prepare(text(Int.random(in: 1...10, using: &random), &random) + ".example")
            else { continue }
            let ascii = try Domainpart.asciiForm(domain)
            #expect(ascii.utf8.allSatisfy { $0 < 0x80 })
            #expect(bytes(try Domainpart.prepare(ascii)) == bytes(domain))
        }
    }

    @Test("A JID, written and parsed, is the same JID", arguments: 1...4 as ClosedRange<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        var accepted = 0
        for _ in 0..<4_000 {
            let localpart = Bool.random(using: &random) ? text(Int.random(in: 1...6, using: &random), &random) : nil
            let resourcepart = Bool.random(using: &random) ? text(Int.random(in: 1...6, using: &random), &random) : nil
            let domainpart = text(Int.random(in: 1...4, using: &random), &random) + ".example"
            guard let jid = try? JID(localpart: localpart, domainpart: domainpart, resourcepart: resourcepart) else { continue }
            accepted += 1
            var written: [UInt8] = []
            jid.write(to: &written)
            let parsed = try JID(utf8: written[...])
            #expect(parsed == jid)
            #expect(parsed.hashValue == jid.hashValue)
            #expect(bytes(jid.description) == written)
            #expect(bytes(parsed.description) == written)
        }
        #expect(accepted > 50)
    }

    @Test("No bytes make the parser crash, and what it accepts keeps the limits", arguments: 1...8 as ClosedRange<UInt64>)
    func hostileBytes(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let pieces = [
            "@", "/", ".", "[", "]", ":", "xn--", "a", "A", "1", "-", "\u{E9}", "\u{5D0}", "\u{FF20}", "\u{200D}", "\u{3002}",
            "\0",
        ]
        for _ in 0..<6_000 {
            var input: [UInt8] = []
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                if Bool.random(using: &random) {
                    input += Array((pieces.randomElement(using: &random) ?? "").utf8)
                } else {
                    input.append(UInt8.random(in: 0...255, using: &random))
                }
            }
            guard let jid = try? JID(utf8: input[...]) else { continue }
            for part in [jid.localpart, jid.domainpart, jid.resourcepart] {
                if let part { #expect((1...JID.maximumPartBytes).contains(part.utf8.count)) }
            }
        }
    }

    @Test("Hostile lengths: one letter with thousands of marks, thousands of labels, thousands of A-labels")
    func hostileLengths() {
        let marks = "a" + String(repeating: "\u{301}\u{316}", count: 50_000)
        #expect(throws: JIDError.self) { try JID(marks + "@" + marks + "/" + marks) }
        #expect(throws: JIDError.self) { try JID("a" + String(repeating: "\u{301}\u{316}", count: 1_000)) }
        #expect(throws: JIDError.self) { try Domainpart.prepare(String(repeating: "\u{E9}.", count: 1_300)) }
        #expect(throws: JIDError.self) { try Domainpart.prepare(String(repeating: "xn--4ca.", count: 500)) }
        // U+FB1D and U+0390 grow most in normalization forms D and C.
        #expect(throws: JIDError.self) { try Resourcepart.prepare(String(repeating: "\u{FB1D}", count: 1_300)) }
        #expect(throws: JIDError.self) { try Localpart.prepare(String(repeating: "\u{130}", count: 1_300)) }
    }
}
