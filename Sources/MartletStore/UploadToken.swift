/// The part of an upload's address that nobody guesses: 128 bits, written as 32 hexadecimal digits. Whoever knows it may read the file
/// (XEP-0363 §2); the same token names the copies of a file at our other offices.
public struct UploadToken: Hashable, Sendable, CustomStringConvertible {
    /// The upper half.
    public var high: UInt64
    /// The lower half.
    public var low: UInt64

    /// The token of these halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// How many letters a written token has.
    public static let length = 32

    /// Reads a written token; nil where it is none: nothing else is ever part of the name of a file.
    public init?(_ text: some StringProtocol) {
        self.init(bytes: Array(text.utf8))
    }

    /// The same from its letters.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        var halves: (UInt64, UInt64) = (0, 0)
        for (index, byte) in bytes.enumerated() {
            let value: UInt8
            switch byte {
            case 48...57: value = byte - 48
            case 97...102: value = byte - 87
            default: return nil
            }
            if index < 16 { halves.0 = halves.0 << 4 | UInt64(value) } else { halves.1 = halves.1 << 4 | UInt64(value) }
        }
        self.init(high: halves.0, low: halves.1)
    }

    /// The written token.
    public var description: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for half in [high, low] { for place in 0..<16 { text.append(digits[Int(half >> UInt64(60 - 4 * place) & 15)]) } }
        return String(decoding: text, as: UTF8.self)
    }
}
