import MartletPrimitives

/// Keys of one and of two numbers, most significant byte first, without memory of their own.
enum NumberKey {
    static func short(_ first: UInt32, _ second: UInt64) -> InlineArray<12, UInt8> {
        InlineArray {
            $0 < 4
                ? UInt8(truncatingIfNeeded: first >> UInt32(24 - 8 * $0))
                : UInt8(truncatingIfNeeded: second >> UInt64(88 - 8 * $0))
        }
    }

    static func one(_ number: UInt64) -> InlineArray<8, UInt8> {
        InlineArray { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) }
    }

    static func three(_ first: UInt64, _ second: UInt64, _ third: UInt64) -> InlineArray<24, UInt8> {
        InlineArray {
            UInt8(truncatingIfNeeded: ($0 < 8 ? first : $0 < 16 ? second : third) >> UInt64(56 - 8 * ($0 & 7)))
        }
    }

    static func two(_ first: UInt64, _ second: UInt64) -> InlineArray<16, UInt8> {
        InlineArray { UInt8(truncatingIfNeeded: ($0 < 8 ? first : second) >> UInt64(56 - 8 * ($0 & 7))) }
    }
}

extension Span<UInt8> {
    /// Whether these bytes begin with those.
    public func starts(with prefix: Span<UInt8>) -> Bool {
        guard count >= prefix.count else { return false }
        for index in prefix.indices where self[index] != prefix[index] { return false }
        return true
    }
}

extension UInt64 {
    /// The number that the first eight bytes are.
    init(bigEndianBytes bytes: Span<UInt8>) {
        require(bytes.count >= 8, "a key of \(bytes.count) bytes where a number was to be")
        self = 0
        for index in 0..<8 { self = self << 8 | UInt64(bytes[index]) }
    }
}
