/// The resourcepart of a JID (RFC 7622 §3.4): the PRECIS profile OpaqueString, 1 to 1,023 bytes.
///
/// `juliet@example.com/ foo` is accepted although RFC 7622 §3.5 lists it (example 18) among the texts that are no JIDs: no
/// rule of RFC 7622 or RFC 8265 forbids a leading space, and a router that refused what others accept would lose stanzas.
public enum Resourcepart {
    /// Prepares a text as a resourcepart.
    public static func prepare(_ text: some StringProtocol) throws(JIDError) -> String {
        try withUTF8(text, prepare(utf8:))
    }

    static func prepare(utf8 bytes: UnsafeBufferPointer<UInt8>) throws(JIDError) -> String {
        try OpaqueString.prepare(utf8: bytes, .resourcepart)
    }
}
