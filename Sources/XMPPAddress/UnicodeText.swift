import CUnicode

/// A text beyond ASCII while it is being prepared: the mappings of PRECIS (RFC 8264 §5) applied in place. Only the slow path
/// makes one; its length is bounded by `JID.maximumUnpreparedPartBytes`.
struct UnicodeText {
    /// What the text shall become, for errors and limits.
    let part: JIDError.Part
    /// Valid UTF-8 at all times.
    private(set) var utf8: [UInt8]

    /// Takes over a text that has not been prepared, if it is UTF-8 of bearable length.
    init(unprepared bytes: UnsafeBufferPointer<UInt8>, _ part: JIDError.Part) throws(JIDError) {
        guard bytes.count <= JID.maximumUnpreparedPartBytes else { throw .tooLong(part) }
        guard String(validating: bytes, as: UTF8.self) != nil else { throw .invalidUTF8(part) }
        self.part = part
        utf8 = Array(bytes)
    }

    /// Takes over UTF-8 that comes out of a text that was checked.
    init(valid utf8: some Sequence<UInt8>, _ part: JIDError.Part) {
        self.part = part
        self.utf8 = Array(utf8)
    }

    /// The code points.
    var scalars: String.UnicodeScalarView { String(decoding: utf8, as: UTF8.self).unicodeScalars }

    /// Calls `body` with each code point in order.
    func forEachScalar(_ body: (Unicode.Scalar) throws(JIDError) -> Void) throws(JIDError) {
        for scalar in scalars { try body(scalar) }
    }

    /// Applies the rules of a profile until they change nothing any more: RFC 8264 §7 wants a text refused that is not
    /// stable after three more applications.
    mutating func settle(_ rules: (inout UnicodeText) throws(JIDError) -> Void) throws(JIDError) {
        for _ in 0..<4 {
            let before = utf8
            try rules(&self)
            if utf8 == before { return }
            // Bounds the next application. No mapping grows a text to more than three times its bytes, so one application
            // of a text of bearable length is bearable too.
            guard utf8.count <= JID.maximumUnpreparedPartBytes else { throw .tooLong(part) }
        }
        throw .unstable(part)
    }

    /// The text as the part it was prepared for, if its length allows.
    func prepared() throws(JIDError) -> String {
        guard !utf8.isEmpty else { throw .empty(part) }
        guard utf8.count <= part.maximumBytes else { throw .tooLong(part) }
        return String(decoding: utf8, as: UTF8.self)
    }

    /// RFC 8264 §5.2.1: fullwidth and halfwidth code points become those they stand for.
    mutating func mapWidth() {
        mapScalars { Unicode.Scalar(cunicode_width_mapped($0.value)) ?? $0 }
    }

    /// RFC 8265 §4.2.2: every space becomes U+0020.
    mutating func mapSpaces() {
        mapScalars { Int(cunicode_general_category($0.value)) == CUNICODE_ZS ? " " : $0 }
    }

    /// RFC 5895 §2: the ideographic full stop separates labels as the full stop does.
    mutating func mapFullStops() {
        mapScalars { $0 == "\u{3002}" ? "." : $0 }
    }

    /// Unicode toLowerCase() without a language.
    mutating func lowercase() throws(JIDError) { try transform(cunicode_lower) }

    /// Normalization form C.
    mutating func normalize() throws(JIDError) { try transform(cunicode_nfc) }

    /// Normalization form KC.
    mutating func normalizeCompatibly() throws(JIDError) { try transform(cunicode_nfkc, growth: 11) }

    /// Puts another code point in the place of each, or none.
    mutating func replaceScalars(_ map: (Unicode.Scalar) -> Unicode.Scalar?) {
        var mapped = String.UnicodeScalarView()
        for scalar in scalars { if let replacement = map(scalar) { mapped.append(replacement) } }
        utf8 = Array(String(mapped).utf8)
    }

    private mutating func mapScalars(_ map: (Unicode.Scalar) -> Unicode.Scalar) { replaceScalars(map) }

    private mutating func transform(
        _ function: (UnsafePointer<UInt8>?, Int, UnsafeMutablePointer<UInt8>?, Int) -> Int, growth: Int = 3
    ) throws(JIDError) {
        guard !utf8.isEmpty else { return }
        // Lower case and normalization form C grow UTF-8 at most threefold, form KC elevenfold (UAX #15 §9); a result that
        // would not fit is refused by the function, not cut.
        let capacity = growth * utf8.count
        var written = 0
        // SAFETY: the function writes at most `capacity` bytes and returns how many, or a negative number.
        let result = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            written = utf8.withUnsafeBufferPointer {
                function($0.baseAddress, $0.count, buffer.baseAddress, capacity)
            }
            count = max(0, written)
        }
        guard written >= 0 else { throw .tooLong(part) }
        utf8 = result
    }
}
