/// What a stream is for, and with it who opened it.
public enum StreamRole: Sendable {
    /// A client connected to us.
    case clientReceiving
    /// Another server connected to us.
    case serverReceiving
    /// A component of this site connected to us (XEP-0114).
    case componentReceiving
    /// We connected to the server of `pair.peer`, to send it stanzas in the name of `pair.local`. `requiresCertificate`:
    /// it must show a certificate for its domain.
    case link(DomainPair, requiresCertificate: Bool)
    /// We connected to the server of `pair.peer`, to ask whether it gave away `key` for the stream that we call
    /// `streamID` (XEP-0220 §2.1.2).
    case verification(DomainPair, key: String, streamID: String, requiresCertificate: Bool)

    /// Whether we opened the connection.
    public var isInitiating: Bool {
        switch self {
        case .clientReceiving, .serverReceiving, .componentReceiving: false
        case .link, .verification: true
        }
    }
}
