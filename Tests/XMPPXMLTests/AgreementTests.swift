import Testing

@testable import XMPPXML

/// Detector, tape and libxml2 must see the same stanzas: smuggling lives in the difference.
@Suite("Agreement of the three parsers")
struct AgreementTests {
    private let client = NamespaceContext("jabber:client", prefixes: [.init(prefix: "stream", namespace: XMLNamespace.streams)])
    private let header = Array("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>".utf8)

    private func show(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).debugDescription }

    @Test("Generated stanzas are framed whole, accepted by all, read alike, and survive being written")
    func wellFormed() throws {
        var generator = XMLGenerator(seed: 1)
        let validator = XMLValidator()
        for _ in 0..<2_000 {
            let stanza = generator.stanza()
            let tape = try ElementTape(parsing: stanza, context: client)
            #expect(validator.agrees(with: tape), "\(show(stanza))")
            let run = FramerRun(header + stanza, pieces: [header.count + stanza.count])
            #expect(run.frames.last == .element(stanza), "\(show(stanza))")
            var written: [UInt8] = []
            tape.element().write(to: &written, within: client)
            #expect(try Element(parsing: written, within: client) == tape.element(), "\(show(stanza))")
        }
    }

    @Test("Mutated stanzas: the tape accepts what libxml2 accepts and reads it alike")
    func mutated() throws {
        var generator = XMLGenerator(seed: 2)
        let validator = XMLValidator()
        var accepted = 0
        for _ in 0..<8_000 {
            let stanza = generator.mutated(generator.stanza())
            do throws(XMLFailure) {
                let tape = try ElementTape(parsing: stanza, context: client)
                accepted += 1
                #expect(validator.agrees(with: tape), "only the tape accepts, or they read different things: \(show(stanza))")
            } catch .unusualName {
                // libxml2 follows the fifth edition of XML 1.0, others do not.
            } catch {
                #expect(!validator.validate(stanza, context: client), "only libxml2 accepts \(show(stanza))")
            }
        }
        #expect(accepted > 500)
    }

    @Test("Several stanzas are accepted together just where each of them is accepted by itself")
    func together() {
        var generator = XMLGenerator(seed: 3)
        let validator = XMLValidator()
        var accepted = 0
        for round in 0..<3_000 {
            var stanzas = (0..<(1 + round % 5)).map { _ in generator.stanza() }
            if round % 3 == 0 { stanzas[round % stanzas.count] = generator.mutated(stanzas[round % stanzas.count]) }
            var ends: [Int] = []
            for stanza in stanzas.dropFirst() { ends.append((ends.last ?? 0) + stanza.count) }
            let together = validator.validate(stanzas[0], followedBy: stanzas.dropFirst().flatMap { $0 }[...], endingAt: ends)
            // Without the declarations of a stream header, which the generator may use.
            let apart = stanzas.allSatisfy { validator.validate($0, context: NamespaceContext()) }
            #expect(together == apart, "\(stanzas.map(show))")
            if together { accepted += 1 }
        }
        #expect(accepted > 100)
    }

    @Test("Long runs: what stands at the edge of libxml2's internal buffers is read alike")
    func longRuns() {
        let validator = XMLValidator()
        let edges = ["]]>", "]]", "&amp;", "\r\n", "\u{E9}", "\u{1F600}", "<b/>", "&#x10FFFF;", "\u{FFFE}", "]]&gt;"].map {
            Array($0.utf8)
        }
        for length in [99, 100, 101, 298, 299, 300, 301, 498, 500, 999, 1_000, 3_999, 4_000, 4_095, 4_096, 8_191, 65_535] {
            for fill in ["x", "\u{E9}", " "] {
                let run = Array(Array(String(repeating: fill, count: length).utf8).prefix(length))
                for edge in edges {
                    let text = run + edge + run.prefix(10) + edge
                    for (opening, closing) in [
                        ("<a>", "</a>"), ("<a><![CDATA[", "]]></a>"), ("<a b='", "'/>"), ("<a ", "=''/>"),
                    ] {
                        let stanza = Array(opening.utf8) + text + Array(closing.utf8)
                        do throws(XMLFailure) {
                            #expect(
                                validator.agrees(with: try ElementTape(parsing: stanza)), "\(opening) \(length) \(fill) \(edge)"
                            )
                        } catch  where error != .unusualName && error.streamErrorCondition != "policy-violation" {
                            #expect(!validator.validate(stanza, context: .init()), "\(opening) \(length) \(fill) \(edge)")
                        } catch {}
                    }
                }
            }
        }
    }

    @Test("Mutated streams: every way to cut them gives the same frames, and what the tape accepts was framed whole")
    func cuts() {
        var generator = XMLGenerator(seed: 3)
        for _ in 0..<700 {
            let stanza = generator.mutated(generator.stanza())
            let bytes = header + stanza + Array(" <after/></stream:stream>".utf8)
            let whole = FramerRun(bytes, pieces: [bytes.count])
            #expect(FramerRun(bytes, pieces: [1]) == whole, "\(show(stanza))")
            for _ in 0..<4 {
                let pieces = (0..<5).map { _ in Int.random(in: 1...20, using: &generator.random) }
                #expect(FramerRun(bytes, pieces: pieces) == whole, "\(show(stanza)) in \(pieces)")
            }
            if (try? ElementTape(parsing: stanza, context: client)) != nil {
                #expect(whole.frames.dropFirst().first == .element(stanza), "\(show(stanza))")
                #expect(whole.frames.last == .streamEnd, "\(show(stanza))")
            }
        }
    }

    @Test("Content moved under another start tag means what the tree means")
    func moving() throws {
        var generator = XMLGenerator(seed: 4)
        var moved = 0
        for _ in 0..<3_000 {
            let stanza = generator.stanza()
            let tape = try ElementTape(parsing: stanza, context: client)
            guard tape.isForwardable(contentNamespace: "jabber:client") else { continue }
            moved += 1
            let output = Array("<\(tape.name())>".utf8) + stanza[tape.contentRange()] + Array("</\(tape.name())>".utf8)
            var expected = tape.element().translated(from: "jabber:client", to: "jabber:server")
            expected.attributes = []
            let read = try Element(parsing: output, defaultNamespace: "jabber:server")
            #expect(read == expected, "\(show(stanza))")
        }
        #expect(moved > 500)
    }
}
