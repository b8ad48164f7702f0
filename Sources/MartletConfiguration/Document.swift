import MartletPrimitives
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
        if let line = Self.lineOfNUL(text) {
            reportSyntax("U+0000 is not allowed", line: line)
            return nil
        }
        do {
            guard let trap = lines.trap else { return try TOMLTable(string: text) }
            // What is wrong before the trap comes first, and may be why it looks like one.
            do {
                _ = try TOMLTable(string: String(decoding: text.utf8.prefix(trap.offset), as: UTF8.self))
            } catch let error as TOMLParseError where error.source.begin.line < trap.line {
                throw error
            } catch {}
            reportSyntax("expected \(trap.expected)", line: trap.line)
        } catch {
            let parseError = error as? TOMLParseError
            reportSyntax(parseError?.description ?? "not a TOML text", line: parseError?.source.begin.line ?? 1)
        }
        return nil
    }

    /// The line of the first U+0000, plain or as an escape (or what would be one, were it in a string of that kind).
    private static func lineOfNUL(_ text: String) -> Int? {
        let bytes = Array(text.utf8)
        let escapes = [Array("\\u0000".utf8), Array("\\U00000000".utf8)]
        var line = 1
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case 0: return line
            case UInt8(ascii: "\n"): line += 1
            case UInt8(ascii: "\\") where escapes.contains(where: bytes[index...].starts(with:)): return line
            default: break
            }
        }
        return nil
    }

    private func reportSyntax(_ message: String, line: Int) {
        let line = min(max(1, line), lineCount)
        problems.append(ConfigurationProblem(file: file, line: line, path: "", message: message))
    }

    private var errors: ConfigurationErrors {
        require(!problems.isEmpty, "\(file) was refused without a reason")
        return ConfigurationErrors(problems: problems.sorted { ($0.line, $0.path) < ($1.line, $1.path) })
    }
}
