extension SiteConfiguration {
    /// `[[listeners.web]]`: one socket on which browsers and other HTTP clients connect, always with TLS.
    public struct WebListener: Equatable, Sendable {
        /// The address to listen at; `::` is every address of the machine, IPv4 included.
        public var address: IPAddress
        /// The TCP port.
        public var port: UInt16

        /// Makes a listener.
        public init(address: IPAddress = .everyAddress, port: UInt16) {
            self.address = address
            self.port = port
        }

        init?(reading section: inout Section) {
            address = section.value("address", .ipAddress, default: .everyAddress)
            guard let port = section.required("port", .port) else { return nil }
            self.port = port
        }

        var endpoint: Endpoint { Endpoint(host: address.description, port: port) }
    }

    /// `[web]`: what is served over HTTPS.
    public struct Web: Equatable, Sendable {
        /// Whether anything is.
        public var isEnabled = true
        /// Where clients reach the listener, as `https://host:port`, without a slash at its end; nil: the domain and the first listener's port.
        public var externalURL: String?
        /// From which a proxy in front of the listener connects: what it says about the client's address is believed.
        public var proxies: [IPAddress] = []
        /// The pages of which other servers may use this one, as `https://host`; nil: of any.
        public var origins: [String]?
        /// Whether clients log in over a WebSocket (RFC 7395).
        public var offersWebSocket = true
        /// Whether clients log in with HTTP requests (XEP-0124).
        public var offersBOSH = true
        /// How long a connection may be idle between two requests.
        public var idleTime = Duration.seconds(75)
        /// How long a BOSH client may be without a request.
        public var boshInactivity = Duration.seconds(60)
        /// The most BOSH sessions at a time.
        public var boshSessions = 1000

        /// The defaults.
        public init() {}

        init(reading section: inout Section) {
            isEnabled = section.value("enabled", .boolean, default: isEnabled)
            externalURL = section.optional("external_url", .httpsOrigin)
            proxies = section.list("proxies", of: .ipAddress, default: proxies)
            let origins = section.list("origins", of: .origin, default: ["*"])
            self.origins = origins.contains("*") ? nil : origins
            offersWebSocket = section.value("websocket", .boolean, default: offersWebSocket)
            offersBOSH = section.value("bosh", .boolean, default: offersBOSH)
            idleTime = section.value("idle_time", .duration(.seconds(5) ... .seconds(3600)), default: idleTime)
            boshInactivity = section.value(
                "bosh_inactivity", .duration(.seconds(10) ... .seconds(600)), default: boshInactivity)
            boshSessions = section.value("bosh_sessions", .integer(1...100_000), default: boshSessions)
        }
    }

    /// Where clients reach the listener for the web, as `https://host:port`; nil where there is none. `domain` is the one that they look for.
    public func webAddress(for domain: String) -> String? {
        guard web.isEnabled, let listener = webListeners.first else { return nil }
        return web.externalURL ?? "https://\(domain)" + (listener.port == 443 ? "" : ":\(listener.port)")
    }
}

extension ValueRule<String> {
    /// Where a page comes from (RFC 6454), with its scheme.
    fileprivate static var origin: ValueRule {
        text("\"*\", or where pages come from such as \"https://www.pilsen.example\"") {
            $0 == "*" ? $0 : trimmed($0, schemes: ["https://", "http://"])
        }
    }

    fileprivate static var httpsOrigin: ValueRule {
        text("an address such as \"https://chat.pilsen.example\"") { trimmed($0, schemes: ["https://"]) }
    }

    /// Scheme, host and port, without a slash at the end.
    private static func trimmed(_ text: String, schemes: [String]) -> String? {
        let trimmed = text.hasSuffix("/") ? String(text.dropLast()) : text
        guard let scheme = schemes.first(where: trimmed.hasPrefix) else { return nil }
        let host = trimmed.dropFirst(scheme.count)
        let isPlain = host.unicodeScalars.allSatisfy {
            $0.isASCII
                && ($0.properties.isAlphabetic || $0.properties.numericType != nil || ".-:[]".unicodeScalars.contains($0))
        }
        return host.isEmpty || !isPlain ? nil : trimmed.lowercased()
    }
}

/// The parts of the annotated file.
extension SiteConfiguration {
    static let annotatedWebListener = """
        # Sockets for browsers and other programs that speak HTTPS, each under its own [[listeners.web]]: address and port. See [web].
        # Defaults "[::]" and 5443, the port that other servers use for it too.

        [[listeners.web]]
        address = "[::]"
        port = 5443
        """

    static let annotatedWeb = """
        [web]

        # Whether the sockets of [[listeners.web]] are opened. Default true.
        enabled = true

        # The address by which clients reach them, such as "https://chat.pilsen.example", where a proxy stands in front. Default "": the
        # domain of whoever asks, with the port of the first of [[listeners.web]].
        external_url = ""

        # The addresses from which such a proxy connects: its X-Forwarded-For is believed, so that limits count its clients and not the
        # proxy. Default []: nobody's is.
        proxies = []

        # Of which servers the pages are that may use this one, such as "https://www.pilsen.example". Default ["*"]: all, since a page can
        # do nothing without the password, which the browser does not lend it.
        origins = ["*"]

        # Whether clients log in over a WebSocket (RFC 7395), and with HTTP requests (BOSH, XEP-0124). Defaults true.
        websocket = true
        bosh = true

        # How long a connection may be idle between two requests. Default "75s": longer than a BOSH request waits.
        idle_time = "75s"

        # How long a BOSH client may be without a request before its session ends, or waits to be resumed. Default "60s".
        bosh_inactivity = "60s"

        # The most BOSH sessions at a time. Default 1000: of two hundred KiB at most each while it is slow, and of a few when it is not.
        bosh_sessions = 1000
        """
}
