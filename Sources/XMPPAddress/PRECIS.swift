import CUnicode

/// What PRECIS derives for a code point (RFC 8264 §8) from its Unicode properties.
enum PRECIS {
    /// The derived property of a code point.
    case valid, freeformValid, contextual, disallowed

    /// The string classes of RFC 8264 §4.
    enum StringClass { case identifier, freeform }

    /// RFC 8264 §8, in the order of the algorithm there; unassigned is not told from disallowed.
    init(_ scalar: Unicode.Scalar) {
        if let exception = PRECIS(exception: scalar.value) {
            self = exception
            return
        }
        let code = scalar.value
        let category = Int(cunicode_general_category(code))
        let isNoncharacter = cunicode_is_noncharacter(code)
        if category == CUNICODE_CN, !isNoncharacter {
            self = .disallowed
        } else if (0x21...0x7E).contains(code) {
            self = .valid
        } else if code == 0x200C || code == 0x200D {
            self = .contextual
        } else if Self.isOldHangulJamo(code) || isNoncharacter || cunicode_is_default_ignorable(code) || category == CUNICODE_CC
        {
            self = .disallowed
        } else if cunicode_has_compatibility(code) {
            self = .freeformValid
        } else if category & Self.letterDigits != 0 {
            self = .valid
        } else if category & Self.otherLettersSpacesSymbolsPunctuation != 0 {
            self = .freeformValid
        } else {
            self = .disallowed
        }
    }

    /// RFC 8264 §9.1.
    private static let letterDigits =
        CUNICODE_LL | CUNICODE_LU | CUNICODE_LO | CUNICODE_ND | CUNICODE_LM | CUNICODE_MN | CUNICODE_MC

    /// RFC 8264 §9.14 to §9.18 without those that have a compatibility mapping, which are tested before.
    private static let otherLettersSpacesSymbolsPunctuation =
        CUNICODE_LT | CUNICODE_NL | CUNICODE_NO | CUNICODE_ME | CUNICODE_ZS
        | CUNICODE_SM | CUNICODE_SC | CUNICODE_SK | CUNICODE_SO
        | CUNICODE_PC | CUNICODE_PD | CUNICODE_PS | CUNICODE_PE | CUNICODE_PI | CUNICODE_PF | CUNICODE_PO

    /// Whether a text of the class may hold the code point, its context not considered.
    func isAllowed(in stringClass: StringClass) -> Bool {
        switch self {
        case .valid, .contextual: true
        case .freeformValid: stringClass == .freeform
        case .disallowed: false
        }
    }

    /// RFC 8264 §9.6, which is RFC 5892 §2.6.
    private init?(exception code: UInt32) {
        switch code {
        case 0x00DF, 0x03C2, 0x06FD, 0x06FE, 0x0F0B, 0x3007: self = .valid
        case 0x00B7, 0x0375, 0x05F3, 0x05F4, 0x30FB, 0x0660...0x0669, 0x06F0...0x06F9: self = .contextual
        case 0x0640, 0x07FA, 0x302E, 0x302F, 0x3031...0x3035, 0x303B: self = .disallowed
        default: return nil
        }
    }

    /// RFC 8264 §9.9: Hangul syllable types L, V and T.
    private static func isOldHangulJamo(_ code: UInt32) -> Bool {
        switch code {
        case 0x1100...0x11FF, 0xA960...0xA97C, 0xD7B0...0xD7C6, 0xD7CB...0xD7FB: true
        default: false
        }
    }
}

extension UnicodeText {
    /// Every code point may appear in a text of the class, were its context right.
    func check(_ stringClass: PRECIS.StringClass) throws(JIDError) {
        try forEachScalar { (scalar) throws(JIDError) in
            guard PRECIS(scalar).isAllowed(in: stringClass) else { throw .disallowed(scalar, part) }
        }
    }
}
