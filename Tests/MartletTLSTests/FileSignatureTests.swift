import MartletTLS
import Testing

@Suite struct FileSignatureTests {
    private static func identity() throws -> (IssuedCertificate, TLSIdentity) {
        let issued = try SelfSignedCertificate.make(domain: "pilsen.example", days: 1)
        let identity = try TLSIdentity(
            certificateChainPEM: Array(issued.certificatePEM.utf8), keyPEM: Array(issued.keyPEM.utf8))
        return (issued, identity)
    }

    @Test("a signature fits the bytes, the key and itself, and nothing else")
    func signature() throws {
        let (issued, identity) = try Self.identity()
        let pem = Array(issued.certificatePEM.utf8)
        for count in [0, 1, 100_000] {
            let bytes = [UInt8](repeating: 7, count: count)
            let signature = try FileSignature.sign(bytes, by: identity)
            #expect(try FileSignature.isValid(signature, over: bytes, certificatePEM: pem))
            #expect(try !FileSignature.isValid(signature, over: bytes + [0], certificatePEM: pem))
            #expect(try !FileSignature.isValid([], over: bytes, certificatePEM: pem))
            for place in signature.indices {
                var wrong = signature
                wrong[place] ^= 1
                #expect(try !FileSignature.isValid(wrong, over: bytes, certificatePEM: pem))
            }
            let (other, _) = try Self.identity()
            #expect(try !FileSignature.isValid(signature, over: bytes, certificatePEM: Array(other.certificatePEM.utf8)))
        }
        #expect(throws: TLSError.self) { try FileSignature.isValid([1], over: [1], certificatePEM: Array("nothing".utf8)) }
    }
}
