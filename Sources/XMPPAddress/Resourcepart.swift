/// The resourcepart of a JID (RFC 7622 §3.4): the PRECIS profile OpaqueString, 1 to 1,023 bytes.
///
/// `juliet@example.com/ foo` is accepted although RFC 7622 §3.5 lists it (example 18) among the texts that are no JIDs: no
/// rule of RFC 7622 or RFC 8265 forbids a leading space, and a router that refused what others accept would lose stanzas.
public enum Resourcepart {
    /// Prepares a text as a resourcepart.
    public static func prepare(_ text: some StringProtocol) throws(JIDError) -> String {
        try withUTF8(text, prepare(utf8:))
    }

    /// The resourcepart that is most like a text which is none (RFC 6120 §7.7.2.1): without the code points that may not stand in
    /// one, or not where they do, and cut if it is too long. Nil if nothing is left.
    public static func conforming(_ text: some StringProtocol) -> String? {
        // No more is looked at than could be prepared at all.
        var scalars = text.unicodeScalars.prefix(JID.maximumUnpreparedPartBytes).filter { PRECIS($0).isAllowed(in: .freeform) }
        var limit = JID.maximumPartBytes
        while true {
            var kept = String.UnicodeScalarView()
            var bytes = 0
            for scalar in scalars {
                bytes += UTF8.width(scalar)
                if bytes > limit { break }
                kept.append(scalar)
            }
            do throws(JIDError) {
                return try prepare(String(kept))
            } catch {
                switch error {
                case .disallowed(let scalar, _) where scalars.contains(scalar):
                    // There are a few dozen whose context matters: each is tried without once.
                    scalars.removeAll { $0 == scalar }
                case .tooLong:
                    // Normalization grows a text to three times its bytes at most.
                    limit = limit * 3 / 4
                default: return nil
                }
            }
        }
    }

    static func prepare(utf8 bytes: UnsafeBufferPointer<UInt8>) throws(JIDError) -> String {
        try OpaqueString.prepare(utf8: bytes, .resourcepart)
    }
}
