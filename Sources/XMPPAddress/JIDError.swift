/// Why a text is not a JID, or not a part of one (RFC 7622 §3). Every case is the fault of whoever wrote the text; a
/// server answers it with the stanza error `jid-malformed`.
public enum JIDError: Error, Equatable, Sendable {
    /// What was being prepared when the error was found.
    public enum Part: Equatable, Sendable {
        /// The part before the first `@`.
        case localpart
        /// The domain name or address literal.
        case domainpart
        /// The part after the first `/`.
        case resourcepart
        /// A text that is no part of a JID but is prepared like a resourcepart: a password.
        case opaqueString
    }

    /// The bytes are not UTF-8.
    case invalidUTF8(Part)
    /// The part is present and has no bytes, before or after preparation.
    case empty(Part)
    /// The prepared part exceeds 1,023 bytes, or the unprepared text what can be prepared at all; a domain name's label
    /// exceeds 63 bytes, or the name in its ASCII form 253.
    case tooLong(Part)
    /// The code point must not appear in this part, or not in this context (RFC 8264 §8, RFC 5892 appendix A).
    case disallowed(Unicode.Scalar, Part)
    /// A part with right-to-left code points violates the Bidi Rule (RFC 5893 §2).
    case violatesBidiRule(Part)
    /// A label of the domain is neither a letter-digit-hyphen, nor a U-label, nor an A-label (RFC 5890 §2.3), or the
    /// address literal is none.
    case invalidDomain
    /// Preparation does not settle: each application changes the text again (RFC 8264 §7).
    case unstable(Part)
}

extension JIDError.Part: CustomStringConvertible {
    /// The part in words, for a sentence.
    public var description: String {
        switch self {
        case .localpart: "the name"
        case .domainpart: "the domain"
        case .resourcepart: "the resource"
        case .opaqueString: "the password"
        }
    }
}

extension JIDError: CustomStringConvertible {
    /// One sentence for a person, without a full stop.
    public var description: String {
        switch self {
        case .invalidUTF8(let part): "\(part) is not UTF-8 text"
        case .empty(let part): "\(part) is empty"
        case .tooLong(let part): "\(part) is too long"
        case .disallowed(let scalar, let part):
            "\(part) may not contain U+\(Self.hexadecimal(scalar)) there\(scalar.isASCII && scalar.value > 32 ? " (\(scalar))" : "")"
        case .violatesBidiRule(let part): "\(part) mixes letters written from the right and from the left"
        case .invalidDomain: "it is neither the name of a domain nor an address in numbers"
        case .unstable(let part): "\(part) has no definite form"
        }
    }

    private static func hexadecimal(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
