import MartletPrimitives
import MartletCrypto
import XMPPAddress

/// The server's side of one SCRAM exchange (RFC 5802, RFC 7677): client-first in, server-first out, client-final in,
/// server-final out.
///
/// A decoy (RFC 5802 §9 leaves it to the server) takes the same steps and the same time as an account; only the end
/// tells, with the error that a wrong password has.
struct SCRAMServerExchange: Sendable {
    /// Who wants in, prepared.
    let localpart: String
    let mechanism: SASLMechanism

    /// The `gs2-header` and the data of the channel binding, as client-final must repeat them in `c=`.
    private let bindingInput: [UInt8]
    private let clientFirstBare: [UInt8]
    private let clientNonce: ArraySlice<UInt8>
    private var serverFirst: [UInt8] = []
    private var nonce: [UInt8] = []
    /// What the site keeps of the account; set by ``challenge(_:nonce:)``.
    private(set) var credentials: StoredCredentials?

    /// Reads client-first (RFC 5802 §7).
    init(
        clientFirst message: [UInt8], _ offered: OfferedMechanism, _ bindings: ChannelBindings, domain: JID
    ) throws(SASLFailure) {
        // gs2-header: gs2-cbind-flag "," [authzid] ","
        guard let flagEnd = message.firstIndex(of: comma),
            let headerEnd = message[(flagEnd + 1)...].firstIndex(of: comma)
        else { throw .malformedRequest }
        var input = Array(message[...headerEnd])
        input += try Self.bindingData(message[..<flagEnd], isPlus: offered.isPlus, bindings)

        let bare = message[(headerEnd + 1)...]
        let attributes = bare.split(separator: comma, omittingEmptySubsequences: false)
        // `m=` is a mandatory extension, of which there are none; it stands before the name (RFC 5802 §5.1).
        guard attributes.count >= 2, let name = attributes[0].value("n"), let nonce = attributes[1].value("r"),
            nonce.isNonce, let username = Self.saslName(name),
            let localpart = try? Localpart.prepare(username)
        else { throw .malformedRequest }

        let authzid = message[(flagEnd + 1)..<headerEnd]
        if !authzid.isEmpty {
            guard let name = authzid.value("a"), let text = Self.saslName(name) else { throw .malformedRequest }
            try SASLFailure.check(authzid: text, localpart: localpart, domain: domain)
        }
        mechanism = offered.mechanism
        self.localpart = localpart
        bindingInput = input
        clientFirstBare = Array(bare)
        clientNonce = nonce
    }

    /// Reads the flag (RFC 5802 §6, RFC 5801 §5) and gives the data that it promises.
    private static func bindingData(
        _ flag: ArraySlice<UInt8>, isPlus: Bool, _ bindings: ChannelBindings
    ) throws(SASLFailure) -> [UInt8] {
        switch flag.first {
        case UInt8(ascii: "n") where flag.count == 1 && !isPlus:
            return []
        case UInt8(ascii: "y") where flag.count == 1 && !isPlus:
            // "I could bind, but you did not offer it": if we did, somebody took the offer out.
            guard bindings.isEmpty else { throw .notAuthorized }
            return []
        case UInt8(ascii: "p") where isPlus:
            guard let name = flag.value("p"), let data = bindings.data(String(decoding: name, as: UTF8.self)) else {
                throw .malformedRequest
            }
            return data
        default:
            throw .malformedRequest
        }
    }

    /// server-first: the nonce with ours behind it, salt and iteration count, and what protects the offer.
    mutating func challenge(
        _ credentials: StoredCredentials, nonce serverNonce: String, protection: String = ""
    ) -> [UInt8] {
        self.credentials = credentials
        nonce = clientNonce + Array(serverNonce.utf8)
        serverFirst = Array("r=".utf8) + nonce + Array(",s=".utf8)
        serverFirst += Base64.encodedBytes(credentials.salt)
        serverFirst += ",i=\(credentials.iterations)".utf8
        serverFirst += protection.utf8
        return serverFirst
    }

    /// Checks client-final and gives server-final.
    func finish(clientFinal message: [UInt8]) throws(SASLFailure) -> [UInt8] {
        guard let credentials else { ourFault("client-final was read before server-first was written") }
        let attributes = message.split(separator: comma, omittingEmptySubsequences: false)
        guard attributes.count >= 3, let last = attributes.last, let encodedProof = last.value("p"),
            let encodedInput = attributes[0].value("c"), let nonce = attributes[1].value("r"),
            let proof = Base64.decode(encodedProof), let input = Base64.decode(encodedInput)
        else { throw .malformedRequest }

        let digest = mechanism.digest
        let withoutProof = message[..<(last.startIndex - 1)]
        var authMessage = clientFirstBare + [comma] + serverFirst + [comma]
        authMessage += withoutProof
        let clientSignature = HMAC.authenticate(digest, key: credentials.storedKey, authMessage)
        var clientKey = clientSignature
        for (index, byte) in proof.prefix(clientKey.count).enumerated() { clientKey[index] ^= byte }

        // Everything is computed before anything is decided.
        let isKeyRight = constantTimeEqual(Digest.hash(digest, clientKey), credentials.storedKey)
        let isNonceRight = constantTimeEqual(Array(nonce), self.nonce)
        let isInputRight = constantTimeEqual(input, bindingInput)
        let isLengthRight = proof.count == digest.length
        guard isKeyRight, isNonceRight, isInputRight, isLengthRight, !credentials.isDecoy else { throw .notAuthorized }
        let signature = HMAC.authenticate(digest, key: credentials.serverKey, authMessage)
        return Array("v=".utf8) + Base64.encodedBytes(signature)
    }

    /// RFC 5802 §5.1: `=2C` and `=3D` stand for comma and equals sign.
    private static func saslName(_ bytes: ArraySlice<UInt8>) -> String? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        guard bytes.contains(UInt8(ascii: "=")) else { return text }
        var name: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "=") else {
                name.append(byte)
                continue
            }
            if rest.starts(with: "2C".utf8) {
                name.append(comma)
            } else if rest.starts(with: "3D".utf8) {
                name.append(UInt8(ascii: "="))
            } else {
                return nil
            }
            rest = rest.dropFirst(2)
        }
        return String(decoding: name, as: UTF8.self)
    }
}

private let comma = UInt8(ascii: ",")

extension ArraySlice<UInt8> {
    /// What stands behind `name=`; nil if something else begins.
    fileprivate func value(_ name: Unicode.Scalar) -> ArraySlice<UInt8>? {
        guard count >= 2, self[startIndex] == UInt8(ascii: name), self[startIndex + 1] == UInt8(ascii: "=") else {
            return nil
        }
        return dropFirst(2)
    }

    /// RFC 5802 §7: printable ASCII without comma, at least one character.
    fileprivate var isNonce: Bool { !isEmpty && allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != comma } }
}
