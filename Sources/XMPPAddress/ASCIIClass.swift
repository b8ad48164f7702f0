/// A set of ASCII code points as two words, for the paths that look at every byte of every address.
struct ASCIIClass: Sendable {
    private let low: UInt64
    private let high: UInt64

    /// Sets bit `n` of `low` for code point `n`, of `high` for code point `64 + n`. Literals, so that nothing remains to be
    /// initialised at first use (a check on every access).
    private init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// U+0021 to U+007E, which PRECIS calls ASCII7 (RFC 8264 §9.11), without `"`, `&`, `'`, `/`, `:`, `<`, `>` and `@`
    /// (RFC 7622 §3.3.1).
    static let localpart = ASCIIClass(low: 0xABFF_7F3A_0000_0000, high: 0x7FFF_FFFF_FFFF_FFFE)

    /// ASCII7 and the space.
    static let opaque = ASCIIClass(low: 0xFFFF_FFFF_0000_0000, high: 0x7FFF_FFFF_FFFF_FFFF)

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
        // SAFETY: exactly `bytes.count` bytes are initialised, as announced.
        self.init(unsafeUninitializedCapacity: bytes.count) { result in
            if lowercasing {
                for index in bytes.indices { result.initializeElement(at: index, to: bytes[index].asciiLowercased) }
                return bytes.count
            }
            return result.initialize(fromContentsOf: bytes)
        }
    }
}
