/// What a finished TLS handshake says.
public struct TLSFacts {
    /// `tls-exporter` (RFC 9266 §2): 32 bytes exported under `EXPORTER-Channel-Binding`. Only for TLS 1.3: before, it
    /// would need the extended master secret. Derived when a client binds to it, which few do: it costs a fiftieth of a login.
    public var exporter: (() -> [UInt8]?)?
    /// `tls-server-end-point` (RFC 5929 §4.1): the hash of the server's certificate.
    public var serverEndPoint: [UInt8]?
    /// The version as the protocol writes it (RFC 8446 §4.1.3): 0x0304 is TLS 1.3.
    public var version: UInt16?
    /// The other end's certificate; nil if it showed none.
    public var peer: (any PeerIdentity)?

    /// Those facts.
    public init(
        exporter: (() -> [UInt8]?)? = nil, serverEndPoint: [UInt8]? = nil, version: UInt16? = nil,
        peer: (any PeerIdentity)? = nil
    ) {
        self.exporter = exporter
        self.serverEndPoint = serverEndPoint
        self.version = version
        self.peer = peer
    }

    /// Why the peer's certificate does not prove that it is `domain`, in words for the operator; nil if it does
    /// (RFC 6120 §13.7.2).
    func objection(to domain: String) -> String? {
        guard let peer else { return "shows no certificate" }
        guard peer.isVerified else { return "shows a certificate that does not verify: \(peer.failure)" }
        return peer.matches(domain) ? nil : "shows a certificate for another name than \(domain)"
    }
}

/// The certificate of the other end, after the TLS engine has looked at it.
public protocol PeerIdentity: Sendable {
    /// The chain leads to something we trust, and every certificate in it is valid now.
    var isVerified: Bool { get }
    /// Why it does not verify, in words for the operator.
    var failure: String { get }
    /// Whether it names `domain`, a prepared domainpart (RFC 6120 §13.7.1.2, RFC 6125).
    func matches(_ domain: String) -> Bool
}
