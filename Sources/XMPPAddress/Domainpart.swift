/// The domainpart of a JID (RFC 7622 §3.2): a domain name in the form in which people read it (U-labels, lower case, no
/// trailing dot), or an IPv4 address, or an IPv6 address in brackets.
///
/// Names need not have a dot (a host of the local network is a domain too). ASCII labels are letters, digits and hyphens;
/// hyphens in the third and fourth place are tolerated, since such names exist in the DNS and stand for nothing else.
public enum Domainpart {
    /// Prepares a text as a domainpart.
    public static func prepare(_ text: some StringProtocol) throws(JIDError) -> String {
        try withUTF8(text, prepare(utf8:))
    }

    static func prepare(utf8 bytes: UnsafeBufferPointer<UInt8>) throws(JIDError) -> String {
        guard let first = bytes.first else { throw .empty(.domainpart) }
        if first == UInt8(ascii: "[") { return try IPv6Literal(utf8: bytes).description }
        // RFC 7622 §3.2: a trailing dot is removed before anything else.
        let end = bytes[bytes.count - 1] == UInt8(ascii: ".") ? bytes.count - 1 : bytes.count
        guard end > 0 else { throw .empty(.domainpart) }
        let name = UnsafeBufferPointer(rebasing: bytes[..<end])

        var hasUppercase = false
        var labelStart = 0
        for index in 0...end {
            let byte = index < end ? name[index] : UInt8(ascii: ".")
            if byte == UInt8(ascii: ".") {
                let label = UnsafeBufferPointer(rebasing: name[labelStart..<index])
                if isPrefixedAsALabel(label) { return try prepareInternationalized(name) }
                try checkLetterDigitHyphen(label)
                labelStart = index + 1
            } else if byte >= 0x80 {
                return try prepareInternationalized(name)
            } else if !byte.isLetterDigitHyphen {
                throw .disallowed(Unicode.Scalar(byte), .domainpart)
            } else if byte.isASCIIUppercase {
                hasUppercase = true
            }
        }
        guard end <= JID.maximumPartBytes else { throw .tooLong(.domainpart) }
        return String(ascii: name, lowercasing: hasUppercase)
    }

    /// The label begins with `xn--` in any case.
    static func isPrefixedAsALabel(_ label: some Collection<UInt8>) -> Bool {
        // Byte by byte: this is asked of every label of every address, and must not allocate.
        var rest = label.makeIterator()
        return (rest.next() ?? 0) | 0x20 == UInt8(ascii: "x") && (rest.next() ?? 0) | 0x20 == UInt8(ascii: "n")
            && rest.next() == UInt8(ascii: "-") && rest.next() == UInt8(ascii: "-")
    }

    /// Checks length and hyphens of an ASCII label, the bytes of which were checked (RFC 1123 §2.1).
    static func checkLetterDigitHyphen(_ label: some BidirectionalCollection<UInt8>) throws(JIDError) {
        guard let first = label.first, let last = label.last else { throw .invalidDomain }
        guard label.count <= maximumLabelBytes else { throw .tooLong(.domainpart) }
        guard first != UInt8(ascii: "-"), last != UInt8(ascii: "-") else { throw .invalidDomain }
    }

    /// RFC 1035 §2.3.4.
    static let maximumLabelBytes = 63
}
