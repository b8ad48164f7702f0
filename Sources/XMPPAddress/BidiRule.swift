import CUnicode

/// The Bidi Rule (RFC 5893 §2): in which order characters of both directions may follow each other so that a text looks like
/// itself and like nothing else.
enum BidiRule {
    /// Whether a text without line breaks, or one label of a domain name, satisfies all six conditions.
    static func isSatisfied(by text: some Sequence<Unicode.Scalar>) -> Bool {
        let classes = text.map { Int(cunicode_bidi_class($0.value)) }
        // 1: the first character decides the direction.
        guard let first = classes.first else { return true }
        let last = classes.last { $0 != CUNICODE_BIDI_NSM }
        switch first {
        case CUNICODE_BIDI_R, CUNICODE_BIDI_AL:
            // 2, 3, 4
            return classes.allSatisfy { neutrals.contains($0) || rightToLeft.contains($0) }
                && (last == CUNICODE_BIDI_EN || last.map(rightToLeft.contains) == true)
                && !(classes.contains(CUNICODE_BIDI_EN) && classes.contains(CUNICODE_BIDI_AN))
        case CUNICODE_BIDI_L:
            // 5, 6
            return classes.allSatisfy { neutrals.contains($0) || $0 == CUNICODE_BIDI_L }
                && (last == CUNICODE_BIDI_L || last == CUNICODE_BIDI_EN)
        default: return false
        }
    }

    /// Whether a text has a code point that makes it subject to the rule: one of class R, AL or AN.
    static func applies(to text: some Sequence<Unicode.Scalar>) -> Bool {
        text.contains { rightToLeft.contains(Int(cunicode_bidi_class($0.value))) }
    }

    private static let rightToLeft = [CUNICODE_BIDI_R, CUNICODE_BIDI_AL, CUNICODE_BIDI_AN]

    /// Allowed in texts of either direction.
    private static let neutrals = [
        CUNICODE_BIDI_EN, CUNICODE_BIDI_ES, CUNICODE_BIDI_CS, CUNICODE_BIDI_ET, CUNICODE_BIDI_ON, CUNICODE_BIDI_BN,
        CUNICODE_BIDI_NSM,
    ]
}

extension UnicodeText {
    /// The Bidi Rule applies to the text.
    var hasRightToLeft: Bool { BidiRule.applies(to: scalars) }

    /// The text satisfies the Bidi Rule.
    func checkBidiRule() throws(JIDError) {
        guard BidiRule.isSatisfied(by: scalars) else { throw .violatesBidiRule(part) }
    }
}
