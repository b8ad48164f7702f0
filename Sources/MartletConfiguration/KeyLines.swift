/// The lines at which the keys, tables and array elements of a TOML text stand.
///
/// The TOML parser tells lines of syntax errors only, so this scans the text a second time, for positions and nothing else.
/// It is made for texts that the parser accepted; of any other text it makes something, but does not crash. A path it does
/// not know (a quoted key with escapes) is given the line of what contains it.
struct KeyLines {
    /// The first place that the parser must not see, as an offset into the UTF-8 and a line: a table header that does not
    /// begin with a key (`[=]`), an array element that does not begin like a value (`[}`). toml++ 3.4.0 takes both for
    /// impossible and ends the process.
    private(set) var trap: (offset: Int, line: Int, expected: String)?

    private var lines: [ConfigurationPath: Int] = [:]
    /// How many elements each array of tables has so far.
    private var tableCounts: [ConfigurationPath: Int] = [:]
    private let text: [UInt8]
    private var position = 0
    private var line = 1
    /// Open brackets and braces around the position; the parser refuses more than 256.
    private var depth = 0

    init(_ text: String) {
        self.text = Array(text.utf8)
        scan()
    }

    /// The line of the value at the path or, if that is absent, of the closest table around it; 1 if there is none.
    func line(of path: ConfigurationPath) -> Int {
        var path = path
        while true {
            if let line = lines[path] { return line }
            guard let parent = path.parent else { return 1 }
            path = parent
        }
    }

    /// A letter, digit, underscore or hyphen of ASCII (TOML 1.0, "Keys").
    static func isBareKeyByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    // MARK: Scanning

    private mutating func scan() {
        var table = ConfigurationPath.root
        // The parser skips a byte order mark.
        if hasPrefix([0xef, 0xbb, 0xbf]) { position = 3 }
        while true {
            skipBlanks(newlines: true)
            guard let byte = current else { return }
            if byte == UInt8(ascii: "[") {
                table = header()
            } else {
                keyAndValue(in: table)
            }
            skipLine()
        }
    }

    /// `[a.b]` or `[[a.b]]`; returns the path of the table that begins.
    private mutating func header() -> ConfigurationPath {
        advance()
        skipBlanks(newlines: false)
        let isArrayElement = current == UInt8(ascii: "[")
        if isArrayElement { advance() }
        skipBlanks(newlines: false)
        if let byte = current, !Self.isBareKeyByte(byte), !Self.quotes.contains(byte) {
            foundTrap(expected: "the name of a table")
        }
        let keys = dottedKey()
        var path = ConfigurationPath.root
        for (index, key) in keys.enumerated() {
            path = path.appending(key)
            record(path)
            if index == keys.count - 1, isArrayElement {
                tableCounts[path, default: 0] += 1
            }
            // A header names the last element of an array of tables by the array's key.
            if let count = tableCounts[path] {
                path = path.appending(count - 1)
                record(path)
            }
        }
        return path
    }

    private mutating func keyAndValue(in table: ConfigurationPath) {
        var path = table
        for key in dottedKey() {
            path = path.appending(key)
            record(path)
        }
        skipBlanks(newlines: false)
        guard current == UInt8(ascii: "=") else { return }
        advance()
        value(at: path)
    }

    private mutating func value(at path: ConfigurationPath) {
        skipBlanks(newlines: false)
        switch current {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): _ = string()
        case UInt8(ascii: "["): array(at: path)
        case UInt8(ascii: "{"): inlineTable(at: path)
        default:
            while let byte = current, !Self.delimiters.contains(byte) { advance() }
        }
    }

    /// What values begin with besides bytes of bare keys.
    private static let valueStarts = Array("\"'[{+.".utf8)
    private static let quotes = Array("\"'".utf8)
    private static let delimiters = Array(",]}#\r\n".utf8)

    private mutating func array(at path: ConfigurationPath) {
        guard depth < 256 else { return }
        depth += 1
        defer { depth -= 1 }
        advance()
        var index = 0
        while true {
            skipBlanks(newlines: true)
            guard let byte = current else { return }
            if byte == UInt8(ascii: "]") {
                advance()
                return
            }
            if byte == UInt8(ascii: ",") {
                advance()
                index += 1
                continue
            }
            if !Self.isBareKeyByte(byte), !Self.valueStarts.contains(byte) { foundTrap(expected: "a value") }
            record(path.appending(index))
            let before = position
            value(at: path.appending(index))
            if position == before { advance() }
        }
    }

    private mutating func inlineTable(at path: ConfigurationPath) {
        guard depth < 256 else { return }
        depth += 1
        defer { depth -= 1 }
        advance()
        while true {
            skipBlanks(newlines: true)
            guard let byte = current else { return }
            if byte == UInt8(ascii: "}") {
                advance()
                return
            }
            let before = position
            if byte != UInt8(ascii: ",") { keyAndValue(in: path) }
            if position == before { advance() }
        }
    }

    private mutating func dottedKey() -> [String] {
        var keys: [String] = []
        while true {
            skipBlanks(newlines: false)
            if current == UInt8(ascii: "\"") || current == UInt8(ascii: "'") {
                keys.append(string())
            } else {
                let start = position
                while let byte = current, Self.isBareKeyByte(byte) { advance() }
                guard position > start else { return keys }
                keys.append(String(decoding: text[start..<position], as: UTF8.self))
            }
            skipBlanks(newlines: false)
            guard current == UInt8(ascii: ".") else { return keys }
            advance()
        }
    }

    /// Skips a string of any of the four kinds and returns what stands between its quotation marks, escapes and all.
    private mutating func string() -> String {
        guard let quote = current else { return "" }
        let isMultiline = hasPrefix([quote, quote, quote])
        let length = isMultiline ? 3 : 1
        for _ in 0..<length { advance() }
        let start = position
        while let byte = current {
            if byte == quote, !isMultiline || hasPrefix([quote, quote, quote]) { break }
            if !isMultiline, byte == UInt8(ascii: "\n") { break }
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") { advance() }
            advance()
        }
        let content = String(decoding: text[start..<position], as: UTF8.self)
        if current == quote { for _ in 0..<length { advance() } }
        // A multi-line string may end in up to two quotation marks of its own.
        while isMultiline, current == quote { advance() }
        return content
    }

    // MARK: Bytes

    private var current: UInt8? { position < text.count ? text[position] : nil }

    private func hasPrefix(_ prefix: [UInt8]) -> Bool { text[position...].starts(with: prefix) }

    private mutating func advance() {
        guard position < text.count else { return }
        if text[position] == UInt8(ascii: "\n") { line += 1 }
        position += 1
    }

    /// Skips spaces and tabs, with `newlines` also line ends and comments.
    private mutating func skipBlanks(newlines: Bool) {
        while let byte = current {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"): advance()
            case UInt8(ascii: "\r") where newlines, UInt8(ascii: "\n") where newlines: advance()
            case UInt8(ascii: "#") where newlines: while let byte = current, byte != UInt8(ascii: "\n") { advance() }
            default: return
            }
        }
    }

    private mutating func skipLine() {
        while let byte = current {
            advance()
            if byte == UInt8(ascii: "\n") { return }
        }
    }

    private mutating func foundTrap(expected: String) {
        if trap == nil { trap = (position, line, expected) }
    }

    private mutating func record(_ path: ConfigurationPath) {
        if lines[path] == nil { lines[path] = line }
    }
}
