import COpenSSL

/// What a certificate may be used for (extended key usage).
public enum CertificateUsage: Sendable, Equatable {
    /// Both ends of a connection, as XMPP servers need it.
    case serverAndClient
    /// Servers only, as public authorities issue.
    case server
    /// Clients only.
    case client

    var flags: Int {
        switch self {
        case .serverAndClient: MARTLET_USE_SERVER | MARTLET_USE_CLIENT
        case .server: MARTLET_USE_SERVER
        case .client: MARTLET_USE_CLIENT
        }
    }
}
