/// The character classes of XML 1.0, over UTF-8 bytes.
enum XMLCharacters {
    /// Space, tab, line feed or carriage return (XML 1.0 §2.3, `S`).
    @inline(__always)
    static func isWhitespace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x09 || byte == 0x0D
    }

    /// Whether an ASCII byte may begin a name; a colon may not (Namespaces in XML 1.0 §3, `NCName`).
    @inline(__always)
    static func isNameStart(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return (lower >= 0x61 && lower <= 0x7A) || byte == UInt8(ascii: "_")
    }

    /// Whether an ASCII byte may stand inside a name.
    @inline(__always)
    static func isName(_ byte: UInt8) -> Bool {
        (byte < 64 ? namesBelow64 : byte < 128 ? namesFrom64 : 0) &>> UInt64(byte & 63) & 1 != 0
    }

    /// One bit for each character: `-`, `.` and digits.
    private static let namesBelow64: UInt64 = 0x03FF_6000_0000_0000
    /// One bit for each character from 64: letters and `_`.
    private static let namesFrom64: UInt64 = 0x07FF_FFFE_87FF_FFFE

    /// Whether a character beyond ASCII may begin a name in the fifth edition (XML 1.0 §2.3, `NameStartChar`).
    /// ``XMLNameRanges`` has what everybody accepts.
    static func isNewNameStart(scalar: UInt32) -> Bool {
        switch scalar {
        case 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x2FF, 0x370...0x37D, 0x37F...0x1FFF, 0x200C...0x200D, 0x2070...0x218F,
            0x2C00...0x2FEF,
            0x3001...0xD7FF, 0xF900...0xFDCF, 0xFDF0...0xFFFD, 0x10000...0xEFFFF:
            true
        default: false
        }
    }

    /// Whether a character beyond ASCII may stand inside a name in the fifth edition (XML 1.0 §2.3, `NameChar`).
    static func isNewName(scalar: UInt32) -> Bool {
        isNewNameStart(scalar: scalar) || scalar == 0xB7 || (0x300...0x36F).contains(scalar) || scalar == 0x203F
            || scalar == 0x2040
    }

    /// Whether all bytes may stand in a namespace's name: those of a URI (RFC 3986 §2), and whatever is beyond ASCII.
    ///
    /// Namespaces in XML 1.0 §2.2 wants a URI there. Parsers that hand over namespace and name in one string refuse the
    /// document if their separator stands in it, since nobody could tell the two apart then: expat does, and programs
    /// chose a space, `|`, `}` and others for it.
    static func areOfURI(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        for byte in bytes where byte < 128 {
            guard (byte < 64 ? uriBelow64 : uriFrom64) &>> UInt64(byte & 63) & 1 != 0 else { return false }
        }
        return true
    }

    /// One bit for each character that may stand in a URI: none of the controls, space, `"`, `<`, `>`.
    private static let uriBelow64: UInt64 = 0xAFFF_FFFA_0000_0000
    /// From 64: none of `\`, `^`, `` ` ``, `{`, `|`, `}` and DEL.
    private static let uriFrom64: UInt64 = 0x47FF_FFFE_AFFF_FFFF

    /// Whether XML allows this character at all (XML 1.0 §2.2, `Char`).
    static func isAllowed(scalar: UInt32) -> Bool {
        switch scalar {
        case 0x09, 0x0A, 0x0D, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: true
        default: false
        }
    }

    /// The character beyond ASCII at `index` and its length in bytes; nil if the UTF-8 is wrong (RFC 3629 §4: overlong forms, surrogates,
    /// beyond U+10FFFF, cut short) or XML forbids the character.
    @inline(__always)
    static func decode(_ bytes: Span<UInt8>, at index: Int) -> (scalar: UInt32, length: Int)? {
        let available = bytes.count - index
        let first = UInt32(bytes[index])
        if first < 0xC2 { return nil }
        if first < 0xE0 {
            guard available >= 2 else { return nil }
            let second = UInt32(bytes[index + 1])
            guard second & 0xC0 == 0x80 else { return nil }
            return ((first & 0x1F) << 6 | second & 0x3F, 2)
        }
        if first < 0xF0 {
            guard available >= 3 else { return nil }
            let second = UInt32(bytes[index + 1])
            let third = UInt32(bytes[index + 2])
            guard second & 0xC0 == 0x80, third & 0xC0 == 0x80 else { return nil }
            let scalar = (first & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
            guard scalar >= 0x800, scalar < 0xD800 || scalar > 0xDFFF, scalar < 0xFFFE else { return nil }
            return (scalar, 3)
        }
        guard first < 0xF5, available >= 4 else { return nil }
        let second = UInt32(bytes[index + 1])
        let third = UInt32(bytes[index + 2])
        let fourth = UInt32(bytes[index + 3])
        guard second & 0xC0 == 0x80, third & 0xC0 == 0x80, fourth & 0xC0 == 0x80 else { return nil }
        let scalar = (first & 0x07) << 18 | (second & 0x3F) << 12 | (third & 0x3F) << 6 | fourth & 0x3F
        guard scalar >= 0x10000, scalar <= 0x10FFFF else { return nil }
        return (scalar, 4)
    }
}
