import XMPPAddress

/// A host and a port, as configured: the host may be a name that is still to be resolved.
public struct Endpoint: Hashable, Sendable {
    /// A domain name in prepared form, or an address without brackets.
    public let host: String
    /// The TCP or UDP port.
    public let port: UInt16

    /// Joins a host, prepared before, and a port.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port`, an IPv6 address in brackets; `nil` if the text is none.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Self.port(text[text.index(after: colon)...]),
            let host = try? Domainpart.prepare(text[..<colon])
        else { return nil }
        self.init(host: host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host, port: port)
    }

    /// The address, if the host is one.
    public var address: IPAddress? { IPAddress(host) }

    static func port(_ text: Substring) -> UInt16? {
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = UInt16(text), port > 0
        else { return nil }
        return port
    }
}

extension Endpoint: CustomStringConvertible {
    /// `host:port`, an IPv6 address in brackets.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The address of a DNS server.
public struct DNSServer: Hashable, Sendable {
    /// The server's address.
    public let address: IPAddress
    /// The UDP and TCP port.
    public let port: UInt16

    /// Joins an address and a port.
    public init(address: IPAddress, port: UInt16 = 53) {
        self.address = address
        self.port = port
    }

    /// Reads `address` or `address@port`; `nil` if the text is neither.
    public init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = IPAddress(parts[0]) else { return nil }
        guard parts.count == 2 else {
            self.init(address: address)
            return
        }
        guard let port = Endpoint.port(parts[1]) else { return nil }
        self.init(address: address, port: port)
    }
}

extension DNSServer: CustomStringConvertible {
    /// `address@port`, which is how libunbound wants it.
    public var description: String { "\(address)@\(port)" }
}

extension ValueRule<IPAddress> {
    static var ipAddress: ValueRule { text("an IPv4 or IPv6 address", IPAddress.init) }
}

extension ValueRule<IPNetwork> {
    static var network: ValueRule { text("a network such as \"127.0.0.0/8\", no bit set beyond its prefix", IPNetwork.init) }
}

extension ValueRule<Endpoint> {
    static var endpoint: ValueRule { text("\"host:port\", an IPv6 address in brackets", Endpoint.init) }
}

extension ValueRule<DNSServer> {
    static var dnsServer: ValueRule { text("\"address@port\"", DNSServer.init) }
}
