/// A block of addresses in CIDR notation (RFC 4632, RFC 4291 §2.3).
///
/// IPv4 and IPv6 do not mix, but an IPv4-mapped IPv6 address counts as the IPv4 address it stands for, in a network as in
/// what is looked up.
public struct IPNetwork: Hashable, Sendable {
    /// The first address of the network: the bits behind the prefix are zero.
    public let address: IPAddress

    /// The number of leading bits that all addresses of the network share.
    public let prefixLength: Int

    /// The network of an address and the number of its leading bits; `nil` if that is more than the address has.
    public init?(_ address: IPAddress, prefixLength: Int) {
        let unmapped = address.unmapped
        var length = prefixLength
        if unmapped != address {
            // ::ffff:a.b.c.d/96 is all of IPv4; a shorter prefix is no IPv4 network and is taken as it is written.
            guard prefixLength <= 128 else { return nil }
            guard prefixLength >= 96 else {
                self.init(masking: address, prefixLength)
                return
            }
            length -= 96
        }
        guard (0...(unmapped.isV6 ? 128 : 32)).contains(length) else { return nil }
        self.init(masking: unmapped, length)
    }

    /// True if the address is in the network.
    public func contains(_ other: IPAddress) -> Bool {
        Self.mask(other.unmapped, prefixLength) == address
    }

    private init(masking address: IPAddress, _ length: Int) {
        self.address = Self.mask(address, length)
        prefixLength = length
    }

    private static func mask(_ address: IPAddress, _ length: Int) -> IPAddress {
        switch address {
        case .v4(let number): .v4(length >= 32 ? number : number & ~(UInt32.max >> UInt32(max(length, 0))))
        case .v6(let high, let low):
            .v6(
                high: length >= 64 ? high : high & ~(UInt64.max >> UInt64(max(length, 0))),
                low: length >= 128 ? low : low & ~(UInt64.max >> UInt64(max(length - 64, 0))))
        }
    }
}

extension IPNetwork: LosslessStringConvertible {
    /// Parses `address/length`, or an address alone for the network of just that address.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        guard parts.count == 2 else {
            self.init(address, prefixLength: address.isV6 ? 128 : 32)
            return
        }
        let digits = parts[1].utf8
        guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(parts[1])
        else {
            return nil
        }
        self.init(address, prefixLength: length)
    }

    /// `address/length`.
    public var description: String { "\(address)/\(prefixLength)" }
}
