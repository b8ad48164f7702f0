import XMPPAddress

/// Where clients reach the proxy for bytestreams (XEP-0065).
public struct BytestreamPolicy: Sendable, Equatable {
    /// Its name in DNS or its IP address.
    public var host = ""
    /// Its TCP port.
    public var port: UInt16 = 0

    /// Nowhere.
    public init() {}
}

/// A stream between two connections to the proxy that is to begin.
public struct BytestreamActivation: Sendable, Equatable {
    /// The digest that both ends have named, forty hexadecimal digits.
    public var digest: String
    /// The account of ours that wants it: whose budget its bytes are.
    public var account: JID

    /// That stream.
    public init(digest: String, account: JID) {
        self.digest = digest
        self.account = account
    }
}

/// What came of it.
public enum BytestreamOutcome: Sendable, Equatable {
    /// It runs.
    case begun
    /// Nobody is connected who has named that digest.
    case unknown
    /// One end is connected.
    case oneEnd
    /// As many streams of that account run as may.
    case tooMany
    /// There is no proxy.
    case stopped
}
