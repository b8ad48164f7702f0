import Glibc
import NIOCore
import XMPPStreams

extension SocketAddress {
    /// The numeric address without a port: 4 or 16 bytes, an IPv4 address in IPv6 clothing (RFC 4291 §2.5.5.2) as 4;
    /// `nil` for a Unix socket.
    var numericBytes: [UInt8]? {
        switch self {
        case .v4(let address):
            return withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
        case .v6(let address):
            let bytes = withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
            let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
            return isMapped ? Array(bytes[12...]) : bytes
        case .unixDomainSocket:
            return nil
        }
    }

    /// The address as limits count it: an IPv4 address, or the /64 that one IPv6 customer has at least.
    var remoteAddress: RemoteAddress {
        numericBytes.flatMap { IPAddress(bytes: $0) }?.remote ?? RemoteAddress("local")
    }

    /// The numeric address in words, without a port.
    var words: String {
        guard let bytes = numericBytes else { return "local" }
        return bytes.count == 4 ? bytes.map(String.init).joined(separator: ".") : Self.text(v6: bytes)
    }

    private static func text(v6 bytes: [UInt8]) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        _ = bytes.withUnsafeBytes { inet_ntop(AF_INET6, $0.baseAddress, &text, socklen_t(INET6_ADDRSTRLEN)) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
