/// The site's only source of randomness: the ChaCha20 key stream (RFC 8439 §2.3) of one key.
///
/// Keyed from the kernel it is a cryptographic generator (identifiers and tokens must not be guessable); keyed from a
/// seed it makes a simulated run repeatable. One type for both, so that what is simulated is what runs.
public struct RandomStream: RandomNumberGenerator, Sendable {
    private var key: [UInt32]
    private var counter: UInt64 = 0
    private var block: [UInt64] = []
    private var position = 0

    /// A stream from a 32-byte key.
    public init(key bytes: [UInt8]) {
        precondition(bytes.count == 32, "a ChaCha20 key has 32 bytes, this one \(bytes.count)")
        key = []
        for word in stride(from: 0, to: 32, by: 4) {
            let low = UInt32(bytes[word]) | UInt32(bytes[word + 1]) << 8
            let high = UInt32(bytes[word + 2]) << 16 | UInt32(bytes[word + 3]) << 24
            key.append(low | high)
        }
    }

    /// A repeatable stream for simulations and tests; never for a running site.
    public init(seed: UInt64) {
        key = [UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32), 1, 2, 3, 4, 5, 6]
    }

    /// The next 64 bits of the key stream.
    public mutating func next() -> UInt64 {
        if position == block.count { refill() }
        defer { position += 1 }
        return block[position]
    }

    /// `count` random bytes.
    public mutating func bytes(_ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            let word = next()
            for shift in 0..<min(8, count - result.count) {
                result.append(UInt8(truncatingIfNeeded: word >> UInt64(shift * 8)))
            }
        }
        return result
    }

    /// An identifier for stanzas and streams: 120 bits in URL-safe letters, fit for any XML attribute and resourcepart.
    public mutating func identifier() -> String {
        let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        return alphabet.withUTF8Buffer { letters in
            String(unsafeUninitializedCapacity: 20) { buffer in
                for half in 0..<2 {
                    let word = next()
                    for index in 0..<10 {
                        buffer[half * 10 + index] = letters[Int(word >> UInt64(index * 6) & 63)]
                    }
                }
                return 20
            }
        }
    }

    private mutating func refill() {
        var state: [UInt32] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]
        state += key
        state += [UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), 0, 0]
        counter += 1
        var working = state
        for _ in 0..<10 {
            Self.quarter(&working, 0, 4, 8, 12)
            Self.quarter(&working, 1, 5, 9, 13)
            Self.quarter(&working, 2, 6, 10, 14)
            Self.quarter(&working, 3, 7, 11, 15)
            Self.quarter(&working, 0, 5, 10, 15)
            Self.quarter(&working, 1, 6, 11, 12)
            Self.quarter(&working, 2, 7, 8, 13)
            Self.quarter(&working, 3, 4, 9, 14)
        }
        for index in 0..<16 { working[index] &+= state[index] }
        block = (0..<8).map { UInt64(working[$0 * 2]) | UInt64(working[$0 * 2 + 1]) << 32 }
        position = 0
    }

    private static func quarter(_ s: inout [UInt32], _ a: Int, _ b: Int, _ c: Int, _ d: Int) {
        s[a] &+= s[b]
        s[d] = rotated(s[d] ^ s[a], 16)
        s[c] &+= s[d]
        s[b] = rotated(s[b] ^ s[c], 12)
        s[a] &+= s[b]
        s[d] = rotated(s[d] ^ s[a], 8)
        s[c] &+= s[d]
        s[b] = rotated(s[b] ^ s[c], 7)
    }

    private static func rotated(_ word: UInt32, _ by: UInt32) -> UInt32 { word << by | word >> (32 - by) }
}
