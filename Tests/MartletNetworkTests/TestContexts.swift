import Glibc
import MartletConfiguration
import MartletTLS

@testable import MartletNetwork

/// TLS contexts with a certificate made for the test.
enum TestContexts {
    static func make() throws -> TLSContexts {
        let directory = TemporaryDirectory()
        let issued = try SelfSignedCertificate.make(domain: "pilsen.example", days: 1)
        try write(issued.certificatePEM, to: directory.path + "/certificate.pem")
        try write(issued.keyPEM, to: directory.path + "/key.pem")
        let configuration = try SiteConfiguration.parse(
            "[site]\ndomain = \"pilsen.example\"\n", fileName: directory.path + "/martlet.toml")
        return try TLSContexts(configuration)
    }

    private static func write(_ text: String, to path: String) throws {
        let file = fopen(path, "w")
        defer { fclose(file) }
        fputs(text, file)
    }
}

/// Ports nobody listens on.
enum FreePort {
    struct None: Error {}

    static func find() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw None() }
        return UInt16(bigEndian: address.sin_port)
    }
}
