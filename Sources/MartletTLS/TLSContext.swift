import COpenSSL

/// What all TLS connections of one kind have in common: own certificate, versions, ciphers and whom to trust.
///
/// One is made for clients (c2s), one for accepted and one for opened connections between servers (s2s). A renewed certificate
/// means a new context; engines that exist keep theirs. Shared by all event loops.
public final class TLSContext: @unchecked Sendable {
    // SAFETY: configured in the initializers and only read afterwards; OpenSSL counts references and locks what it caches.
    let context: OpaquePointer
    let isServer: Bool
    /// Whom to believe; nil where no certificate is asked for.
    let trust: TrustStore?
    /// The hash of the own certificate that the channel binding "tls-server-end-point" is (RFC 5929 §4), the same for all
    /// connections; nil for opened connections, and where it is not defined.
    let serverEndPoint: [UInt8]?
    private let alpn: UnsafeMutablePointer<martlet_bytes>?

    /// For accepted connections.
    ///
    /// With `requestingClientCertificates` the other side is asked for a certificate, as servers want of servers. The handshake
    /// succeeds with any or none: `TLSEngine.peerCertificate` says what it is worth. `alpn` are the application protocols
    /// accepted ("xmpp-client", "xmpp-server", XEP-0368); a client that offers others only is refused, one that offers none
    /// is not. Empty: offers are ignored.
    public init(
        server identity: TLSIdentity, requestingClientCertificates trust: TrustStore? = nil, alpn: [String] = [],
        versions: ClosedRange<TLSVersion> = .tls12 ... .tls13
    ) throws(TLSError) {
        let protocols = try ALPN.wireForm(alpn)
        self.alpn = protocols.isEmpty ? nil : ALPN.allocate(protocols)
        self.trust = trust
        isServer = true
        do {
            context = try Self.make(
                identity: identity, isServer: true, requests: trust != nil, alpn: self.alpn, versions)
            serverEndPoint = martlet_context_certificate(context).flatMap(TLSEngine.endPoint)
        } catch {
            ALPN.deallocate(self.alpn)
            throw error
        }
    }

    /// For opened connections, with the certificate to show when asked.
    ///
    /// The handshake succeeds with any certificate: `TLSEngine.peerCertificate` says what it is worth.
    public init(
        client identity: TLSIdentity? = nil, trust: TrustStore, versions: ClosedRange<TLSVersion> = .tls12 ... .tls13
    ) throws(TLSError) {
        alpn = nil
        self.trust = trust
        isServer = false
        serverEndPoint = nil
        context = try Self.make(identity: identity, isServer: false, requests: false, alpn: nil, versions)
    }

    deinit {
        martlet_context_free(context)
        ALPN.deallocate(alpn)
    }

    private static func make(
        identity: TLSIdentity?, isServer: Bool, requests: Bool, alpn: UnsafeMutablePointer<martlet_bytes>?,
        _ versions: ClosedRange<TLSVersion>
    ) throws(TLSError) -> OpaquePointer {
        var plan = martlet_context_plan()
        plan.is_server = isServer ? 1 : 0
        plan.minimum_version = versions.lowerBound.number
        plan.maximum_version = versions.upperBound.number
        plan.requests_client_certificate = requests ? 1 : 0
        plan.alpn = UnsafePointer(alpn)
        plan.chain = identity?.chain
        plan.key = identity?.key
        guard let context = martlet_context_new(&plan) else {
            throw TLSError.queued(.certificate, "the certificate cannot be used: ")
        }
        return context
    }
}

/// Lists of application protocols as TLS writes them (RFC 7301 §3.1).
enum ALPN {
    static func wireForm(_ names: [String]) throws(TLSError) -> [UInt8] {
        var result: [UInt8] = []
        for name in names {
            guard let length = UInt8(exactly: name.utf8.count), length > 0 else {
                throw TLSError(.library, "“\(name)” cannot be the name of an application protocol")
            }
            result.append(length)
            result += name.utf8
        }
        return result
    }

    /// A copy with a fixed address, as the handshake's callback needs it.
    static func allocate(_ wireForm: [UInt8]) -> UnsafeMutablePointer<martlet_bytes> {
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: wireForm.count)
        bytes.initialize(from: wireForm, count: wireForm.count)
        let result = UnsafeMutablePointer<martlet_bytes>.allocate(capacity: 1)
        result.initialize(to: martlet_bytes(bytes: bytes, length: wireForm.count))
        return result
    }

    static func deallocate(_ allocated: UnsafeMutablePointer<martlet_bytes>?) {
        allocated?.pointee.bytes.deallocate()
        allocated?.deallocate()
    }
}
