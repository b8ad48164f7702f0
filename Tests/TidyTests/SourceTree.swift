import Foundation

/// The files of this checkout, for rules that the compiler does not enforce.
struct SourceTree {
    /// A file of text, Swift unless other kinds were asked for.
    struct File {
        /// Relative to the checkout.
        var path: String
        /// The first folder below `Sources` or `Tests`.
        var target: String
        var text: String

        var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

        /// The text without its comments, roughly: a `//` inside a string ends a line as well.
        var code: String {
            lines.map { $0.prefix(upTo: $0.firstRange(of: "//")?.lowerBound ?? $0.endIndex) }.joined(separator: "\n")
        }

        /// Modules that the file imports.
        var imports: [String] {
            lines.compactMap { line in
                let words = line.split(separator: " ")
                guard let index = words.firstIndex(of: "import"), index < 2, index + 1 < words.count else { return nil }
                guard index == 0 || words[0].hasPrefix("@") || words[0] == "public" else { return nil }
                return String(words[index + 1])
            }
        }
    }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Every file below `folder` with one of these endings.
    static func files(in folder: String, endingIn endings: Set<String> = ["swift"]) -> [File] {
        let base = root.appending(path: folder)
        guard let walk = FileManager.default.enumerator(at: base, includingPropertiesForKeys: nil) else { return [] }
        var files: [File] = []
        for case let url as URL in walk where endings.contains(url.pathExtension) {
            guard let text = try? String(contentsOf: url, encoding: .utf8) else { continue }
            let path = url.path.replacingOccurrences(of: root.path + "/", with: "")
            let parts = path.split(separator: "/")
            files.append(File(path: path, target: parts.count > 1 ? String(parts[1]) : "", text: text))
        }
        return files.sorted { $0.path < $1.path }
    }
}
