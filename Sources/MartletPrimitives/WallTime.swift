// XEP-0082: XMPP Date and Time Profiles, version 1.1.1, DateTime (§3.2)
/// A point in calendar time (UTC), in milliseconds since 1970-01-01T00:00:00Z.
public struct WallTime: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
    public var milliseconds: Int64

    /// The time `milliseconds` after 1970-01-01T00:00:00Z.
    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// Whether `left` comes first.
    public static func < (left: WallTime, right: WallTime) -> Bool { left.milliseconds < right.milliseconds }

    /// XEP-0082 (XMPP Date and Time Profiles) §3.2 DateTime with milliseconds, in UTC: `2026-11-22T10:32:07.120Z`.
    public var description: String {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends ``description``.
    public func write(to bytes: inout [UInt8]) {
        let days = milliseconds.flooredDivision(by: 86_400_000)
        var rest = Int(milliseconds - days * 86_400_000)
        let (year, month, day) = Self.civil(fromDays: days)
        let millisecond = rest % 1000
        rest /= 1000
        let parts: [(value: Int, width: Int, end: UInt8)] = [
            (year, 4, UInt8(ascii: "-")), (month, 2, UInt8(ascii: "-")), (day, 2, UInt8(ascii: "T")),
            (rest / 3600, 2, UInt8(ascii: ":")), (rest / 60 % 60, 2, UInt8(ascii: ":")), (rest % 60, 2, UInt8(ascii: ".")),
            (millisecond, 3, UInt8(ascii: "Z")),
        ]
        for part in parts {
            Self.write(part.value, part.width, to: &bytes)
            bytes.append(part.end)
        }
    }

    /// Reads an XEP-0082 §3.2 DateTime: date, `T`, time, an optional fraction of a second, `Z` or a numeric offset.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard (20...64).contains(bytes.count) else { return nil }
        func number(_ range: Range<Int>) -> Int64? {
            var value: Int64 = 0
            for byte in bytes[range] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            return value
        }
        let separators: [(Int, UInt8)] = [
            (4, UInt8(ascii: "-")), (7, UInt8(ascii: "-")), (10, UInt8(ascii: "T")), (13, UInt8(ascii: ":")),
            (16, UInt8(ascii: ":")),
        ]
        guard separators.allSatisfy({ bytes[$0.0] == $0.1 }), let year = number(0..<4), let month = number(5..<7),
            let day = number(8..<10), let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        var position = 19
        var fraction: Int64 = 0
        if bytes[position] == UInt8(ascii: ".") {
            let digits = bytes[(position + 1)...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard !digits.isEmpty else { return nil }
            let padded = (Array(digits) + [48, 48, 48]).prefix(3)
            fraction = padded.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
            position += 1 + digits.count
        }
        guard let offset = Self.offset(bytes[position...]) else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        milliseconds = (days * 86_400 + hour * 3600 + minute * 60 + second - offset * 60) * 1000 + fraction
    }

    /// The minutes east of UTC that `Z`, `+hh:mm` or `-hh:mm` means.
    private static func offset(_ bytes: ArraySlice<UInt8>) -> Int64? {
        if bytes.elementsEqual("Z".utf8) { return 0 }
        let text = Array(bytes)
        guard text.count == 6, text[3] == UInt8(ascii: ":"), text[0] == UInt8(ascii: "+") || text[0] == UInt8(ascii: "-")
        else { return nil }
        let digits = [1, 2, 4, 5].map { Int64(text[$0]) - 48 }
        guard digits.allSatisfy({ (0...9).contains($0) }) else { return nil }
        let minutes = (digits[0] * 10 + digits[1]) * 60 + digits[2] * 10 + digits[3]
        return text[0] == UInt8(ascii: "-") ? -minutes : minutes
    }

    /// The inverse of ``civil(fromDays:)``.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = year.flooredDivision(by: 400)
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Days since 1970 to (year, month, day) in the proleptic Gregorian calendar, by counting 400-year eras from March.
    private static func civil(fromDays days: Int64) -> (Int, Int, Int) {
        let shifted = days + 719_468
        let era = shifted.flooredDivision(by: 146_097)
        let dayOfEra = Int(shifted - era * 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + Int(era) * 400 + (month <= 2 ? 1 : 0)
        return (year, month, day)
    }

    /// Appends `value` with zeros before it.
    private static func write(_ value: Int, _ width: Int, to bytes: inout [UInt8]) {
        var unit = 1
        var digits = 1
        while digits < width || value / unit >= 10 {
            unit *= 10
            digits += 1
        }
        while unit > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(value / unit % 10))
            unit /= 10
        }
    }
}

extension Int64 {
    fileprivate func flooredDivision(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
