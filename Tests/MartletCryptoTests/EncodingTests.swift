import MartletCrypto
import Testing

@Suite struct EncodingTests {
    @Test("RFC 4648 §10: the base 64 test vectors, both ways")
    func base64Vectors() {
        let vectors = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ]
        for (plain, text) in vectors {
            #expect(Base64.encode(plain.utf8) == text)
            #expect(Base64.decode(text) == [UInt8](plain.utf8))
        }
        #expect(Base64.encode([0xfb, 0xff, 0xbf] as [UInt8]) == "+/+/")
    }

    @Test(
        "RFC 6120 §6.4: base 64 that is not canonical is refused",
        arguments: [
            "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v=", "Zm9v====", "====", "=", "Z===", "Zm9v\n", " Zm9", "Zm-_",
            "Zg==Zg==",
            "Z=g=", "Zmé=",
        ])
    func base64Strictness(text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test("Every byte survives base 64 and hexadecimal at every length modulo three")
    func roundTrips() {
        for length in 0..<260 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ length) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            #expect(Hex.decode(Hex.encode(bytes)) == bytes)
        }
    }

    @Test("Hexadecimal accepts both cases and refuses odd lengths and other characters")
    func hexadecimal() {
        #expect(Hex.encode([0x00, 0xab, 0xFF] as [UInt8]) == "00abff")
        #expect(Hex.decode("00aBFf") == [0x00, 0xab, 0xff])
        #expect(Hex.decode("") == [])
        for text in ["0", "0g", "0x00", " 00", "00 ", "é0"] { #expect(Hex.decode(text) == nil) }
    }
}
