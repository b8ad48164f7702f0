extension SiteConfiguration {
    /// `[[components]]`: a domain that a process of its own has (XEP-0114), such as a gateway to another network.
    public struct Component: Equatable, Sendable {
        /// Its domain, prepared.
        public var domain: String
        /// What it has to know.
        public var secret: String

        /// The shortest secret, bytes: whoever hears a stream begin can try secrets as fast as his machine computes SHA-1, and a hundred
        /// bits are beyond that. Sixteen letters and digits drawn at random are nearly that.
        public static let leastSecretBytes = 16

        /// A component.
        public init(domain: String, secret: String) {
            self.domain = domain
            self.secret = secret
        }

        init?(reading section: inout Section) {
            let secret = section.required("secret", .secret)
            guard let domain = section.required("domain", .domain), let secret else { return nil }
            self.domain = domain
            self.secret = secret
        }
    }

    /// `[[listeners.component]]`: one socket on which components connect, without TLS, which XEP-0114 does not have.
    public struct ComponentListener: Equatable, Sendable {
        /// The address to listen at.
        public var address: IPAddress
        /// The TCP port.
        public var port: UInt16

        /// Makes a listener.
        public init(address: IPAddress = .loopback, port: UInt16) {
            self.address = address
            self.port = port
        }

        init?(reading section: inout Section) {
            address = section.value("address", .ipAddress, default: .loopback)
            guard let port = section.required("port", .port) else { return nil }
            self.port = port
        }

        var endpoint: Endpoint { Endpoint(host: address.description, port: port) }
    }

    /// Each component has a domain of its own that nobody else has.
    func refuseDoubleComponents(_ root: inout Section) {
        let others = domains + ownHosts + federation.sites.map(\.domain)
        for (index, component) in components.enumerated() {
            if others.contains(component.domain) { root.refuse("components", "\(component.domain) is somebody else's already") }
            if federation.blockedDomains.contains(component.domain) {
                root.refuse("components", "\(component.domain) is blocked (federation.blocked_domains)")
            }
            if components[..<index].contains(where: { $0.domain == component.domain }) {
                root.refuse("components", "\(component.domain) twice")
            }
        }
    }
}

extension IPAddress {
    /// `127.0.0.1`, at which only programs of the same machine connect.
    public static let loopback = IPAddress(loopbackIPv4: ())

    private init(loopbackIPv4: Void) { bytes = [127, 0, 0, 1] }
}

extension ValueRule<String> {
    /// What a component has to know.
    fileprivate static var secret: ValueRule {
        text("a secret of at least \(SiteConfiguration.Component.leastSecretBytes) bytes") {
            $0.utf8.count >= SiteConfiguration.Component.leastSecretBytes ? $0 : nil
        }
    }
}

/// The parts of the annotated file.
extension SiteConfiguration {
    static let annotatedComponentListener = """
        # Sockets on which components connect (see [[components]]), each under its own [[listeners.component]]: address and port. They are
        # opened where there is a component. Components have no TLS: any other address than the machine's own belongs behind a
        # tunnel. Defaults "127.0.0.1" and 5347, the port that components try first.

        [[listeners.component]]
        address = "127.0.0.1"
        port = 5347
        """

    static let annotatedComponents = """
        # Processes of their own that have a domain of this site (XEP-0114), such as gateways to other networks, each under its own
        # [[components]]. What is durable waits for a component that is away, like for another server ([federation] entry_lifetime). Its
        # domain needs a name in DNS and in the certificate where other servers are to reach it. Default: none.
        #
        #   domain  The component's domain; no default.
        #   secret  What the component has to know, of at least 16 bytes; no default. A changed one is asked for when it connects anew.
        #
        # [[components]]
        # domain = "irc.pilsen.example"
        # secret = ""
        """
}
