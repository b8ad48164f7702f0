/// A set of ASCII code points as two words, for the paths that look at every byte of every address.
struct ASCIIClass: Sendable {
    private let low: UInt64
    private let high: UInt64

    /// All printable code points (U+0021 to U+007E), which PRECIS calls ASCII7 (RFC 8264 §9.11), but for some.
    init(printableExcept excluded: StaticString, plusSpace: Bool = false) {
        var low = UInt64.max << 33
        var high = UInt64.max >> 1
        excluded.withUTF8Buffer { bytes in
            for byte in bytes {
                if byte < 64 { low &= ~(1 << UInt64(byte)) } else { high &= ~(1 << UInt64(byte & 63)) }
            }
        }
        if plusSpace { low |= 1 << 32 }
        self.low = low
        self.high = high
    }

    /// Whether an ASCII byte is in the set. Bytes above 127 must be sorted out before.
    func contains(_ byte: UInt8) -> Bool {
        ((byte & 64 == 0 ? low : high) >> UInt64(byte & 63)) & 1 != 0
    }
}

extension UInt8 {
    /// Is `A` to `Z`.
    var isASCIIUppercase: Bool { self &- UInt8(ascii: "A") < 26 }

    /// The byte in lower case if it is an ASCII letter.
    var asciiLowercased: UInt8 { isASCIIUppercase ? self | 0x20 : self }

    /// Is `0` to `9`.
    var isASCIIDigit: Bool { self &- UInt8(ascii: "0") < 10 }

    /// Is `a` to `z`, a digit or a hyphen, in either case of the letters.
    var isLetterDigitHyphen: Bool {
        (self | 0x20) &- UInt8(ascii: "a") < 26 || isASCIIDigit || self == UInt8(ascii: "-")
    }
}

extension String {
    /// ASCII bytes as a string, in lower case if `lowercasing`. Up to 15 bytes this allocates nothing.
    init(ascii bytes: UnsafeBufferPointer<UInt8>, lowercasing: Bool) {
        guard lowercasing else {
            self.init(decoding: bytes, as: UTF8.self)
            return
        }
        // SAFETY: exactly `bytes.count` bytes are initialised, as announced.
        self.init(unsafeUninitializedCapacity: bytes.count) { result in
            for index in bytes.indices { result.initializeElement(at: index, to: bytes[index].asciiLowercased) }
            return bytes.count
        }
    }
}
