import MartletPrimitives
import Testing

@Suite struct PrimitivesTests {
    @Test(
        "XEP-0082 §3.2: a DateTime in UTC with milliseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_795_343_527_120, "2026-11-22T10:32:07.120Z"),
            (-1, "1969-12-31T23:59:59.999Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func dateTime(milliseconds: Int64, text: String) {
        #expect(WallTime(milliseconds: milliseconds).description == text)
        #expect(WallTime(text) == WallTime(milliseconds: milliseconds))
    }

    @Test("XEP-0082 §3.2: offsets and fractions are read, what is no DateTime is not")
    func reading() {
        #expect(WallTime("1970-01-01T01:00:00+01:00") == WallTime(milliseconds: 0))
        #expect(WallTime("1969-12-31T23:30:00.5-00:30") == WallTime(milliseconds: 500))
        #expect(WallTime("1970-01-01T00:00:00.123456789Z") == WallTime(milliseconds: 123))
        for text in [
            "", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00z1", "1970-01-01T00:00:00+0100", "x970-01-01T00:00:00Z", "1970-01-01T00:00:00+01:0x",
        ] {
            #expect(WallTime(text) == nil, "\(text)")
        }
    }

    @Test("RFC 8439 §2.3: the first block of the key stream of a key of zeros")
    func keyStream() {
        var stream = RandomStream(key: [UInt8](repeating: 0, count: 32))
        let expected: [UInt8] = [
            0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28,
        ]
        #expect(stream.bytes(16) == expected)
    }

    @Test("streams of one seed are equal, of two seeds are not, and identifiers do not repeat")
    func seeds() {
        var one = RandomStream(seed: 1)
        var same = RandomStream(seed: 1)
        var other = RandomStream(seed: 2)
        #expect((0..<100).map { _ in one.next() } == (0..<100).map { _ in same.next() })
        #expect(one.next() != other.next())
        var seen: Set<String> = []
        for _ in 0..<1000 {
            let identifier = one.identifier()
            #expect(identifier.utf8.count == 20)
            #expect(seen.insert(identifier).inserted)
        }
    }

    @Test("what is written is read again, and keys sort as numbers")
    func coding() {
        var random = RandomStream(seed: 3)
        for _ in 0..<200 {
            let (a, b) = (random.next(), Int64(bitPattern: random.next()))
            let bytes = random.bytes(Int(random.next() % 40))
            let text = random.next() % 2 == 0 ? nil : random.identifier()
            var writer = ByteWriter()
            writer.put(a)
            writer.put(UInt8(truncatingIfNeeded: a))
            writer.put(b)
            writer.put(bytes)
            writer.put(text)
            writer.put("é")
            var reader = ByteReader(writer.bytes)
            #expect(reader.take(UInt64.self) == a)
            #expect(reader.take(UInt8.self) == UInt8(truncatingIfNeeded: a))
            #expect(reader.take(Int64.self) == b)
            #expect(reader.takeBytes() == bytes)
            #expect(reader.takeOptionalString() == text)
            #expect(reader.takeString() == "é")
            #expect(reader.isAtEnd)
        }
        var (small, large) = (ByteWriter(), ByteWriter())
        small.put(UInt64(255))
        large.put(UInt64(256))
        #expect(small.bytes.lexicographicallyPrecedes(large.bytes))
        var grown = ByteWriter(capacity: 0)
        #expect(grown.bytes == [])
        grown.put([UInt8]())
        grown.put(nil as String?)
        #expect(grown.bytes == [0, 0, 0, 0, 0])
        grown.put("a" as String?)
        [7, 8].withUnsafeBytes { grown.append(UnsafeRawBufferPointer(rebasing: $0[..<1])) }
        #expect(grown.bytes == [0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x61, 7])
    }
}
