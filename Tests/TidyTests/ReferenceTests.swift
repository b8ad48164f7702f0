import Foundation
import Testing

/// What is generated from the sources, and what is written about them by hand, agrees with them.
@Suite struct ReferenceTests {
    /// Compares a generated file with what it should be, and writes it first if that was asked for.
    private static func check(_ path: String, is text: String) throws {
        let url = SourceTree.root.appending(path: path)
        if ProcessInfo.processInfo.environment["MARTLET_WRITE_DOCS"] != nil {
            try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: url, atomically: true, encoding: .utf8)
        }
        let written = try String(contentsOf: url, encoding: .utf8)
        #expect(written == text, "\(path) is stale: run MARTLET_WRITE_DOCS=1 swift test --filter ReferenceTests")
    }

    @Test("Docs/reference/xeps.md is what the sources say")
    func xeps() throws {
        try Self.check("Docs/reference/xeps.md", is: XEPHeader.table(of: SourceTree.files(in: "Sources")))
    }

    @Test("Docs/martlet.doap is what the sources say")
    func doap() throws {
        try Self.check("Docs/martlet.doap", is: XEPHeader.doap(of: SourceTree.files(in: "Sources")))
    }

    @Test("XEP-0453: the DOAP file is XML with one entry for each XEP, and tells nothing about the machine that made it")
    func doapForm() throws {
        let files = SourceTree.files(in: "Sources")
        let text = XEPHeader.doap(of: files)
        let reader = try #require(DOAPReader(text), "not well-formed")
        #expect(reader.xeps == Set(XEPHeader.headers(of: files).map(\.number)).sorted())
        #expect(Set(reader.statuses).isSubset(of: ["complete", "partial"]))
        #expect(!text.contains(SourceTree.root.path))
        #expect(DOAPReader(text.replacing("</xmpp:note>", with: "")) == nil)
        #expect(DOAPReader(text.replacing("</rdf:RDF>", with: "")) == nil)
        #expect(DOAPReader(text.replacing(" version ", with: " & ").replacing("Martlet", with: "&")) == nil)
    }

    @Test("a file whose first line names a XEP is in both lists; two files of one XEP are one entry for programs")
    func pretendFile() throws {
        func file(_ name: String, _ text: String) -> SourceTree.File {
            SourceTree.File(path: "Sources/MartletServices/\(name).swift", target: "MartletServices", text: text)
        }
        let files = [
            file("Words", "// XEP-0999: Words, Sent & Lost, version 0.9.1, what <lost/> says\nenum Words {}\n"),
            file("Waiting", "import XMPPXML\n// XEP-0997: Not in the First Line, version 1.0, complete\n"),
        ]
        #expect(
            XEPHeader.table(of: files).hasSuffix(
                "| XEP-0999 | Words, Sent & Lost | 0.9.1 | what <lost/> says | `Sources/MartletServices/Words.swift` |\n"))
        let reader = try #require(DOAPReader(XEPHeader.doap(of: files)))
        #expect(reader.xeps == ["0999"])
        #expect(reader.statuses == ["partial"])
        #expect(reader.versions == ["0.9.1"])
        #expect(reader.notes == ["Words, Sent & Lost: what <lost/> says"])

        let more = files + [file("AllWords", "// XEP-0999: Words, Sent & Lost, version 0.9.1, complete for a server\n")]
        let both = try #require(DOAPReader(XEPHeader.doap(of: more)))
        #expect(both.xeps == ["0999"])
        #expect(both.statuses == ["complete"])
        #expect(both.notes == ["Words, Sent & Lost: complete for a server; what <lost/> says"])
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
