import Testing

@testable import MartletCrypto

@Suite("SipHash-2-4")
struct KeyedHashTests {
    private static let hash = KeyedHash(key: Array(0..<16))

    @Test(
        "the test vectors of its authors",
        arguments: [
            (0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (8, 0x93f5_f579_9a93_2462), (15, 0xa129_ca61_49be_45e5),
        ] as [(UInt8, UInt64)])
    func vectors(length: UInt8, expected: UInt64) {
        #expect(Self.hash.hash(Array(0..<length)) == expected)
    }

    @Test("a number is hashed as its eight bytes, the lowest first")
    func number() {
        #expect(Self.hash.hash(0x0706_0504_0302_0100) == Self.hash.hash(Array(0..<8)))
    }

    @Test("another secret or another use is another function")
    func keys() {
        let hashes = [KeyedHash(secret: [1], use: "a"), KeyedHash(secret: [2], use: "a"), KeyedHash(secret: [1], use: "b")]
        #expect(Set(hashes.map { $0.hash([1, 2, 3]) }).count == 3)
    }
}
