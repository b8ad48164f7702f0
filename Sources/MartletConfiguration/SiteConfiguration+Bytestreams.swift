extension SiteConfiguration {
    /// `[bytestreams]`: the proxy for what clients send one another beside XMPP (XEP-0065).
    public struct Bytestreams: Equatable, Sendable {
        /// Its domain, prepared; nil where there is no proxy.
        public var domain: String?
        /// Where clients reach it; nil for the site's domain.
        public var host: String?
        /// The address to listen at.
        public var address = IPAddress.everyAddress
        /// The TCP port.
        public var port: UInt16 = 7777

        /// The defaults.
        public init() {}

        init(reading section: inout Section) {
            domain = section.optional("domain", .domain)
            host = section.optional("host", .name)
            address = section.value("address", .ipAddress, default: address)
            port = section.value("port", .port, default: port)
        }

        var endpoint: Endpoint { Endpoint(host: address.description, port: port) }
    }
}

/// The parts of the annotated file.
extension SiteConfiguration {
    static let annotatedBytestreams = """
        [bytestreams]

        # A domain such as "proxy.pilsen.example", under which clients find the proxy for files that they send one another and cannot bring
        # themselves (XEP-0065). Default "": there is none, since it needs one more port through the firewall.
        domain = ""

        # Where clients reach it, a name in DNS or an IP address. Default "": the site's domain.
        host = ""

        # The address to listen at, and the TCP port. Defaults "::", every address of the machine, and 7777.
        address = "::"
        port = 7777
        """

    static let annotatedBytestreamLimits = """
        # The most bytestreams of one account at a time, and bytes that the proxy moves for one account in a second, both ways together.
        # Defaults 8, some files at once on each device; "8MiB", so that two accounts leave half of a line of 250 Mbit/s to everybody else.
        bytestreams_per_account = 8
        bytestream_bytes_per_second = "8MiB"

        # How long a bytestream may stand still. Default "5m": somebody looks for a folder.
        bytestream_idle_time = "5m"
        """
}
