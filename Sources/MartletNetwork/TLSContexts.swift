import MartletConfiguration
import MartletTLS

/// The TLS contexts of one reading of certificate and key; a reload makes new ones, connections keep theirs.
public struct TLSContexts: Sendable {
    /// For clients that connect.
    let client: TLSContext
    /// For browsers.
    let web: TLSContext
    /// For servers that connect.
    let accepting: TLSContext
    /// For servers we connect to.
    let connecting: TLSContext

    /// Reads the files that the configuration names. The error says which of them is not usable and why.
    public init(_ configuration: SiteConfiguration) throws(TLSError) {
        let tls = configuration.tls
        let identity = try TLSIdentity(certificateFile: tls.certificate, keyFile: tls.key)
        let trust =
            if let file = tls.peerCA { try TrustStore(additionalFile: file) } else { try TrustStore() }
        let versions: ClosedRange<TLSVersion> = tls.minimumVersion == .v1_3 ? .tls13 ... .tls13 : .tls12 ... .tls13
        client = try TLSContext(server: identity, alpn: ["xmpp-client"], versions: versions)
        web = try TLSContext(server: identity, alpn: ["http/1.1"], versions: versions)
        accepting = try TLSContext(
            server: identity, requestingClientCertificates: trust, alpn: ["xmpp-server"], versions: versions)
        connecting = try TLSContext(client: identity, trust: trust, versions: versions)
    }
}
