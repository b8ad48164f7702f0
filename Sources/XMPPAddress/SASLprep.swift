import CUnicode

/// SASLprep (RFC 4013), the profile of stringprep (RFC 3454) in which SCRAM hashes passwords (RFC 5802 §2.2, RFC 4616 §2):
/// normalization form KC, so that `½`, ligatures and fullwidth letters have the keys that other implementations derive.
///
/// Two things are newer than RFC 3454, which knows Unicode 3.2: what a code point is, and the normalization of those that came
/// later, are those of the installed Unicode. So an emoji can stand in a password, and a code point without meaning yet cannot
/// (RFC 3454 §7, of stored strings).
public enum SASLprep {
    /// Prepares a password. At most 4,092 bytes are looked at.
    public static func prepare(_ text: String) throws(JIDError) -> String {
        try withUTF8(text) { (bytes) throws(JIDError) in
            guard bytes.contains(where: { $0 >= 0x80 }) else {
                // Nothing that ASCII has is mapped, and of it both profiles refuse the controls.
                return try OpaqueString.prepare(utf8: bytes, .opaqueString)
            }
            var text = try UnicodeText(unprepared: bytes, .opaqueString)
            text.mapForSASL()
            try text.normalizeCompatibly()
            try text.checkForSASL()
            return try text.prepared()
        }
    }

    /// Why a password cannot be used, in words for whoever chose it: "it …".
    public static func words(_ error: JIDError) -> String {
        switch error {
        case .invalidUTF8: "it is not UTF-8"
        case .empty: "nothing of it is left"
        case .tooLong: "it is longer than \(JID.maximumUnpreparedPartBytes) bytes"
        case .disallowed(let scalar, _):
            "it has U+\(hexadecimal(scalar.value)), which no password can have (RFC 4013)"
        case .violatesBidiRule: "it mixes letters that are written from the left and from the right (RFC 4013)"
        case .invalidDomain, .unstable: "it cannot be prepared (RFC 4013)"
        }
    }

    private static func hexadecimal(_ code: UInt32) -> String {
        let digits = String(code, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

extension UnicodeText {
    /// RFC 4013 §2.1: spaces beyond ASCII become U+0020, what table B.1 lists becomes nothing. U+200B stands in both; it becomes a
    /// space, as with libidn.
    fileprivate mutating func mapForSASL() {
        replaceScalars {
            switch $0.value {
            case 0xA0, 0x1680, 0x2000...0x200B, 0x202F, 0x205F, 0x3000: " "
            case 0xAD, 0x34F, 0x1806, 0x180B...0x180D, 0x200C, 0x200D, 0x2060, 0xFE00...0xFE0F, 0xFEFF: nil
            default: $0
            }
        }
    }

    /// RFC 4013 §2.3 to §2.5: nothing prohibited, no code point without meaning, no mixed directions.
    fileprivate func checkForSASL() throws(JIDError) {
        var rightToLeft = 0
        var leftToRight = 0
        var first: Bool?
        var last = false
        try forEachScalar { (scalar) throws(JIDError) in
            guard !Self.isProhibited(scalar.value) else { throw .disallowed(scalar, part) }
            let bidi = Int(cunicode_bidi_class(scalar.value))
            last = bidi == CUNICODE_BIDI_R || bidi == CUNICODE_BIDI_AL
            if first == nil { first = last }
            if last { rightToLeft += 1 }
            if bidi == CUNICODE_BIDI_L { leftToRight += 1 }
        }
        // RFC 3454 §6.
        guard rightToLeft == 0 || (leftToRight == 0 && last && first == true) else { throw .violatesBidiRule(part) }
    }

    /// RFC 4013 §2.3 names the tables C.1.2 and C.2.1 to C.9 of RFC 3454; surrogates cannot be in UTF-8.
    private static func isProhibited(_ code: UInt32) -> Bool {
        if Int(cunicode_general_category(code)) == CUNICODE_CN || cunicode_is_noncharacter(code) { return true }
        return switch code {
        case 0xA0, 0x1680, 0x2000...0x200B, 0x202F, 0x205F, 0x3000: true  // C.1.2
        case 0...0x1F, 0x7F: true  // C.2.1
        case 0x80...0x9F, 0x6DD, 0x70F, 0x180E, 0x200C, 0x200D, 0x2028, 0x2029, 0x2060...0x2063, 0xFEFF,
            0x1D173...0x1D17A:
            true  // C.2.2
        case 0xE000...0xF8FF, 0xF0000...0xFFFFD, 0x10_0000...0x10_FFFD: true  // C.3
        case 0xFFF9...0xFFFD, 0x2FF0...0x2FFB: true  // C.6, C.7
        case 0x340, 0x341, 0x200E, 0x200F, 0x202A...0x202E, 0x206A...0x206F: true  // C.8
        case 0xE0001, 0xE0020...0xE007F: true  // C.9
        default: false
        }
    }
}
