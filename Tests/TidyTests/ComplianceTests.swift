import Foundation
import Testing

/// What `Docs/reference/compliance.md` says of the suites of XEP-0479 is shown by tests that exist.
@Suite struct ComplianceTests {
    /// One row of a table.
    struct Row {
        var feature: String
        var level: String
        /// Numbers of the XEPs.
        var xeps: [String]
        var state: String
        /// Files, each with the name of a test in it, or as a whole.
        var proofs: [(path: String, test: String?)]

        var isThere: Bool { state == "yes" }

        /// Reads a line; nil where it is no row, or the head of a table.
        init?(_ line: Substring) {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            guard line.hasPrefix("| "), cells.count == 5, cells[0] != "Feature", !cells[0].hasPrefix("---") else { return nil }
            (feature, level, state) = (cells[0], cells[1], cells[3])
            xeps = cells[2].matches(of: /XEP-([0-9]{4})/).map { String($0.1) }
            proofs = cells[4].matches(of: /`(Tests\/[^`]+)`(?: “([^”]+)”)?/).map { (String($0.1), $0.2.map(String.init)) }
        }
    }

    /// How one publishes at one's account: nothing of it is a server's alone, so no source declares it.
    static let practices: Set<String> = ["0223"]

    static func rows() throws -> [Row] {
        let page = SourceTree.root.appending(path: "Docs/reference/compliance.md")
        return try String(contentsOf: page, encoding: .utf8).split(separator: "\n").compactMap { Row($0) }
    }

    /// What is wrong with a row, in words.
    static func faults(of row: Row, declared: Set<String>, text: (String) -> String?) -> [String] {
        guard ["Server", "Advanced"].contains(row.level) else { return ["\(row.feature): level \(row.level)"] }
        guard row.isThere else {
            let isTold = row.state.hasPrefix("no: ") && row.proofs.isEmpty
            let hasCome = !row.xeps.isEmpty && row.xeps.allSatisfy { declared.contains($0) }
            return (isTold ? [] : ["\(row.feature): neither yes nor no with a reason"])
                + (hasCome ? ["\(row.feature): all of it has come, and the row says \(row.state)"] : [])
        }
        var faults = row.proofs.isEmpty ? ["\(row.feature): nothing shows it"] : []
        for xep in row.xeps where !declared.contains(xep) && !practices.contains(xep) {
            faults.append("\(row.feature): no source declares XEP-\(xep)")
        }
        for proof in row.proofs {
            guard let text = text(proof.path) else {
                faults.append("\(row.feature): no file \(proof.path)")
                continue
            }
            guard let test = proof.test else { continue }
            let isThere = proof.path.hasSuffix(".py") ? text.contains("def \(test)(") : text.contains("\"\(test)\"")
            if !isThere { faults.append("\(row.feature): no test \(test) in \(proof.path)") }
        }
        return faults
    }

    @Test("every row of the compliance suites says yes and names tests that exist, or no and why")
    func rows() throws {
        let declared = Set(XEPHeader.headers(of: SourceTree.files(in: "Sources")).map(\.number))
        let rows = try Self.rows()
        // The rows of XEP-0479 that ask something of servers.
        #expect(rows.count == 24)
        for row in rows {
            let faults = Self.faults(of: row, declared: declared) {
                try? String(contentsOf: SourceTree.root.appending(path: $0), encoding: .utf8)
            }
            #expect(faults.isEmpty, "\(faults.joined(separator: "; "))")
        }
    }

    @Test("a row without a test, with one that does not exist, or behind the sources is found")
    func pretendRows() throws {
        func faults(_ line: String, declared: Set<String> = ["0199"]) throws -> [String] {
            let row = try #require(Row(line[...]))
            return Self.faults(of: row, declared: declared) { $0 == "Tests/a.py" ? "def test_a():" : nil }
        }
        #expect(try faults("| Ping | Server | XEP-0199 | yes | `Tests/a.py` “test_a” |").isEmpty)
        #expect(try faults("| Ping | Server | XEP-0199 | yes | `Tests/a.py` “test_b” |").count == 1)
        #expect(try faults("| Ping | Server | XEP-0199 | yes | `Tests/b.py` |").count == 1)
        #expect(try faults("| Ping | Server | XEP-0199 | yes | |").count == 1)
        #expect(try faults("| Ping | Server | XEP-0199 | yes | `Tests/a.py` |", declared: []).count == 1)
        #expect(try faults("| Ping | Server | XEP-0199 | no: later | |", declared: []).isEmpty)
        #expect(try faults("| Ping | Server | XEP-0199 | no: later | |").count == 1)
        #expect(try faults("| Ping | Server | XEP-0199 | perhaps | |", declared: []).count == 1)
        #expect(Row("| Feature | Level | Specifications | State | Shown by |") == nil)
    }
}
