import MartletCrypto
import Testing

@Suite struct DigestTests {
    @Test("FIPS 180-4: the digests of the empty message and of abc")
    func knownDigests() {
        #expect(Hex.encode(Digest.hash(.sha1, "abc".utf8)) == "a9993e364706816aba3e25717850c26c9cd0d89d")
        #expect(Hex.encode(Digest.hash(.sha1, [])) == "da39a3ee5e6b4b0d3255bfef95601890afd80709")
        #expect(
            Hex.encode(Digest.hash(.sha256, "abc".utf8))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            Hex.encode(Digest.hash(.sha512, "abc".utf8))
                == "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
    }

    @Test("A slice and a lazy collection hash like the array with the same bytes")
    func otherCollections() {
        let bytes: [UInt8] = [9, 1, 2, 3, 9]
        let expected = Digest.hash(.sha256, [1, 2, 3] as [UInt8])
        #expect(Digest.hash(.sha256, bytes[1..<4]) == expected)
        #expect(Digest.hash(.sha256, [0, 1, 2].lazy.map { UInt8($0 + 1) }) == expected)
        #expect(expected.count == DigestAlgorithm.sha256.length)
    }

    @Test("RFC 2202 and RFC 4231: the HMAC test cases")
    func knownCodes() {
        let key = [UInt8](repeating: 0x0b, count: 20)
        #expect(Hex.encode(HMAC.authenticate(.sha1, key: key, "Hi There".utf8)) == "b617318655057264e28bc0b6fb378c8ef146be00")
        #expect(
            Hex.encode(HMAC.authenticate(.sha256, key: key, "Hi There".utf8))
                == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        #expect(
            Hex.encode(HMAC.authenticate(.sha512, key: key, "Hi There".utf8))
                == "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                + "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854")
        #expect(
            Hex.encode(HMAC.authenticate(.sha256, key: "Jefe".utf8, "what do ya want for nothing?".utf8))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            Hex.encode(
                HMAC.authenticate(
                    .sha256, key: [UInt8](repeating: 0xaa, count: 131),
                    "Test Using Larger Than Block-Size Key - Hash Key First".utf8))
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test("HMAC with an empty key and an empty message is defined")
    func emptyKey() {
        #expect(
            Hex.encode(HMAC.authenticate(.sha256, key: [], []))
                == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }

    @Test("RFC 6070 and RFC 7914 §11: the PBKDF2 test vectors")
    func knownKeys() {
        let password = [UInt8]("password".utf8)
        let salt = [UInt8]("salt".utf8)
        func sha1(_ iterations: Int) -> String {
            Hex.encode(PBKDF2.derive(.sha1, password: password, salt: salt, iterations: iterations, length: 20))
        }
        #expect(sha1(1) == "0c60c80f961f0e71f3a9b524af6012062fe037a6")
        #expect(sha1(2) == "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957")
        #expect(sha1(4096) == "4b007901b765489abead49d926f721d065a429c1")
        let long = PBKDF2.derive(
            .sha1, password: [UInt8]("passwordPASSWORDpassword".utf8),
            salt: [UInt8]("saltSALTsaltSALTsaltSALTsaltSALTsalt".utf8), iterations: 4096, length: 25)
        #expect(Hex.encode(long) == "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038")
        let withZeros = PBKDF2.derive(
            .sha1, password: [UInt8]("pass\0word".utf8), salt: [UInt8]("sa\0lt".utf8), iterations: 4096, length: 16)
        #expect(Hex.encode(withZeros) == "56fa6aa75548099dcc37d7f03425e0c3")
        let sha256 = PBKDF2.derive(
            .sha256, password: [UInt8]("passwd".utf8), salt: salt, iterations: 1, length: 64)
        #expect(
            Hex.encode(sha256)
                == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
                + "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783")
    }

    @Test("Secrets are equal only when every byte and the length are")
    func constantTime() {
        #expect(constantTimeEqual([], []))
        #expect(constantTimeEqual([1, 2, 3], [1, 2, 3]))
        #expect(!constantTimeEqual([1, 2, 3], [1, 2, 4]))
        #expect(!constantTimeEqual([1, 2, 3], [1, 2]))
        #expect(!constantTimeEqual([], [0]))
    }
}
