/// The site's only source of randomness: the ChaCha20 key stream (RFC 8439 §2.3) of one key.
///
/// Keyed from the kernel it is a cryptographic generator (identifiers and tokens must not be guessable); keyed from a
/// seed it makes a simulated run repeatable. One type for both, so that what is simulated is what runs.
public struct RandomStream: RandomNumberGenerator, Sendable {
    private let keys: (SIMD4<UInt32>, SIMD4<UInt32>)
    private var counter: UInt64 = 0
    private var block: [UInt64] = []
    private var position = 0

    /// A stream from a 32-byte key.
    public init(key bytes: [UInt8]) {
        require(bytes.count == 32, "a ChaCha20 key has 32 bytes, this one \(bytes.count)")
        var key = [SIMD4<UInt32>](repeating: SIMD4(), count: 2)
        for (index, byte) in bytes.enumerated() { key[index / 16][index / 4 % 4] |= UInt32(byte) << UInt32(index % 4 * 8) }
        keys = (key[0], key[1])
    }

    /// A repeatable stream for simulations and tests; never for a running site.
    public init(seed: UInt64) {
        keys = ([UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32), 1, 2], [3, 4, 5, 6])
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
        // The sixteen words of the state as the four rows of RFC 8439 §2.3: four quarter rounds are one of rows.
        let first: SIMD4<UInt32> = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]
        let last: SIMD4<UInt32> = [UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), 0, 0]
        counter += 1
        var (a, b, c, d) = (first, keys.0, keys.1, last)
        for _ in 0..<10 {
            Self.quarters(&a, &b, &c, &d)
            // The diagonals become columns, and come back.
            (b, c, d) = (Self.turned1(b), Self.turned2(c), Self.turned3(d))
            Self.quarters(&a, &b, &c, &d)
            (b, c, d) = (Self.turned3(b), Self.turned2(c), Self.turned1(d))
        }
        block.removeAll(keepingCapacity: true)
        for row in [a &+ first, b &+ keys.0, c &+ keys.1, d &+ last] {
            block.append(UInt64(row[0]) | UInt64(row[1]) << 32)
            block.append(UInt64(row[2]) | UInt64(row[3]) << 32)
        }
        position = 0
    }

    /// RFC 8439 §2.1, of four columns.
    @inline(__always)
    private static func quarters(
        _ a: inout SIMD4<UInt32>, _ b: inout SIMD4<UInt32>, _ c: inout SIMD4<UInt32>, _ d: inout SIMD4<UInt32>
    ) {
        a &+= b
        d = rotated(d ^ a, 16)
        c &+= d
        b = rotated(b ^ c, 12)
        a &+= b
        d = rotated(d ^ a, 8)
        c &+= d
        b = rotated(b ^ c, 7)
    }

    @inline(__always)
    private static func rotated(_ words: SIMD4<UInt32>, _ by: UInt32) -> SIMD4<UInt32> {
        words &<< by | words &>> (32 - by)
    }

    @inline(__always)
    private static func turned1(_ row: SIMD4<UInt32>) -> SIMD4<UInt32> { [row[1], row[2], row[3], row[0]] }
    @inline(__always)
    private static func turned2(_ row: SIMD4<UInt32>) -> SIMD4<UInt32> { [row[2], row[3], row[0], row[1]] }
    @inline(__always)
    private static func turned3(_ row: SIMD4<UInt32>) -> SIMD4<UInt32> { [row[3], row[0], row[1], row[2]] }
}
