/// Where an address can be reached, as far as its number tells (IANA special-purpose address registries, RFC 6890).
public enum IPAddressScope: Hashable, Sendable {
    /// `0.0.0.0/8` and `::`: no destination at all.
    case unspecified
    /// `127.0.0.0/8` and `::1`: this machine.
    case loopback
    /// `169.254.0.0/16` and `fe80::/10`: this cable. Cloud metadata services answer here.
    case linkLocal
    /// `224.0.0.0/4` and `ff00::/8`.
    case multicast
    /// RFC 1918, RFC 6598 (`100.64.0.0/10`), unique local `fc00::/7` and the old site-local `fec0::/10`: an organization's
    /// or provider's own.
    case privateUse
    /// Documentation, benchmarks, `240.0.0.0/4` with the limited broadcast address, the discard prefix: no server has one.
    case reserved
    /// Everything else.
    case global
}

extension IPAddress {
    /// The scope of the address. One that carries an IPv4 address (IPv4-mapped, or NAT64's `64:ff9b::/96`) has the scope of
    /// that.
    public var scope: IPAddressScope {
        switch unmapped {
        case .v4(let number): Self.scope(number)
        case .v6(high: 0, low: 0): .unspecified
        case .v6(high: 0, low: 1): .loopback
        case .v6(high: 0x0064_FF9B_0000_0000, let low) where low >> 32 == 0: Self.scope(UInt32(truncatingIfNeeded: low))
        case .v6(let high, _): Self.scope(high)
        }
    }

    private static func scope(_ number: UInt32) -> IPAddressScope {
        switch number {
        case 0x0000_0000...0x00FF_FFFF: .unspecified
        case 0x0A00_0000...0x0AFF_FFFF: .privateUse
        case 0x6440_0000...0x647F_FFFF: .privateUse
        case 0x7F00_0000...0x7FFF_FFFF: .loopback
        case 0xA9FE_0000...0xA9FE_FFFF: .linkLocal
        case 0xAC10_0000...0xAC1F_FFFF: .privateUse
        case 0xC000_0000...0xC000_00FF: .reserved
        case 0xC000_0200...0xC000_02FF: .reserved
        case 0xC0A8_0000...0xC0A8_FFFF: .privateUse
        case 0xC612_0000...0xC613_FFFF: .reserved
        case 0xC633_6400...0xC633_64FF: .reserved
        case 0xCB00_7100...0xCB00_71FF: .reserved
        case 0xE000_0000...0xEFFF_FFFF: .multicast
        case 0xF000_0000...: .reserved
        default: .global
        }
    }

    private static func scope(_ high: UInt64) -> IPAddressScope {
        switch high {
        // ::/64 holds nothing but the unspecified, loopback, mapped and deprecated IPv4-compatible addresses.
        case 0: .reserved
        case 0x0100_0000_0000_0000: .reserved
        case 0x2001_0DB8_0000_0000...0x2001_0DB8_FFFF_FFFF: .reserved
        case 0x3FFF_0000_0000_0000...0x3FFF_0FFF_FFFF_FFFF: .reserved
        case 0xFC00_0000_0000_0000...0xFDFF_FFFF_FFFF_FFFF: .privateUse
        case 0xFE80_0000_0000_0000...0xFEBF_FFFF_FFFF_FFFF: .linkLocal
        case 0xFEC0_0000_0000_0000...0xFEFF_FFFF_FFFF_FFFF: .privateUse
        case 0xFF00_0000_0000_0000...: .multicast
        default: .global
        }
    }
}
