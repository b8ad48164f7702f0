/// A JID, the address of an entity on an XMPP network (RFC 7622), always in prepared form: two JIDs name the same entity
/// exactly when they are equal.
///
/// Whoever holds a `JID` need not check it again. Parsing happens once, at the border (`JID+Parsing.swift`); parts of up to
/// 15 bytes are held without any allocation.
public struct JID: Hashable, Sendable {
    /// The account or service name before the `@`, in the form UsernameCaseMapped of RFC 8265; `nil` if there is none.
    public let localpart: String?
    /// The domain name in lower case with U-labels and without a trailing dot, or an IPv4 or bracketed IPv6 address.
    public let domainpart: String
    /// The resource after the `/`, in the form OpaqueString of RFC 8265; `nil` if there is none.
    public let resourcepart: String?

    /// Joins parts that were prepared before: from another JID, or from our own store. Nothing is checked.
    public init(
        preparedLocalpart localpart: String?, preparedDomainpart domainpart: String, preparedResourcepart resourcepart: String?
    ) {
        self.localpart = localpart
        self.domainpart = domainpart
        self.resourcepart = resourcepart
    }

    /// Prepares and joins parts.
    public init(localpart: String?, domainpart: String, resourcepart: String? = nil) throws(JIDError) {
        self.localpart = if let localpart { try Localpart.prepare(localpart) } else { nil }
        self.domainpart = try Domainpart.prepare(domainpart)
        self.resourcepart = if let resourcepart { try Resourcepart.prepare(resourcepart) } else { nil }
    }

    /// The JID without its resourcepart.
    public var bare: JID {
        JID(preparedLocalpart: localpart, preparedDomainpart: domainpart, preparedResourcepart: nil)
    }

    /// The JID of the domain alone.
    public var domain: JID {
        JID(preparedLocalpart: nil, preparedDomainpart: domainpart, preparedResourcepart: nil)
    }

    /// There is no resourcepart. True of a domain-only JID too.
    public var isBare: Bool { resourcepart == nil }

    /// There is a resourcepart. True of `domain/resource` too.
    public var isFull: Bool { resourcepart != nil }

    /// There is neither localpart nor resourcepart.
    public var isDomain: Bool { localpart == nil && resourcepart == nil }

    /// The same JID with another resourcepart, which is prepared.
    public func with(resourcepart: String) throws(JIDError) -> JID {
        JID(
            preparedLocalpart: localpart, preparedDomainpart: domainpart,
            preparedResourcepart: try Resourcepart.prepare(resourcepart))
    }

    /// As the compiler would write it, but to be inlined: otherwise both are copied for each comparison.
    @inlinable
    public static func == (left: JID, right: JID) -> Bool {
        left.localpart == right.localpart && left.domainpart == right.domainpart && left.resourcepart == right.resourcepart
    }

    /// The two are equal but for their resourceparts.
    @inlinable
    public func hasSameBare(as other: JID) -> Bool {
        localpart == other.localpart && domainpart == other.domainpart
    }
}

extension JID: CustomStringConvertible {
    /// The JID as text: `localpart@domainpart/resourcepart`.
    public var description: String {
        var text = ""
        if let localpart {
            text += localpart
            text += "@"
        }
        text += domainpart
        if let resourcepart {
            text += "/"
            text += resourcepart
        }
        return text
    }

    /// Appends the JID as UTF-8. The bytes are not escaped for XML: localparts cannot hold `<`, `&` or quotation marks, but
    /// resourceparts can.
    public func write(to bytes: inout [UInt8]) {
        writeBare(to: &bytes)
        if let resourcepart {
            bytes.append(UInt8(ascii: "/"))
            Self.append(resourcepart, to: &bytes)
        }
    }

    /// Appends the JID without its resourcepart as UTF-8.
    public func writeBare(to bytes: inout [UInt8]) {
        if let localpart {
            Self.append(localpart, to: &bytes)
            bytes.append(UInt8(ascii: "@"))
        }
        Self.append(domainpart, to: &bytes)
    }

    /// Appends as one piece of memory: several times faster than appending the view.
    private static func append(_ part: String, to bytes: inout [UInt8]) {
        if part.utf8.withContiguousStorageIfAvailable({ bytes.append(contentsOf: $0) }) == nil {
            bytes.append(contentsOf: part.utf8)
        }
    }
}
