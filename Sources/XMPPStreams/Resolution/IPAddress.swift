/// An IPv4 or IPv6 address: a value without names, ports or zones.
public enum IPAddress: Hashable, Sendable {
    /// The four bytes as a big-endian number.
    case v4(UInt32)
    /// The sixteen bytes as two big-endian numbers.
    case v6(high: UInt64, low: UInt64)
}

extension IPAddress {
    /// The address of four or sixteen bytes in network order; `nil` for any other number of bytes.
    public init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            self = .v6(
                high: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
                low: bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
        default: return nil
        }
    }

    /// The four or sixteen bytes in network order.
    public var bytes: [UInt8] {
        switch self {
        case .v4(let number): (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
        case .v6(let high, let low):
            (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - 8 * ($0 % 8))) }
        }
    }

    /// True for an IPv6 address, also for one that stands for an IPv4 address.
    public var isV6: Bool {
        if case .v6 = self { return true }
        return false
    }

    /// The IPv4 address that an IPv4-mapped IPv6 address (`::ffff:0:0/96`, RFC 4291 §2.5.5.2) stands for; any other
    /// address as it is. A socket for both families shows IPv4 peers in mapped form: rules must not miss them.
    public var unmapped: IPAddress {
        if case .v6(high: 0, let low) = self, low >> 32 == 0xFFFF { return .v4(UInt32(truncatingIfNeeded: low)) }
        return self
    }

    /// The address as limits count it: an IPv4 address, or the /64 that one IPv6 customer has at least.
    public var remote: RemoteAddress {
        switch unmapped {
        case .v4(let number): RemoteAddress(Self.format(number))
        case .v6(let high, _): RemoteAddress("\(IPAddress.v6(high: high, low: 0))/64")
        }
    }
}

extension IPAddress: LosslessStringConvertible {
    /// Parses dotted decimal (four numbers without leading zeros) or any form of RFC 4291 §2.2, without brackets or zone.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        if let v4 = Self.parseV4(bytes[...]) {
            self = .v4(v4)
        } else if let groups = Self.parseV6(bytes[...]) {
            self = .v6(high: Self.join(groups[..<4]), low: Self.join(groups[4...]))
        } else {
            return nil
        }
    }

    /// Dotted decimal, or the canonical form of RFC 5952.
    public var description: String {
        switch self {
        case .v4(let number): Self.format(number)
        case .v6(high: 0, let low) where low >> 32 == 0xFFFF: "::ffff:" + Self.format(UInt32(truncatingIfNeeded: low))
        case .v6(let high, let low):
            Self.format((0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> UInt64(48 - 16 * ($0 % 4))) })
        }
    }

    private static func join(_ groups: ArraySlice<UInt16>) -> UInt64 {
        groups.reduce(0) { $0 << 16 | UInt64($1) }
    }

    private static func parseV4(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var number: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            var value: UInt32 = 0
            for byte in part {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + UInt32(byte - UInt8(ascii: "0"))
            }
            guard value <= 255 else { return nil }
            number = number << 8 | value
        }
        return number
    }

    /// The eight groups of an IPv6 address.
    private static func parseV6(_ text: ArraySlice<UInt8>) -> [UInt16]? {
        guard text.count <= 45 else { return nil }
        let colon = UInt8(ascii: ":")
        let gap = text.indices.dropLast().first { text[$0] == colon && text[$0 + 1] == colon }
        guard let gap else {
            guard let groups = parseGroups(text, mayEndInV4: true), groups.count == 8 else { return nil }
            return groups
        }
        let tail = text[(gap + 2)...]
        guard let left = gap == text.startIndex ? [] : parseGroups(text[..<gap], mayEndInV4: false),
            let right = tail.isEmpty ? [] : parseGroups(tail, mayEndInV4: true), left.count + right.count <= 7
        else { return nil }
        return left + [UInt16](repeating: 0, count: 8 - left.count - right.count) + right
    }

    private static func parseGroups(_ text: ArraySlice<UInt8>, mayEndInV4: Bool) -> [UInt16]? {
        var groups: [UInt16] = []
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if mayEndInV4, index == parts.count - 1, let v4 = parseV4(part) {
                groups += [UInt16(truncatingIfNeeded: v4 >> 16), UInt16(truncatingIfNeeded: v4)]
                continue
            }
            guard (1...4).contains(part.count), part.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
                let group = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
            else { return nil }
            groups.append(group)
        }
        return groups
    }

    private static func format(_ number: UInt32) -> String {
        "\(number >> 24).\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
    }

    private static func format(_ groups: [UInt16]) -> String {
        // RFC 5952 §4.2: the longest run of two or more zero groups, the first of equal ones, becomes "::".
        var gap = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start >= 2, end - start > gap.count { gap = start..<end }
            start = max(end, start + 1)
        }
        func join(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        return gap.isEmpty ? join(groups[...]) : join(groups[..<gap.lowerBound]) + "::" + join(groups[gap.upperBound...])
    }
}
