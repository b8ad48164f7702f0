/// Base 64 with the standard alphabet and padding (RFC 4648 §4).
public enum Base64 {
    /// The text for `bytes`, padded, without line breaks.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        String(decoding: encodedBytes(bytes), as: UTF8.self)
    }

    /// The same as ASCII bytes, for output buffers.
    public static func encodedBytes(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity((bytes.count + 2) / 3 * 4)
        var group: UInt32 = 0
        var held = 0
        for byte in bytes {
            group = group << 8 | UInt32(byte)
            held += 1
            if held == 3 {
                result.append(digit(group >> 18 & 63))
                result.append(digit(group >> 12 & 63))
                result.append(digit(group >> 6 & 63))
                result.append(digit(group & 63))
                group = 0
                held = 0
            }
        }
        if held == 1 {
            result += [digit(group >> 2), digit(group << 4 & 63), padding, padding]
        } else if held == 2 {
            result += [digit(group >> 10), digit(group >> 4 & 63), digit(group << 2 & 63), padding]
        }
        return result
    }

    /// The bytes that `text` stands for; nil for anything but the canonical encoding of some bytes.
    public static func decode(_ text: String) -> [UInt8]? {
        decode(text.utf8)
    }

    /// The bytes that ASCII `digits` stand for.
    ///
    /// Strict as RFC 6120 §6.4 asks: nil for white space and other foreign characters, for missing or superfluous padding and
    /// for bits set behind the last byte, so that there is exactly one text for each value. The empty text is no bytes.
    public static func decode(_ digits: some Collection<UInt8>) -> [UInt8]? {
        guard digits.count % 4 == 0 else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(digits.count / 4 * 3)
        var group: UInt32 = 0
        var held = 0
        var padded = 0
        for digit in digits {
            if digit == padding {
                padded += 1
                continue
            }
            guard padded == 0, let value = value(of: digit) else { return nil }
            group = group << 6 | UInt32(value)
            held += 1
            if held == 4 {
                result.append(UInt8(truncatingIfNeeded: group >> 16))
                result.append(UInt8(truncatingIfNeeded: group >> 8))
                result.append(UInt8(truncatingIfNeeded: group))
                group = 0
                held = 0
            }
        }
        switch (held, padded) {
        case (0, 0):
            return result
        case (2, 2) where group & 15 == 0:
            result.append(UInt8(truncatingIfNeeded: group >> 4))
            return result
        case (3, 1) where group & 3 == 0:
            result.append(UInt8(truncatingIfNeeded: group >> 10))
            result.append(UInt8(truncatingIfNeeded: group >> 2))
            return result
        default:
            return nil
        }
    }

    private static let padding = UInt8(ascii: "=")

    private static func digit(_ value: UInt32) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: value)
        return switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + (value - 26)
        case 52..<62: UInt8(ascii: "0") + (value - 52)
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
