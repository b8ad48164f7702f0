import CUnicode

/// The rules of RFC 5892 appendix A for code points that are allowed in some contexts only. They hold in localparts,
/// resourceparts and domain labels alike.
struct ContextRule {
    /// The whole text, or one label of a domain name.
    let text: [Unicode.Scalar]

    /// Returns the first code point that stands in a context where it must not.
    func firstViolation() -> Unicode.Scalar? {
        for index in text.indices where !isAllowed(at: index) { return text[index] }
        return nil
    }

    private func isAllowed(at index: Int) -> Bool {
        switch text[index].value {
        case 0x200C: isAfterVirama(index) || joins(at: index)  // A.1, zero width non-joiner
        case 0x200D: isAfterVirama(index)  // A.2, zero width joiner
        case 0x00B7: before(index) == "l" && after(index) == "l"  // A.3, middle dot: Catalan
        case 0x0375: after(index).map(script) == CUNICODE_SCRIPT_GREEK  // A.4, Greek lower numeral sign
        case 0x05F3, 0x05F4: before(index).map(script) == CUNICODE_SCRIPT_HEBREW  // A.5, A.6: geresh, gershayim
        case 0x30FB: hasJapanese  // A.7, Katakana middle dot
        case 0x0660...0x0669: !has(0x06F0...0x06F9)  // A.8, Arabic-Indic digits, not mixed with
        case 0x06F0...0x06F9: !has(0x0660...0x0669)  // A.9, extended Arabic-Indic digits
        default: true
        }
    }

    private func before(_ index: Int) -> Unicode.Scalar? { index > 0 ? text[index - 1] : nil }

    private func after(_ index: Int) -> Unicode.Scalar? { index + 1 < text.count ? text[index + 1] : nil }

    private func script(_ scalar: Unicode.Scalar) -> Int { Int(cunicode_script(scalar.value)) }

    private func joining(_ scalar: Unicode.Scalar) -> Int { Int(cunicode_joining_type(scalar.value)) }

    private func isAfterVirama(_ index: Int) -> Bool {
        before(index).map { cunicode_is_virama($0.value) } ?? false
    }

    /// RFC 5892 appendix A.1: (Joining_Type:{L,D})(Joining_Type:T)*ZWNJ(Joining_Type:T)*(Joining_Type:{R,D}).
    private func joins(at index: Int) -> Bool {
        let before = text[..<index].last { joining($0) != CUNICODE_JOINING_T }.map(joining)
        let after = text[(index + 1)...].first { joining($0) != CUNICODE_JOINING_T }.map(joining)
        return (before == CUNICODE_JOINING_L || before == CUNICODE_JOINING_D)
            && (after == CUNICODE_JOINING_R || after == CUNICODE_JOINING_D)
    }

    private var hasJapanese: Bool {
        text.contains {
            let script = script($0)
            return script == CUNICODE_SCRIPT_HIRAGANA || script == CUNICODE_SCRIPT_KATAKANA || script == CUNICODE_SCRIPT_HAN
        }
    }

    private func has(_ range: ClosedRange<UInt32>) -> Bool { text.contains { range.contains($0.value) } }
}

extension UnicodeText {
    /// Every code point stands in a context where it may (RFC 5892 appendix A).
    func checkContexts() throws(JIDError) {
        if let scalar = ContextRule(text: Array(scalars)).firstViolation() { throw .disallowed(scalar, part) }
    }
}
