import ArgumentParser
import FoundationEssentials
import Glibc

/// The figures of a run, in the order in which they were taken.
struct Report {
    /// One figure.
    struct Figure: Codable {
        var part: String
        var name: String
        var value: Double
        var unit: String
    }

    private(set) var figures: [Figure] = []
    private let isQuiet: Bool
    private var part = ""

    /// With `isQuiet` nothing is printed before the end.
    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    /// Begins a part of the table.
    mutating func begin(_ part: String) {
        self.part = part
        if !isQuiet { Self.say("\n\(part)") }
    }

    /// Adds a figure.
    mutating func add(_ name: String, _ value: Double, _ unit: String) {
        figures.append(Figure(part: part, name: name, value: value, unit: unit))
        guard !isQuiet else { return }
        let padding = String(repeating: " ", count: max(1, 58 - name.count))
        let number = Self.text(value)
        Self.say("  \(name)\(padding)\(String(repeating: " ", count: max(0, 12 - number.count)))\(number) \(unit)")
    }

    /// All figures for programs.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(figures), as: UTF8.self)
    }

    /// The figures of an earlier run with `--json`.
    static func figures(in path: String) throws -> [Figure] {
        try JSONDecoder().decode([Figure].self, from: Data(bytes(of: path)))
    }

    /// What a file holds.
    static func bytes(of path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw ValidationError("\(path) cannot be read") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&block, 1, block.count, file)
            if count == 0 { return bytes }
            bytes += block[..<count]
        }
    }

    /// Puts a text into a file, whole or not at all.
    static func write(_ text: String, to path: String) throws {
        let fresh = path + ".new"
        guard let file = fopen(fresh, "w") else { throw ValidationError("\(fresh) cannot be written") }
        let bytes = Array(text.utf8)
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, written == bytes.count, rename(fresh, path) == 0 else {
            throw ValidationError("\(path) cannot be written")
        }
    }

    /// A line for whoever reads the failure.
    static func complain(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }

    /// A line at once, also into a file.
    private static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = Glibc.write(STDOUT_FILENO, bytes, bytes.count)
    }

    private static func text(_ value: Double) -> String {
        if value >= 1000 || value == value.rounded() { return String(Int(value.rounded())) }
        let scaled = Int((value * 100).rounded())
        return "\(scaled / 100).\(scaled % 100 < 10 ? "0" : "")\(scaled % 100)"
    }
}
