import TOMLKit

/// One TOML text while it is being turned into values: its tables, its lines, and what was found wrong with it so far.
final class Document {
    let file: String
    private let lines: KeyLines
    private let lineCount: Int
    private var problems: [ConfigurationProblem] = []

    private init(_ text: String, file: String) {
        self.file = file
        lines = KeyLines(text)
        lineCount = 1 + text.utf8.count { $0 == UInt8(ascii: "\n") }
    }

    /// Parses a text and has `body` read its root table. Throws all problems that came up.
    static func read<Value>(
        _ text: String, file: String, _ body: (inout Section) -> Value?
    ) throws(ConfigurationErrors) -> Value {
        let document = Document(text, file: file)
        guard let table = document.parse(text) else { throw document.errors }
        var root = Section(table, at: .root, of: document)
        let value = body(&root)
        root.refuseUnknownKeys()
        guard let value, document.problems.isEmpty else { throw document.errors }
        return value
    }

    func report(_ path: ConfigurationPath, _ message: String) {
        problems.append(
            ConfigurationProblem(file: file, line: lines.line(of: path), path: path.description, message: message))
    }

    private func parse(_ text: String) -> TOMLTable? {
        // The parser takes a C string, and cuts strings and keys with U+0000 when it hands them out: two different values
        // would become one.
        for needle in ["\0", "\\u0000", "\\U00000000"] {
            guard let found = text.utf8.firstRange(of: needle.utf8) else { continue }
            let line = 1 + text.utf8[..<found.lowerBound].count { $0 == UInt8(ascii: "\n") }
            problems.append(ConfigurationProblem(file: file, line: line, path: "", message: "U+0000 is not allowed"))
            return nil
        }
        do {
            return try TOMLTable(string: text)
        } catch {
            let parseError = error as? TOMLParseError
            let line = min(max(1, parseError?.source.begin.line ?? 1), lineCount)
            let message = parseError?.description ?? "not a TOML text"
            problems.append(ConfigurationProblem(file: file, line: line, path: "", message: message))
            return nil
        }
    }

    private var errors: ConfigurationErrors {
        precondition(!problems.isEmpty, "\(file) was refused without a reason")
        return ConfigurationErrors(problems: problems.sorted { ($0.line, $0.path) < ($1.line, $1.path) })
    }
}
