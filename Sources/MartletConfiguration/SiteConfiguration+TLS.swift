extension SiteConfiguration {
    /// `[tls]`: what the site presents, and whom it trusts. Files are read by whoever starts the server.
    public struct TLS: Equatable, Sendable {
        /// The path of the PEM file with the site's certificate and the chain above it.
        public var certificate = "certificate.pem"
        /// The path of the PEM file with the private key.
        public var key = "key.pem"
        /// The path of a PEM file with authorities that are trusted for peers besides those of the system.
        public var peerCA: String?
        /// The oldest version of TLS that is spoken.
        public var minimumVersion = Version.v1_2

        /// The versions of TLS that RFC 8996 left.
        public enum Version: String, CaseIterable, Sendable {
            /// RFC 5246.
            case v1_2 = "1.2"
            /// RFC 8446.
            case v1_3 = "1.3"
        }

        /// The defaults.
        public init() {}

        init(reading section: inout Section, directory: String) {
            certificate = FilePath.join(directory, section.value("certificate", .path, default: certificate))
            key = FilePath.join(directory, section.value("key", .path, default: key))
            peerCA = section.optional("peer_ca", .path).map { FilePath.join(directory, $0) }
            minimumVersion = section.value("minimum_version", .word, default: minimumVersion)
        }
    }
}
