/// A function or initializer with a body, found by its layout: `swift format` puts the closing brace below the first word.
struct SourceFunction {
    /// `init` for an initializer.
    var name: String
    /// Where it begins, from 1.
    var line: Int
    /// Its lines, first and last included.
    var length: Int

    /// Those of a file that span several lines.
    static func all(in file: SourceTree.File) -> [SourceFunction] {
        let lines = file.lines
        let pattern = /( *)(?:@\S+ |[a-z]+ |[a-z]+\([a-z]+\) )*(?:func ([^ (<]+)|(init)[?!]?)[ (<].*/
        return lines.indices.compactMap { start in
            guard let match = lines[start].wholeMatch(of: pattern) else { return nil }
            let indentation = match.1
            var end = start + 1
            // The signature may go on below its first word: `) -> Int {`, `where ... {`, `{`.
            while end < lines.count, isInside(lines[end], indentation) { end += 1 }
            guard end < lines.count, lines[end].hasPrefix(indentation + "}") else { return nil }
            return SourceFunction(name: String(match.2 ?? match.3 ?? ""), line: start + 1, length: end - start + 1)
        }
    }

    private static func isInside(_ line: Substring, _ indentation: Substring) -> Bool {
        guard line.hasPrefix(indentation) else { return line.isEmpty }
        let rest = line.dropFirst(indentation.count)
        return ["", " ", ")", "{", "#", "where "].contains { $0.isEmpty ? rest.isEmpty : rest.hasPrefix($0) }
    }
}
