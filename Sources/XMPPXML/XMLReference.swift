/// A character reference or one of the five predefined entities (XML 1.0 §4.1, §4.6).
struct XMLReference {
    /// The character meant.
    let scalar: UInt32
    /// Bytes from `&` to `;`, both included.
    let length: Int

    /// The reference whose `&` is at `index`; nil if it is none of the allowed ones.
    init?(_ bytes: Span<UInt8>, at index: Int) {
        let name = index + 1
        guard name < bytes.count else { return nil }
        if bytes[name] == UInt8(ascii: "#") {
            guard let reference = Self.number(bytes, at: index) else { return nil }
            self = reference
        } else if bytes.matches("amp;", at: name) {
            self.init(scalar: 0x26, length: 5)
        } else if bytes.matches("lt;", at: name) {
            self.init(scalar: 0x3C, length: 4)
        } else if bytes.matches("gt;", at: name) {
            self.init(scalar: 0x3E, length: 4)
        } else if bytes.matches("apos;", at: name) {
            self.init(scalar: 0x27, length: 6)
        } else if bytes.matches("quot;", at: name) {
            self.init(scalar: 0x22, length: 6)
        } else {
            return nil
        }
    }

    private init(scalar: UInt32, length: Int) {
        self.scalar = scalar
        self.length = length
    }

    /// `&#1234;` or `&#x4D2;`.
    private static func number(_ bytes: Span<UInt8>, at index: Int) -> XMLReference? {
        var position = index + 2
        guard position < bytes.count else { return nil }
        let isHexadecimal = bytes[position] == UInt8(ascii: "x")
        if isHexadecimal { position += 1 }
        let first = position
        var scalar: UInt32 = 0
        while position < bytes.count, let digit = digit(bytes[position], isHexadecimal) {
            scalar = scalar * (isHexadecimal ? 16 : 10) + digit
            // Checked at every digit, so that the number cannot overflow.
            guard scalar <= 0x10FFFF else { return nil }
            position += 1
        }
        guard position > first, position < bytes.count, bytes[position] == UInt8(ascii: ";"),
            XMLCharacters.isAllowed(scalar: scalar)
        else { return nil }
        return XMLReference(scalar: scalar, length: position + 1 - index)
    }

    private static func digit(_ byte: UInt8, _ isHexadecimal: Bool) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte) - 0x30
        case UInt8(ascii: "a")...UInt8(ascii: "f") where isHexadecimal: UInt32(byte) - 0x61 + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F") where isHexadecimal: UInt32(byte) - 0x41 + 10
        default: nil
        }
    }

    /// Appends what the bytes in `range`, checked before, mean: references resolved, line ends and, in attributes, white space normalised
    /// (XML 1.0 §2.11, §3.3.3).
    static func decode(
        _ bytes: Span<UInt8>, _ range: Range<Int>, as kind: ElementTape.Record.Kind, into decoded: inout [UInt8]
    ) {
        let isText = kind == .text || kind == .cdata
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "&") where kind != .cdata:
                guard let reference = XMLReference(bytes, at: index), let scalar = Unicode.Scalar(reference.scalar) else {
                    preconditionFailure("a reference on a tape was not checked")
                }
                if scalar.isASCII {
                    decoded.append(UInt8(truncatingIfNeeded: scalar.value))
                } else {
                    decoded.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
                }
                index += reference.length
                continue
            case 0x0D:
                decoded.append(isText ? 0x0A : 0x20)
                if index + 1 < range.upperBound, bytes[index + 1] == 0x0A { index += 1 }
            case 0x09 where !isText, 0x0A where !isText:
                decoded.append(0x20)
            default:
                decoded.append(byte)
            }
            index += 1
        }
    }
}
