import Foundation
import Testing

/// The public list of XEPs lives in the sources: each implementing file begins with
/// `// XEP-0199: XMPP Ping, version 2.0.1, complete`. `Docs/reference/xeps.md` is made from these lines.
@Suite struct ReferenceTests {
    private static var table: String {
        var rows: [String] = []
        for file in SourceTree.files(in: "Sources") {
            for line in file.lines where line.hasPrefix("// XEP-") {
                let text = line.dropFirst(3)
                guard let colon = text.firstIndex(of: ":") else { continue }
                let rest = text[text.index(colon, offsetBy: 2)...].components(separatedBy: ", ")
                guard let version = rest.firstIndex(where: { $0.hasPrefix("version ") }), version > 0 else {
                    Issue.record("\(file.path): `\(line)` has no version")
                    continue
                }
                let name = rest[..<version].joined(separator: ", ")
                let what = rest[(version + 1)...].joined(separator: ", ")
                rows.append("| \(text[..<colon]) | \(name) | \(rest[version].dropFirst(8)) | \(what) | `\(file.path)` |")
            }
        }
        return """
            # XEPs

            Made from the first lines of the sources by `MARTLET_WRITE_DOCS=1 swift test --filter ReferenceTests`.

            | XEP | Name | Version | How much | Where |
            | --- | --- | --- | --- | --- |

            """ + Set(rows).sorted().joined(separator: "\n") + "\n"
    }

    @Test("Docs/reference/xeps.md is what the sources say")
    func xeps() throws {
        let url = SourceTree.root.appending(path: "Docs/reference/xeps.md")
        if ProcessInfo.processInfo.environment["MARTLET_WRITE_DOCS"] != nil {
            try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Self.table.write(to: url, atomically: true, encoding: .utf8)
        }
        let written = try String(contentsOf: url, encoding: .utf8)
        #expect(written == Self.table, "stale: run MARTLET_WRITE_DOCS=1 swift test --filter ReferenceTests")
    }

    @Test("every target is explained in Docs/architecture.md")
    func architecture() throws {
        let text = try String(contentsOf: SourceTree.root.appending(path: "Docs/architecture.md"), encoding: .utf8)
        for target in LayerTests.allowed.keys.sorted() {
            #expect(text.contains("`\(target)`"), "\(target) is missing in Docs/architecture.md")
        }
    }

    @Test("documents name only files that exist")
    func links() throws {
        for name in [
            "README.md", "Docs/architecture.md", "Docs/flow.md", "Docs/glossary.md", "Docs/relay-protocol.md",
            "Docs/guarantees.md",
        ] {
            let text = try String(contentsOf: SourceTree.root.appending(path: name), encoding: .utf8)
            for match in text.matches(of: /`((?:Sources|Tests|Docs|Topologies|Config)\/[A-Za-z0-9_\/+.-]+)`/) {
                let path = String(match.1)
                #expect(FileManager.default.fileExists(atPath: SourceTree.root.appending(path: path).path), "\(name): \(path)")
            }
        }
    }
}
