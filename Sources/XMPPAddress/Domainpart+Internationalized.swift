import CUnicode

extension Domainpart {
    /// Prepares a name that has code points beyond ASCII or A-labels: mapped as RFC 5895 §2 describes, each label then held
    /// against IDNA2008 (RFC 5891 §5).
    static func prepareInternationalized(_ name: UnsafeBufferPointer<UInt8>) throws(JIDError) -> String {
        var text = try UnicodeText(unprepared: name, .domainpart)
        try text.settle { (text) throws(JIDError) in
            try text.lowercase()
            text.mapWidth()
            try text.normalize()
            text.mapFullStops()
        }
        // The mapping can have made another trailing dot of U+3002 or U+FF0E.
        var bytes = text.utf8[...]
        if bytes.last == UInt8(ascii: "."), name.last != UInt8(ascii: ".") { bytes.removeLast() }

        var prepared: [UInt8] = []
        var labels: [String.UnicodeScalarView] = []
        for label in bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            let label = try uLabel(label)
            if !labels.isEmpty { prepared.append(UInt8(ascii: ".")) }
            prepared += label
            labels.append(UnicodeText(valid: label, .domainpart).scalars)
        }
        // RFC 5893 §1.4: one right-to-left label makes a "Bidi domain name", all labels of which must satisfy the rule.
        if labels.contains(where: BidiRule.applies), !labels.allSatisfy(BidiRule.isSatisfied) {
            throw .violatesBidiRule(.domainpart)
        }
        return try UnicodeText(valid: prepared, .domainpart).prepared()
    }

    /// The form of a prepared domainpart for the DNS and for certificates: A-labels. Address literals and ASCII names are
    /// returned as they are.
    ///
    /// Throws `tooLong` if the name exceeds the 253 bytes of the DNS (RFC 1035 §2.3.4): such a name is a valid domainpart,
    /// but nothing can be looked up under it.
    public static func asciiForm(_ prepared: String) throws(JIDError) -> String {
        var result: [UInt8] = []
        if prepared.utf8.first == UInt8(ascii: "[") { return prepared }
        if prepared.utf8.allSatisfy({ $0 < 0x80 }) {
            guard prepared.utf8.count <= maximumASCIIBytes else { throw .tooLong(.domainpart) }
            return prepared
        }
        for label in prepared.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            if !result.isEmpty { result.append(UInt8(ascii: ".")) }
            result += label.allSatisfy { $0 < 0x80 } ? Array(label) : try aLabel(Array(label))
        }
        guard result.count <= maximumASCIIBytes else { throw .tooLong(.domainpart) }
        return String(decoding: result, as: UTF8.self)
    }

    /// 255 bytes of RFC 1035 §2.3.4 are 253 characters without the length of the first label and the root.
    private static let maximumASCIIBytes = 253

    /// The label as it is read: LDH labels as they are, U-labels checked, A-labels converted. The label is mapped already.
    private static func uLabel(_ label: ArraySlice<UInt8>) throws(JIDError) -> [UInt8] {
        guard label.allSatisfy({ $0 < 0x80 }) else {
            try checkULabel(Array(label))
            return Array(label)
        }
        for byte in label where !byte.isLetterDigitHyphen { throw .disallowed(Unicode.Scalar(byte), .domainpart) }
        try checkLetterDigitHyphen(label)
        guard isPrefixedAsALabel(label) else { return Array(label) }
        // An A-label is one only if it is what its U-label converts to (RFC 5891 §5.4): otherwise two names would be one.
        let aLabel = Array(label)
        guard let uLabel = converted(aLabel, by: cunicode_u_label), uLabel.contains(where: { $0 >= 0x80 }) else {
            throw .invalidDomain
        }
        guard try checkULabel(uLabel) == aLabel else { throw .invalidDomain }
        return uLabel
    }

    /// Checks a label with code points beyond ASCII, and returns its A-label.
    @discardableResult
    private static func checkULabel(_ label: [UInt8]) throws(JIDError) -> [UInt8] {
        // RFC 5891 §4.2.3.1, of which libidn2 checks the third and fourth place only.
        guard label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-") else { throw .invalidDomain }
        let aLabel = try aLabel(label)
        // libidn2 checks at look-up only that a context rule exists, not that it is obeyed.
        try UnicodeText(valid: label, .domainpart).checkContexts()
        return aLabel
    }

    private static func aLabel(_ label: [UInt8]) throws(JIDError) -> [UInt8] {
        guard let aLabel = converted(label, by: cunicode_a_label) else { throw .invalidDomain }
        return aLabel
    }

    private static func converted(
        _ label: [UInt8], by function: (UnsafePointer<UInt8>?, Int, UnsafeMutablePointer<UInt8>?, Int) -> Int
    ) -> [UInt8]? {
        // U+0000 would end the label for libidn2.
        guard !label.contains(0) else { return nil }
        var written = 0
        // 63 code points of 4 bytes each are the most either form can have.
        let capacity = 4 * maximumLabelBytes
        // SAFETY: the function writes at most `capacity` bytes and returns how many, or a negative number.
        let result = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            written = label.withUnsafeBufferPointer { function($0.baseAddress, $0.count, buffer.baseAddress, capacity) }
            count = max(0, written)
        }
        return written > 0 ? result : nil
    }
}
