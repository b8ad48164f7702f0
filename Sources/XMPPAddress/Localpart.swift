/// The localpart of a JID (RFC 7622 §3.3): the PRECIS profile UsernameCaseMapped (RFC 8265 §3.3) without the code points
/// that delimit JIDs or mark up XML.
public enum Localpart {
    /// Prepares a text as a localpart: lower case, normalization form C, 1 to 1,023 bytes.
    public static func prepare(_ text: some StringProtocol) throws(JIDError) -> String {
        try withUTF8(text, prepare(utf8:))
    }

    static func prepare(utf8 bytes: UnsafeBufferPointer<UInt8>) throws(JIDError) -> String {
        guard !bytes.isEmpty else { throw .empty(.localpart) }
        let allowed = ASCIIClass.localpart
        var hasUppercase = false
        for byte in bytes {
            guard byte < 0x80 else { return try prepareBeyondASCII(bytes) }
            guard allowed.contains(byte) else { throw .disallowed(Unicode.Scalar(byte), .localpart) }
            if byte.isASCIIUppercase { hasUppercase = true }
        }
        guard bytes.count <= JID.maximumPartBytes else { throw .tooLong(.localpart) }
        return String(ascii: bytes, lowercasing: hasUppercase)
    }

    private static func prepareBeyondASCII(_ bytes: UnsafeBufferPointer<UInt8>) throws(JIDError) -> String {
        var text = try UnicodeText(unprepared: bytes, .localpart)
        try text.settle { (text) throws(JIDError) in
            // RFC 8265 §3.3.1: width mapping, then every code point must be of the IdentifierClass. Whether a code point
            // stands in the right context is a question to the result only.
            text.mapWidth()
            try text.check(.identifier)
            // RFC 8265 §3.3.2.
            try text.lowercase()
            try text.normalize()
            if text.hasRightToLeft { try text.checkBidiRule() }
            try text.check(.identifier)
            try text.checkContexts()
        }
        try text.forEachScalar { (scalar) throws(JIDError) in
            // Mapping can produce what is excluded: U+FF20 is a fullwidth "@".
            if scalar.isASCII, !ASCIIClass.localpart.contains(UInt8(scalar.value)) { throw .disallowed(scalar, .localpart) }
        }
        return try text.prepared()
    }
}
