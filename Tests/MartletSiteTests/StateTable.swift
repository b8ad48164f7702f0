import Foundation
import Testing

/// All pages of state tables: one suite, so that no two of them write the page at the same time.
@Suite(.serialized) struct StateTableTests {}

/// What becomes of each state under each input, as a section of `Docs/reference/state-tables.md`: the page is what the code
/// must do, cell by cell. `MARTLET_WRITE_DOCS=1 swift test --filter StateTableTests` writes it anew.
struct StateTable<Subject> {
    /// A state and how to get there.
    typealias State = (name: String, make: () throws -> Subject)

    /// Something that happens.
    struct Input {
        var name: String
        /// Without what it cannot come; empty where it can always come.
        var needs: String
        /// Lets it happen; false where it cannot come in that state.
        var apply: (inout Subject) throws -> Bool

        init(_ name: String, needs: String = "", _ apply: @escaping (inout Subject) throws -> Bool) {
            self.name = name
            self.needs = needs
            self.apply = apply
        }
    }

    var title: String
    /// What the reader has to know, in Markdown.
    var words: String
    var states: [State]
    var inputs: [Input]
    /// What was seen, after what was there before has been looked at.
    var observe: (inout Subject) -> (state: String, deeds: [String])

    /// A section of Markdown: every pair of a state and an input is tried.
    func render() throws -> String {
        var text = "## \(title)\n\n\(words)\n"
        var missing: Set<String> = []
        for (name, make) in states {
            text += "\n**\(name)**\n\n| Input | Becomes | Does |\n| --- | --- | --- |\n"
            for input in inputs {
                var subject = try make()
                _ = observe(&subject)
                guard try input.apply(&subject) else {
                    missing.insert(input.name)
                    continue
                }
                let (state, deeds) = observe(&subject)
                text += "| \(input.name) | \(state) | \(deeds.isEmpty ? "–" : deeds.joined(separator: ", ")) |\n"
            }
        }
        text += "\n**Inputs that cannot come in every state**\n\n| Input | Needs |\n| --- | --- |\n"
        for input in inputs {
            #expect(missing.contains(input.name) == !input.needs.isEmpty, "\(title): \(input.name) says when it can come")
            if !input.needs.isEmpty { text += "| \(input.name) | \(input.needs) |\n" }
        }
        return text
    }

    /// Compares the section with what it must say, or writes it.
    func expectSection() throws {
        let path = "Docs/reference/state-tables.md"
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let url = root.appending(path: path)
        let text = try render()
        var page = try String(contentsOf: url, encoding: .utf8)
        let head = "## \(title)\n"
        let start = page.range(of: head)?.lowerBound ?? page.endIndex
        let end = page[start...].dropFirst().range(of: "\n## ").map { page.index(after: $0.lowerBound) } ?? page.endIndex
        if ProcessInfo.processInfo.environment["MARTLET_WRITE_DOCS"] != nil {
            let before = start == page.endIndex && !page.hasSuffix("\n\n") ? "\n" : ""
            page.replaceSubrange(start..<end, with: before + text + (end == page.endIndex ? "" : "\n"))
            return try page.write(to: url, atomically: true, encoding: .utf8)
        }
        let written = page[start..<end].split(separator: "\n", omittingEmptySubsequences: true)
        let made = text.split(separator: "\n", omittingEmptySubsequences: true)
        for (old, new) in zip(written, made) where old != new {
            Issue.record("\(path), \(title) says\n\(old)\nand the code does\n\(new)")
        }
        #expect(
            written.count == made.count, "\(title) is stale: MARTLET_WRITE_DOCS=1 swift test --filter StateTableTests")
    }
}
