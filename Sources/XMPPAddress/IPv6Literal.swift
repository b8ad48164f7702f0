/// An IPv6 address in brackets, as a domainpart may be (RFC 7622 §3.2, RFC 3986 §3.2.2). Zone identifiers are no part of it.
///
/// The address is kept as its value and written as RFC 5952 recommends, so that `[0:0::1]` and `[::1]` are one domain.
public struct IPv6Literal: Hashable, Sendable {
    /// The address as eight groups of 16 bits.
    public private(set) var groups: [UInt16] = []

    /// Reads `[…]`. Throws `invalidDomain` if it is no IPv6 address in brackets.
    public init(_ text: some StringProtocol) throws(JIDError) {
        self = try withUTF8(text, IPv6Literal.init(utf8:))
    }

    init(utf8 bytes: UnsafeBufferPointer<UInt8>) throws(JIDError) {
        guard bytes.count > 2, bytes.count <= Self.maximumBytes, bytes.first == UInt8(ascii: "["),
            bytes.last == UInt8(ascii: "]")
        else { throw .invalidDomain }
        var rest = bytes[1..<(bytes.count - 1)]
        /// How many groups stand before the `::`.
        var gap: Int?
        if rest.starts(with: "::".utf8) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: ":")) ?? rest.endIndex
            let group = rest[..<end]
            if end == rest.endIndex, group.contains(UInt8(ascii: ".")) {
                try appendIPv4(group)
                rest = rest[end...]
                break
            }
            groups.append(try Self.hexadecimal(group))
            rest = rest[end...]
            guard !rest.isEmpty else { break }
            rest = rest.dropFirst()
            guard let next = rest.first else { throw .invalidDomain }
            if next == UInt8(ascii: ":") {
                guard gap == nil else { throw .invalidDomain }
                gap = groups.count
                rest = rest.dropFirst()
            }
        }
        guard let gap else {
            guard groups.count == 8 else { throw .invalidDomain }
            return
        }
        // RFC 4291 §2.2: `::` stands for one group of zeros or more.
        guard groups.count < 8 else { throw .invalidDomain }
        groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
    }

    /// `[`, 39 digits and colons, `]`; 45 with an IPv4 address at the end.
    private static let maximumBytes = 47

    private static func hexadecimal(_ text: Slice<UnsafeBufferPointer<UInt8>>) throws(JIDError) -> UInt16 {
        guard !text.isEmpty, text.count <= 4, text.first != UInt8(ascii: "+"),
            let value = UInt16(String(decoding: text, as: UTF8.self), radix: 16)
        else { throw .invalidDomain }
        return value
    }

    private mutating func appendIPv4(_ text: Slice<UnsafeBufferPointer<UInt8>>) throws(JIDError) {
        let octets = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard octets.count == 4 else { throw .invalidDomain }
        var address: UInt32 = 0
        for octet in octets {
            guard octet.allSatisfy(\.isASCIIDigit), octet.count == 1 || octet.first != UInt8(ascii: "0"),
                let value = UInt8(String(decoding: octet, as: UTF8.self))
            else { throw .invalidDomain }
            address = address << 8 | UInt32(value)
        }
        groups += [UInt16(truncatingIfNeeded: address >> 16), UInt16(truncatingIfNeeded: address)]
    }
}

extension IPv6Literal: CustomStringConvertible {
    /// RFC 5952 §4: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as `::`.
    public var description: String {
        var longest = 0..<0
        var index = 0
        while index < groups.count {
            let end = groups[index...].firstIndex { $0 != 0 } ?? groups.count
            if end - index > max(1, longest.count) { longest = index..<end }
            index = max(end, index) + 1
        }
        let hexadecimal = groups.map { String($0, radix: 16) }
        guard !longest.isEmpty else { return "[" + hexadecimal.joined(separator: ":") + "]" }
        return "[" + hexadecimal[..<longest.lowerBound].joined(separator: ":") + "::"
            + hexadecimal[longest.upperBound...].joined(separator: ":") + "]"
    }
}
