import TOMLKit

/// One table of a document while it is being read: hands out values by key, remembers which keys are known, and reports what
/// is unknown, missing or not as it should be. Whatever is wrong is replaced by the default, so that reading can go on and
/// find the next problem; the document is refused in the end.
struct Section {
    /// Where the table is.
    let path: ConfigurationPath
    private let document: Document
    /// `nil` if the table is absent, or is none: then every key has its default.
    private let table: TOMLTable?
    /// The table's place holds something else, which was reported: what is missing in it is no news.
    private let isBroken: Bool
    private var knownKeys: [String] = []

    init(_ table: TOMLTable?, at path: ConfigurationPath, of document: Document, isBroken: Bool = false) {
        self.table = table
        self.path = path
        self.document = document
        self.isBroken = isBroken
    }

    /// The value at the key, or the default if the key is absent.
    mutating func value<Value>(_ key: String, _ rule: ValueRule<Value>, default defaultValue: Value) -> Value {
        guard let found = node(key) else { return defaultValue }
        return read(found, rule, at: path.appending(key)) ?? defaultValue
    }

    /// The value at the key, which must be present; `nil` if it is absent or wrong, which is reported.
    mutating func required<Value>(_ key: String, _ rule: ValueRule<Value>) -> Value? {
        guard let found = node(key) else {
            if !isBroken { document.report(path.appending(key), "missing; expected \(rule.expected)") }
            return nil
        }
        return read(found, rule, at: path.appending(key))
    }

    /// The value at the key, `nil` if the key is absent or its value the empty string, which says "none" in so many words.
    mutating func optional<Value>(_ key: String, _ rule: ValueRule<Value>) -> Value? {
        guard let found = node(key), found.string?.isEmpty != true else { return nil }
        let ruleOrNone = ValueRule(expected: rule.expected + ", or \"\" for none", read: rule.read)
        return read(found, ruleOrNone, at: path.appending(key))
    }

    /// The values of the array at the key, or the default if the key is absent.
    mutating func list<Value>(_ key: String, of rule: ValueRule<Value>, default defaultValue: [Value]) -> [Value] {
        guard let found = node(key) else { return defaultValue }
        let path = path.appending(key)
        guard let array = found.array else {
            document.report(path, "expected an array, each value of it \(rule.expected); found \(Self.name(of: found))")
            return defaultValue
        }
        return (0..<array.count).compactMap { read(array[$0], rule, at: path.appending($0)) }
    }

    /// Has `body` read the table at the key; an absent one as if it were empty.
    mutating func section<Value>(_ key: String, _ body: (inout Section) -> Value) -> Value {
        let path = path.appending(key)
        let found = node(key)
        let table = found?.table
        if let found, table == nil { document.report(path, "expected a table; found \(Self.name(of: found))") }
        var section = Section(table, at: path, of: document, isBroken: found != nil && table == nil)
        let value = body(&section)
        section.refuseUnknownKeys()
        return value
    }

    /// Has `body` read each table of the array of tables at the key; the default if the key is absent.
    mutating func sections<Value>(_ key: String, default defaultValue: [Value], _ body: (inout Section) -> Value?) -> [Value] {
        guard let found = node(key) else { return defaultValue }
        let path = path.appending(key)
        guard let array = found.array else {
            document.report(path, "expected an array of tables, each under [[\(path)]]; found \(Self.name(of: found))")
            return defaultValue
        }
        var values: [Value] = []
        for index in 0..<array.count {
            guard let table = array[index].table else {
                document.report(path.appending(index), "expected a table; found \(Self.name(of: array[index]))")
                continue
            }
            var section = Section(table, at: path.appending(index), of: document)
            if let value = body(&section) { values.append(value) }
            section.refuseUnknownKeys()
        }
        return values
    }

    /// Reports something wrong with the value at the key in relation to others.
    func refuse(_ key: String, _ message: String) { document.report(path.appending(key), message) }

    /// Reports something wrong with the table as a whole.
    func refuse(_ message: String) { document.report(path, message) }

    /// Reports every key that nobody asked for. Whoever made the section calls this last.
    func refuseUnknownKeys() {
        for key in table?.keys ?? [] where !knownKeys.contains(key) {
            document.report(path.appending(key), "unknown key; expected one of: \(knownKeys.joined(separator: ", "))")
        }
    }

    private mutating func node(_ key: String) -> TOMLValueConvertible? {
        knownKeys.append(key)
        return table?[key]
    }

    private func read<Value>(_ found: TOMLValueConvertible, _ rule: ValueRule<Value>, at path: ConfigurationPath) -> Value? {
        if let value = rule.read(found) { return value }
        document.report(path, "expected \(rule.expected); found \(Self.name(of: found))")
        return nil
    }

    /// What a value is, for error messages: scalars as they are written, the rest by their kind.
    private static func name(of found: TOMLValueConvertible) -> String {
        if let text = found.string {
            return text.utf8.count <= 100 ? text.inQuotes : "a string of \(text.utf8.count) bytes"
        }
        if let number = found.int { return String(number) }
        if let isTrue = found.bool { return String(isTrue) }
        switch found.type {
        case .table: return "a table"
        case .array: return "an array"
        default: return "a \(found.type)"
        }
    }
}
