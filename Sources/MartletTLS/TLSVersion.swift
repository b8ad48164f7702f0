/// The versions of TLS that are spoken; older ones are not (RFC 8996).
public enum TLSVersion: String, Sendable, Comparable {
    /// TLS 1.2 (RFC 5246).
    case tls12 = "TLSv1.2"
    /// TLS 1.3 (RFC 8446).
    case tls13 = "TLSv1.3"

    /// Older is less.
    public static func < (one: TLSVersion, other: TLSVersion) -> Bool { one.number < other.number }

    var number: Int32 {
        switch self {
        case .tls12: 12
        case .tls13: 13
        }
    }
}
