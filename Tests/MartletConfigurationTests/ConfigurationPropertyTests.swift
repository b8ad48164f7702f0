import Testing

@testable import MartletConfiguration

@Suite("Properties of reading configuration, over seeded mutations")
struct ConfigurationPropertyTests {
    private static let pieces = [
        "\"", "'", "\"\"\"", "'''", "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "#", "\n", "\r\n", "\\", "\\u00e9",
        "\\u0000", "\0", "\u{FEFF}",
        "-", "0", "99999999999999999999", "0x10", "1e9", "nan", "1979-05-27", "true", "port", "domain", "[site]", "[limits]",
        "[[limits]]",
        "site.domain = 1", "\u{E9}", " ", "\t", "x",
    ]

    private func mutated(_ text: String, _ random: inout SplitMix) -> String {
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let start = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, start + Int.random(in: 0...12, using: &random))
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.replaceSubrange(start..<end, with: (Self.pieces.randomElement(using: &random) ?? "").utf8)
            case 1: bytes.removeSubrange(start..<end)
            case 2: bytes.insert(contentsOf: Array(bytes[start..<end]), at: Int.random(in: 0...bytes.count, using: &random))
            default: if start < bytes.count { bytes[start] = UInt8.random(in: 0...255, using: &random) }
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func check(_ errors: ConfigurationErrors, _ text: String) {
        let lineCount = 1 + text.utf8.count { $0 == UInt8(ascii: "\n") }
        #expect(!errors.problems.isEmpty)
        for problem in errors.problems {
            #expect((1...lineCount).contains(problem.line), "\(problem)")
            #expect(!problem.message.isEmpty)
        }
        #expect(errors.problems.map(\.line) == errors.problems.map(\.line).sorted())
    }

    @Test(
        "No mutation of the default file makes reading crash, and every error names a line of it",
        arguments: 1...4 as ClosedRange<UInt64>)
    func configuration(seed: UInt64) {
        var random = SplitMix(seed: seed)
        // Without comments more mutations hit something that matters.
        let full = SiteConfiguration.annotated(domain: "pilsen.example")
        let bare = full.split(separator: "\n").filter { !$0.hasPrefix("#") }.joined(separator: "\n")
        var refused = 0
        for round in 0..<250 {
            let text = mutated(round.isMultiple(of: 8) ? full : bare, &random)
            do throws(ConfigurationErrors) {
                _ = try SiteConfiguration.parse(text, fileName: "martlet.toml")
            } catch {
                refused += 1
                check(error, text)
            }
        }
        #expect(refused > 100)
    }

    @Test(
        "No mutation of a topology makes reading crash, and every error names a line of it",
        arguments: 1...4 as ClosedRange<UInt64>)
    func topology(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let full = try repositoryFile("Topologies/two-offices.toml")
        for _ in 0..<250 {
            let text = mutated(full, &random)
            do throws(ConfigurationErrors) {
                _ = try Topology.parse(text, fileName: "two-offices.toml")
            } catch {
                check(error, text)
            }
        }
    }
}
