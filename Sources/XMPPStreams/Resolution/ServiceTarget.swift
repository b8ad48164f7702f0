/// Where a service of a domain is, as one SRV record says it (RFC 2782).
public struct ServiceTarget: Hashable, Sendable {
    /// The name of the machine, in A-labels.
    public let host: String
    /// The TCP port.
    public let port: UInt16
    /// True if TLS begins with the first byte (XEP-0368), false if the stream begins in the clear and asks for STARTTLS.
    public let directTLS: Bool
    /// Targets with a lower number are tried first.
    public let priority: UInt16
    /// Among targets of one priority, the share of first tries this one gets.
    public let weight: UInt16
    /// True if DNSSEC proved the record.
    public let isSecure: Bool

    /// A target of these parts.
    public init(host: String, port: UInt16, directTLS: Bool, priority: UInt16 = 0, weight: UInt16 = 0, isSecure: Bool = false) {
        self.host = host
        self.port = port
        self.directTLS = directTLS
        self.priority = priority
        self.weight = weight
        self.isSecure = isSecure
    }

    /// The order in which to try targets: ascending priority, and within one priority drawn at random by weight, as the
    /// algorithm of RFC 2782 ("Weight") has it. Targets of both kinds of service are ordered together (XEP-0368 §3).
    public static func ordered(_ targets: [ServiceTarget], using random: inout some RandomNumberGenerator) -> [ServiceTarget] {
        // Zero weights first, so that the draw can hit them, though seldom.
        var left = targets.sorted { ($0.priority, $0.weight > 0 ? 1 : 0) < ($1.priority, $1.weight > 0 ? 1 : 0) }
        var ordered: [ServiceTarget] = []
        while let priority = left.first?.priority {
            let end = left.firstIndex { $0.priority != priority } ?? left.count
            let sum = left[..<end].reduce(0) { $0 + Int($1.weight) }
            let drawn = Int.random(in: 0...sum, using: &random)
            var running = 0
            let chosen = left[..<end].firstIndex { target in
                running += Int(target.weight)
                return running >= drawn
            }
            ordered.append(left.remove(at: chosen ?? 0))
        }
        return ordered
    }
}

/// An address to connect to.
public struct Endpoint: Hashable, Sendable {
    /// The address.
    public let address: IPAddress
    /// The TCP port.
    public let port: UInt16
    /// True if TLS begins with the first byte (XEP-0368).
    public let directTLS: Bool
    /// The name the address belongs to: for TLSA records and for the log. The certificate is checked against the domain.
    public let host: String
    /// True if DNSSEC proved both the SRV record and the address (RFC 7673 §3.1).
    public let isSecure: Bool

    /// An endpoint of these parts.
    public init(address: IPAddress, port: UInt16, directTLS: Bool, host: String, isSecure: Bool = false) {
        self.address = address
        self.port = port
        self.directTLS = directTLS
        self.host = host
        self.isSecure = isSecure
    }
}

extension Endpoint: CustomStringConvertible {
    /// Address and port as in a URI, for the log.
    public var description: String { address.isV6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
}
