/// One question to the resolver.
public struct ResolutionQuery: Hashable, Sendable {
    /// What is asked about a name.
    public enum RecordType: Hashable, Sendable {
        /// Where a service is (RFC 2782).
        case srv
        /// An IPv4 address.
        case a
        /// An IPv6 address.
        case aaaa
        /// The certificate of a service (RFC 6698).
        case tlsa
    }

    /// The name in A-labels, without a dot at its end.
    public let name: String
    /// What is asked about it.
    public let type: RecordType

    /// A question about a name in A-labels.
    public init(name: String, type: RecordType) {
        self.name = name
        self.type = type
    }

    /// False if DNS has no room for such a name (RFC 1035 §2.3.4: labels of 1 to 63 octets, 255 in all): it is then proven
    /// not to exist, without asking.
    public var isPossibleName: Bool {
        if name == "." { return true }
        let bytes = name.utf8
        // A length before each label and the root's length after the last.
        guard bytes.count <= 253 else { return false }
        return bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.count) && label.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }
        }
    }
}

extension ResolutionQuery: CustomStringConvertible {
    /// Name and type, for the log.
    public var description: String { "\(name) \("\(type)".uppercased())" }
}

/// A record of an answer, decoded.
public enum ResourceRecord: Hashable, Sendable {
    /// A target of a service. `target` is in lower case without a dot at its end; `.` alone means that the service is not
    /// offered.
    case service(priority: UInt16, weight: UInt16, port: UInt16, target: String)
    /// An address.
    case address(IPAddress)
    /// What the certificate of a service must match (RFC 6698 §2.1).
    case certificate(usage: UInt8, selector: UInt8, matching: UInt8, data: [UInt8])
}

/// What the resolver found out. Failure is not absence: only a proven absence permits to conclude anything.
public enum ResolverAnswer: Hashable, Sendable {
    /// Records of the type asked for, at least one. `secure`: DNSSEC proved them.
    case records([ResourceRecord], secure: Bool)
    /// The name exists but has no records of this type.
    case noData
    /// The name does not exist (NXDOMAIN).
    case nameDoesNotExist
    /// Nothing is known: a timeout, a failing server, a signature that does not verify. The words are for the log.
    case failure(String)
}
