/// Somebody who runs the server and can be reached (XEP-0157).
public struct ContactRole: Sendable, Equatable {
    /// `admin`, `abuse` … (XEP-0157 §4).
    public var name: String
    /// URIs.
    public var addresses: [String]

    /// That role.
    public init(_ name: String, _ addresses: [String]) {
        self.name = name
        self.addresses = addresses
    }
}

/// A service beside XMPP that clients are told of (XEP-0215 §3).
public struct ExternalService: Sendable, Equatable {
    /// What is needed to use it.
    public enum Credentials: Sendable, Equatable {
        /// Nothing.
        case none
        /// The same for everybody.
        case fixed(username: String, password: String)
        /// Made for each client from what is shared with the service; they hold for so many seconds.
        case derived(secret: String, lifetime: Int64)
    }

    /// What it is: `stun`, `turn` …
    public var type: String
    /// Its name in DNS or its IP address.
    public var host: String
    /// Its port; 0 where it needs none.
    public var port: UInt16
    /// `tcp` or `udp`; nil where that is understood.
    public var transport: String?
    /// What people read of it.
    public var name: String?
    /// What is needed to use it.
    public var credentials: Credentials

    /// That service.
    public init(
        type: String, host: String, port: UInt16, transport: String? = nil, name: String? = nil,
        credentials: Credentials = .none
    ) {
        self.type = type
        self.host = host
        self.port = port
        self.transport = transport
        self.name = name
        self.credentials = credentials
    }
}
