extension JID {
    /// The most bytes a JID can have: three parts of 1,023 and two separators (RFC 7622 §3.1).
    public static let maximumBytes = 3 * maximumPartBytes + 2

    /// The most bytes a prepared part can have (RFC 7622 §3.2, §3.3, §3.4).
    public static let maximumPartBytes = 1023

    /// The most bytes an unprepared part can have. Preparation can shrink a text (a fullwidth letter has three bytes, the
    /// letter it stands for one), so the limit of the prepared part is no limit of the unprepared one; this one is what
    /// bounds the work a hostile text can cause.
    static let maximumUnpreparedPartBytes = 4 * maximumPartBytes

    /// Parses and prepares a JID (RFC 7622 §3.1).
    public init(_ text: some StringProtocol) throws(JIDError) {
        self = try withUTF8(text, JID.init(parsing:))
    }

    /// Parses and prepares a JID from UTF-8. This is what every stanza passes.
    public init(utf8 bytes: ArraySlice<UInt8>) throws(JIDError) {
        self = try bytes.withUnsafeBufferPointer(JID.init(parsing:))
    }

    /// RFC 7622 §3.1: the first `/` ends the bare part, the first `@` within that ends the localpart; both are looked for
    /// before any mapping, because mappings can produce them (U+FF20 is a fullwidth `@`).
    private init(parsing bytes: UnsafeBufferPointer<UInt8>) throws(JIDError) {
        let slash = bytes.firstIndex(of: UInt8(ascii: "/"))
        let bare = bytes[..<(slash ?? bytes.count)]
        let at = bare.firstIndex(of: UInt8(ascii: "@"))
        // The domain first: it is the part every JID has, so its error is the most telling.
        domainpart = try Domainpart.prepare(utf8: UnsafeBufferPointer(rebasing: bare[(at.map { $0 + 1 } ?? 0)...]))
        localpart = if let at { try Localpart.prepare(utf8: UnsafeBufferPointer(rebasing: bytes[..<at])) } else { nil }
        resourcepart =
            if let slash {
                try Resourcepart.prepare(utf8: UnsafeBufferPointer(rebasing: bytes[(slash + 1)...]))
            } else { nil }
    }
}

/// Gives `body` the UTF-8 of any kind of string, without a copy where the string has it at hand.
func withUTF8<Result>(
    _ text: some StringProtocol, _ body: (UnsafeBufferPointer<UInt8>) throws(JIDError) -> Result
) throws(JIDError) -> Result {
    // SAFETY: the buffers are used within the closures only; `body` returns values that own their storage.
    typealias Outcome = Swift.Result<Result, JIDError>
    func outcome(_ bytes: UnsafeBufferPointer<UInt8>) -> Outcome {
        do throws(JIDError) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    if let outcome = text.utf8.withContiguousStorageIfAvailable(outcome) { return try outcome.get() }
    var copy = String(text)
    return try copy.withUTF8(outcome).get()
}
