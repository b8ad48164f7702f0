/// The PRECIS profile OpaqueString (RFC 8265 §4), in which passwords are compared and resourceparts written: case is kept,
/// every kind of space becomes U+0020, normalization form C.
public enum OpaqueString {
    /// Prepares a password (RFC 8265 §4.2.2). At most 4,092 bytes are looked at.
    public static func prepare(_ text: String) throws(JIDError) -> String {
        try withUTF8(text) { (bytes) throws(JIDError) in try prepare(utf8: bytes, .opaqueString) }
    }

    static func prepare(utf8 bytes: UnsafeBufferPointer<UInt8>, _ part: JIDError.Part) throws(JIDError) -> String {
        guard !bytes.isEmpty else { throw .empty(part) }
        let allowed = ASCIIClass.opaque
        for byte in bytes {
            guard byte < 0x80 else { return try prepareBeyondASCII(bytes, part) }
            guard allowed.contains(byte) else { throw .disallowed(Unicode.Scalar(byte), part) }
        }
        guard bytes.count <= part.maximumBytes else { throw .tooLong(part) }
        return String(ascii: bytes, lowercasing: false)
    }

    private static func prepareBeyondASCII(
        _ bytes: UnsafeBufferPointer<UInt8>, _ part: JIDError.Part
    ) throws(JIDError) -> String {
        var text = try UnicodeText(unprepared: bytes, part)
        try text.settle { (text) throws(JIDError) in
            try text.check(.freeform)
            text.mapSpaces()
            try text.normalize()
            try text.check(.freeform)
            try text.checkContexts()
        }
        return try text.prepared()
    }
}

extension JIDError.Part {
    /// The most bytes the prepared text can have.
    var maximumBytes: Int { self == .opaqueString ? JID.maximumUnpreparedPartBytes : JID.maximumPartBytes }
}
