import Foundation
import Testing

/// What becomes of each state under each input, as a page of `Docs/reference`: the page is what the code must do, cell by
/// cell. `MARTLET_WRITE_DOCS=1 swift test --filter StateTableTests` writes the pages anew.
struct StateTable<Subject> {
    /// A state and how to get there.
    typealias State = (name: String, make: () throws -> Subject)
    /// An input; nil where it cannot come in that state.
    typealias Input = (name: String, apply: (inout Subject) throws -> Bool)

    var title: String
    var states: [State]
    var inputs: [Input]
    /// What was seen, after what was there before has been looked at.
    var observe: (inout Subject) -> (state: String, deeds: [String])

    /// A section of Markdown.
    func render() throws -> String {
        var text = "## \(title)\n"
        for (name, make) in states {
            text += "\n**\(name)**\n\n| Input | Becomes | Does |\n| --- | --- | --- |\n"
            for (input, apply) in inputs {
                var subject = try make()
                _ = observe(&subject)
                guard try apply(&subject) else { continue }
                let (state, deeds) = observe(&subject)
                text += "| \(input) | \(state) | \(deeds.isEmpty ? "–" : deeds.joined(separator: ", ")) |\n"
            }
        }
        return text
    }
}

/// Compares a page of `Docs` with what it must say, or writes it.
func expectPage(_ path: String, _ text: String) throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let url = root.appending(path: path)
    if ProcessInfo.processInfo.environment["MARTLET_WRITE_DOCS"] != nil {
        try text.write(to: url, atomically: true, encoding: .utf8)
    }
    let written = try String(contentsOf: url, encoding: .utf8)
    let lines = zip(written.components(separatedBy: "\n"), text.components(separatedBy: "\n"))
    for (number, (old, new)) in lines.enumerated() where old != new {
        Issue.record("\(path):\(number + 1) says\n\(old)\nand the code does\n\(new)")
    }
    #expect(written.count == text.count, "\(path) is stale: MARTLET_WRITE_DOCS=1 swift test --filter StateTableTests")
}
