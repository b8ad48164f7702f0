extension SiteConfiguration {
    /// `[[listeners.client]]`: one socket on which clients connect.
    public struct ClientListener: Equatable, Sendable {
        /// The address to listen at; `::` is every address of the machine, IPv4 included.
        public var address: IPAddress
        /// The TCP port.
        public var port: UInt16
        /// How streams are secured.
        public var security: Security
        /// Whether clients may authenticate with PLAIN before TLS.
        public var allowsPlainAuthenticationWithoutTLS: Bool

        /// How client streams are secured.
        public enum Security: String, CaseIterable, Sendable {
            /// The stream begins in clear and is upgraded (RFC 6120 §5), which is mandatory.
            case starttls
            /// TLS from the first byte (XEP-0368).
            case direct
            /// No TLS at all, for networks that are secured otherwise, and for tests.
            case plain
        }

        /// Makes a listener.
        public init(
            address: IPAddress = .everyAddress, port: UInt16, security: Security,
            allowsPlainAuthenticationWithoutTLS: Bool = false
        ) {
            self.address = address
            self.port = port
            self.security = security
            self.allowsPlainAuthenticationWithoutTLS = allowsPlainAuthenticationWithoutTLS
        }

        init?(reading section: inout Section) {
            address = section.value("address", .ipAddress, default: .everyAddress)
            security = section.value("security", .word, default: .starttls)
            allowsPlainAuthenticationWithoutTLS = section.value("allow_plain_auth_without_tls", .boolean, default: false)
            if allowsPlainAuthenticationWithoutTLS, security == .direct {
                section.refuse(
                    "allow_plain_auth_without_tls", "expected false where security is \"direct\": there is always TLS")
            }
            guard let port = section.required("port", .port) else { return nil }
            self.port = port
        }

        var endpoint: Endpoint { Endpoint(host: address.description, port: port) }
    }

    /// `[[listeners.server]]`: one socket on which other servers connect.
    public struct ServerListener: Equatable, Sendable {
        /// The address to listen at; `::` is every address of the machine, IPv4 included.
        public var address: IPAddress
        /// The TCP port.
        public var port: UInt16
        /// How streams are secured.
        public var security: Security

        /// How server streams are secured. Whether a stream may do without is a matter of the peer (`requireTLS`).
        public enum Security: String, CaseIterable, Sendable {
            /// The stream begins in clear and is upgraded (RFC 6120 §5).
            case starttls
            /// TLS from the first byte (XEP-0368).
            case direct
        }

        /// Makes a listener.
        public init(address: IPAddress = .everyAddress, port: UInt16, security: Security) {
            self.address = address
            self.port = port
            self.security = security
        }

        init?(reading section: inout Section) {
            address = section.value("address", .ipAddress, default: .everyAddress)
            security = section.value("security", .word, default: .starttls)
            guard let port = section.required("port", .port) else { return nil }
            self.port = port
        }

        var endpoint: Endpoint { Endpoint(host: address.description, port: port) }
    }
}

extension IPAddress {
    /// `::`, on which a socket takes connections to any address of the machine.
    public static let everyAddress = IPAddress(unspecifiedIPv6: ())

    private init(unspecifiedIPv6: Void) { bytes = Array(repeating: 0, count: 16) }
}
