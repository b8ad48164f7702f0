/// Writes escaped XML into byte arrays.
///
/// Characters that XML 1.0 forbids (controls, U+FFFE, U+FFFF) cannot be written in any form; they become U+FFFD, so that text from
/// elsewhere (a configuration file, a directory) can never break a stream.
public enum XMLWriter {
    /// Appends `text` as character data.
    public static func escapeText(_ text: String, to bytes: inout [UInt8]) {
        escape(text, attribute: false, to: &bytes)
    }

    /// Appends UTF-8 `text` as character data.
    public static func escapeText(_ text: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        escape(text, attribute: false, to: &bytes)
    }

    /// Appends `value` as the inside of an attribute value, valid between quotes of either kind.
    public static func escapeAttribute(_ value: String, to bytes: inout [UInt8]) {
        escape(value, attribute: true, to: &bytes)
    }

    /// Appends UTF-8 `value` as the inside of an attribute value, valid between quotes of either kind.
    public static func escapeAttribute(_ value: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        escape(value, attribute: true, to: &bytes)
    }

    /// Appends ` name='value'`, the value escaped.
    public static func attribute(_ name: String, prefix: String? = nil, _ value: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: " "))
        if let prefix {
            bytes.append(utf8: prefix)
            bytes.append(UInt8(ascii: ":"))
        }
        bytes.append(utf8: name)
        bytes.append(literal: "='")
        escapeAttribute(value, to: &bytes)
        bytes.append(UInt8(ascii: "'"))
    }

    /// The most bytes that a byte of text becomes.
    public static let largestEscape = 6

    /// Whether UTF-8 would be appended as it is; nearly all text is. No is not certain.
    public static func standsForItself(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let bytes = text.span
        let start = bytes.endOfTextToCopy()
        for index in start..<bytes.count where needsCare(bytes[index]) { return false }
        return true
    }

    private static func escape(_ text: String, attribute: Bool, to bytes: inout [UInt8]) {
        let done: Void? = text.utf8.withContiguousStorageIfAvailable { utf8 in
            if standsForItself(utf8) {
                bytes.append(contentsOf: utf8)
            } else {
                escape(utf8, attribute: attribute, to: &bytes)
            }
        }
        if done == nil { escape(text.utf8, attribute: attribute, to: &bytes) }
    }

    @inline(__always)
    private static func needsCare(_ byte: UInt8) -> Bool {
        byte < 64 ? careful &>> UInt64(byte) & 1 != 0 : byte == 0xEF
    }

    /// One bit for each of the first 64 characters: controls, `!` to `'`, `<` and `>`.
    private static let careful: UInt64 = 0x5000_00FE_FFFF_FFFF

    private static func escape(_ text: some Sequence<UInt8>, attribute: Bool, to bytes: inout [UInt8]) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "<"): bytes.append(contentsOf: "&lt;".utf8)
            // `]]>` must not stand in character data, so every `>` is escaped.
            case UInt8(ascii: ">"): bytes.append(contentsOf: "&gt;".utf8)
            case UInt8(ascii: "&"): bytes.append(contentsOf: "&amp;".utf8)
            case UInt8(ascii: "'") where attribute: bytes.append(contentsOf: "&apos;".utf8)
            case UInt8(ascii: "\"") where attribute: bytes.append(contentsOf: "&quot;".utf8)
            // A parser turns these into spaces or line feeds unless they are references (XML 1.0 §2.11, §3.3.3).
            case 0x09 where attribute: bytes.append(contentsOf: "&#9;".utf8)
            case 0x0A where attribute: bytes.append(contentsOf: "&#10;".utf8)
            case 0x0D: bytes.append(contentsOf: "&#13;".utf8)
            case 0x09, 0x0A: bytes.append(byte)
            case 0x00..<0x20: bytes.append(contentsOf: "\u{FFFD}".utf8)
            case 0xBE, 0xBF:
                // EF BF BE and EF BF BF are U+FFFE and U+FFFF.
                let count = bytes.count
                if count >= 2, bytes[count - 1] == 0xBF, bytes[count - 2] == 0xEF {
                    bytes.append(0xBD)
                } else {
                    bytes.append(byte)
                }
            default: bytes.append(byte)
            }
        }
    }
}
