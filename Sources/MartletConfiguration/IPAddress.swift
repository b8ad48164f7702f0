import XMPPAddress

/// An IPv4 or IPv6 address, compared by value.
public struct IPAddress: Hashable, Sendable {
    /// 4 bytes of IPv4 or 16 of IPv6 in network order.
    public let bytes: [UInt8]

    /// Takes an address from its bytes; `nil` unless there are 4 or 16.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// Reads an address as text, IPv6 with or without brackets; `nil` if the text is none.
    public init?(_ text: some StringProtocol) {
        if text.utf8.contains(UInt8(ascii: ":")) {
            let bracketed = text.utf8.first == UInt8(ascii: "[") ? String(text) : "[" + text + "]"
            guard let literal = try? IPv6Literal(bracketed) else { return nil }
            bytes = literal.groups.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
        } else {
            var octets: [UInt8] = []
            for part in text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
                guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0"),
                    part.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                    let octet = UInt8(String(decoding: part, as: UTF8.self))
                else { return nil }
                octets.append(octet)
            }
            guard octets.count == 4 else { return nil }
            bytes = octets
        }
    }

    /// It is an IPv6 address.
    public var isIPv6: Bool { bytes.count == 16 }
}

extension IPAddress: CustomStringConvertible {
    /// The address as text, IPv6 as RFC 5952 recommends and without brackets.
    public var description: String {
        guard isIPv6 else { return bytes.map(String.init).joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { (index: Int) -> String in
            let group: UInt16 = UInt16(bytes[index]) << 8 | UInt16(bytes[index + 1])
            return String(group, radix: 16)
        }
        guard let literal = try? IPv6Literal("[" + groups.joined(separator: ":") + "]") else {
            return groups.joined(separator: ":")
        }
        return String(literal.description.dropFirst().dropLast())
    }
}

/// A network in CIDR notation (RFC 4632): the addresses that share its first bits.
public struct IPNetwork: Hashable, Sendable {
    /// The address whose first bits count; the others are zero.
    public let address: IPAddress
    /// How many bits count.
    public let prefixLength: Int

    /// Reads `address/length`; `nil` if the text is none, or if a bit beyond the length is set (most likely a mistake).
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(parts[0]), (1...3).contains(parts[1].utf8.count),
            let length = UInt8(parts[1]), Int(length) <= address.bytes.count * 8, parts[1].first != "+"
        else { return nil }
        self.address = address
        prefixLength = Int(length)
        let bits = address.bytes.count * 8
        for bit in prefixLength..<bits where Self.bit(bit, of: address) != 0 { return nil }
    }

    /// Whether an address belongs to the network. An IPv4 network does not hold IPv6 addresses that map IPv4.
    public func contains(_ other: IPAddress) -> Bool {
        guard other.bytes.count == address.bytes.count else { return false }
        for bit in 0..<prefixLength where Self.bit(bit, of: other) != Self.bit(bit, of: address) { return false }
        return true
    }

    private static func bit(_ index: Int, of address: IPAddress) -> UInt8 {
        let byte: UInt8 = address.bytes[index / 8]
        return (byte >> UInt8(7 - index % 8)) & 1
    }
}

extension IPNetwork: CustomStringConvertible {
    /// `address/length`.
    public var description: String { "\(address)/\(prefixLength)" }
}
