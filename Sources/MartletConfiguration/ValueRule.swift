import TOMLKit
import XMPPAddress

/// What a value must be, in words and as a function.
struct ValueRule<Value> {
    /// Completes "expected …".
    let expected: String
    /// The value, `nil` if what was found is none.
    let read: (TOMLValueConvertible) -> Value?

    /// A rule for strings.
    static func text(_ expected: String, _ read: @escaping (String) -> Value?) -> ValueRule {
        ValueRule(expected: expected) { $0.string.flatMap(read) }
    }
}

extension ValueRule<Bool> {
    static var boolean: ValueRule { ValueRule(expected: "true or false") { $0.bool } }
}

extension ValueRule<Int> {
    static func integer(_ range: ClosedRange<Int>) -> ValueRule {
        ValueRule(expected: "an integer from \(range.lowerBound) to \(range.upperBound)") {
            $0.int.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A number of bytes, written with its unit.
    static func size(_ range: ClosedRange<Int>) -> ValueRule {
        let limits = "\"\(SizeText.write(range.lowerBound))\" to \"\(SizeText.write(range.upperBound))\""
        return text("a size such as \"64KiB\" (units B, KiB, MiB, GiB, TiB), from \(limits)") {
            SizeText.read($0).flatMap { range.contains($0) ? $0 : nil }
        }
    }
}

extension ValueRule<Double> {
    static func number(_ range: ClosedRange<Double>) -> ValueRule {
        ValueRule(expected: "a number from \(range.lowerBound) to \(range.upperBound)") { found in
            (found.double ?? found.int.map(Double.init)).flatMap { range.contains($0) ? $0 : nil }
        }
    }
}

extension ValueRule<UInt16> {
    static var port: ValueRule {
        ValueRule(expected: "a port from 1 to 65535") { $0.int.flatMap(UInt16.init(exactly:)).flatMap { $0 > 0 ? $0 : nil } }
    }
}

extension ValueRule<Duration> {
    static func duration(_ range: ClosedRange<Duration>) -> ValueRule {
        let limits = "\"\(DurationText.write(range.lowerBound))\" to \"\(DurationText.write(range.upperBound))\""
        return text("a duration such as \"30s\" (units ms, s, m, h, d), from \(limits)") {
            DurationText.read($0).flatMap { range.contains($0) ? $0 : nil }
        }
    }
}

extension ValueRule<String> {
    /// A domain, which is prepared (RFC 7622 §3.2).
    static var domain: ValueRule {
        text("a domain such as \"pilsen.example\"") { try? Domainpart.prepare($0) }
    }

    /// The localpart of an account, which is prepared (RFC 7622 §3.3).
    static var localpart: ValueRule {
        text("the localpart of a JID such as \"alice\"") { try? Localpart.prepare($0) }
    }

    /// The path of a file or directory.
    static var path: ValueRule { text("a path") { $0.isEmpty ? nil : $0 } }

    /// A name that other parts of the file refer to.
    static var name: ValueRule { text("a name that is not empty") { $0.isEmpty ? nil : $0 } }

    /// One of a few words.
    static func oneOf(_ words: [String]) -> ValueRule {
        text("one of " + quoted(words)) { words.contains($0) ? $0 : nil }
    }
}

extension ValueRule<JID> {
    /// An account or a domain.
    static var bareAddress: ValueRule {
        text("an account or a domain such as \"alarm@pilsen.example\"") {
            (try? JID($0)).flatMap { $0.resourcepart == nil ? $0 : nil }
        }
    }
}

extension ValueRule where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the cases, by its word.
    static var word: ValueRule {
        text("one of " + quoted(Value.allCases.map(\.rawValue)), Value.init(rawValue:))
    }
}

private func quoted(_ words: [String]) -> String { words.map(\.inQuotes).joined(separator: ", ") }
