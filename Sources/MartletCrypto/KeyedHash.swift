/// SipHash-2-4 (Aumasson, Bernstein 2012): 64 bits that nobody can predict who has not the key, some nanoseconds for an address. What is
/// found by it is compared in full where two values with one hash would do harm.
public struct KeyedHash: Sendable, Equatable {
    private let first: UInt64
    private let second: UInt64

    /// The hash function of that key: the first 16 bytes of the SHA-256 of `secret` and of what it is used for.
    public init(secret: [UInt8], use: String) {
        self.init(key: Digest.hash(.sha256, secret + Array(use.utf8)))
    }

    /// The hash function of the key in the first 16 bytes.
    init(key: [UInt8]) {
        (first, second) = (Self.word(key, at: 0), Self.word(key, at: 8))
    }

    /// The hash of bytes.
    public func hash(_ bytes: [UInt8]) -> UInt64 {
        var state = State(first, second)
        let whole = bytes.count & ~7
        for start in stride(from: 0, to: whole, by: 8) { state.take(Self.word(bytes, at: start)) }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        for index in whole..<bytes.count { last |= UInt64(bytes[index]) << UInt64(8 * (index - whole)) }
        state.take(last)
        return state.end()
    }

    /// The hash of a number's eight bytes, the lowest first.
    public func hash(_ number: UInt64) -> UInt64 {
        var state = State(first, second)
        state.take(number)
        state.take(8 << 56)
        return state.end()
    }

    private static func word(_ bytes: [UInt8], at start: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<8 { word |= UInt64(bytes[start + index]) << UInt64(8 * index) }
        return word
    }

    private struct State {
        private var v: (UInt64, UInt64, UInt64, UInt64)

        init(_ first: UInt64, _ second: UInt64) {
            v = (
                first ^ 0x736f_6d65_7073_6575, second ^ 0x646f_7261_6e64_6f6d, first ^ 0x6c79_6765_6e65_7261,
                second ^ 0x7465_6462_7974_6573
            )
        }

        mutating func take(_ word: UInt64) {
            v.3 ^= word
            mix()
            mix()
            v.0 ^= word
        }

        mutating func end() -> UInt64 {
            v.2 ^= 0xff
            for _ in 0..<4 { mix() }
            return v.0 ^ v.1 ^ v.2 ^ v.3
        }

        private mutating func mix() {
            v.0 &+= v.1
            v.1 = Self.turned(v.1, 13) ^ v.0
            v.0 = Self.turned(v.0, 32)
            v.2 &+= v.3
            v.3 = Self.turned(v.3, 16) ^ v.2
            v.0 &+= v.3
            v.3 = Self.turned(v.3, 21) ^ v.0
            v.2 &+= v.1
            v.1 = Self.turned(v.1, 17) ^ v.2
            v.2 = Self.turned(v.2, 32)
        }

        private static func turned(_ word: UInt64, _ by: UInt64) -> UInt64 { word &<< by | word &>> (64 - by) }
    }
}
