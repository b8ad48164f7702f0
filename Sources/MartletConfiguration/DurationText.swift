/// Durations as files write them: a whole number and a unit, such as `250ms`, `30s`, `10m`, `12h`, `5d`.
public enum DurationText {
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
    ]

    /// The duration, `nil` if the text is none. Nothing beyond 9 digits is one.
    public static func read(_ text: String) -> Duration? {
        guard let (count, unit) = NumberWithUnit.split(text), let factor = units.first(where: { $0.name == unit }) else {
            return nil
        }
        return .milliseconds(Int64(count) * factor.milliseconds)
    }

    /// The duration in the largest unit that divides it.
    public static func write(_ duration: Duration) -> String {
        let milliseconds = duration.milliseconds
        let unit =
            units.first { milliseconds != 0 && milliseconds.isMultiple(of: $0.milliseconds) } ?? (name: "s", milliseconds: 1000)
        return "\(milliseconds / unit.milliseconds)\(unit.name)"
    }
}

extension Duration {
    /// The duration in milliseconds, rounded towards zero: the unit in which the cores count time.
    public var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}

/// Sizes as files write them: a whole number and a unit, such as `256KiB`.
enum SizeText {
    private static let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)]

    /// The number of bytes, `nil` if the text is no size or more than an `Int` holds.
    static func read(_ text: String) -> Int? {
        guard let (count, unit) = NumberWithUnit.split(text), let factor = units.first(where: { $0.0 == unit }) else {
            return nil
        }
        let (size, overflows) = count.multipliedReportingOverflow(by: factor.1)
        return overflows ? nil : size
    }

    /// The size in the largest unit that divides it.
    static func write(_ size: Int) -> String {
        let unit = units.first { size != 0 && size.isMultiple(of: $0.1) } ?? ("B", 1)
        return "\(size / unit.1)\(unit.0)"
    }
}

/// A whole number directly followed by a word.
private enum NumberWithUnit {
    static func split(_ text: String) -> (count: Int, unit: String)? {
        let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard (1...9).contains(digits.count), let count = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
        return (count, String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self))
    }
}
