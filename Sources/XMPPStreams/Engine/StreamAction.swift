import MartletCrypto

/// What a ``StreamEngine`` wants done, in order.
public enum StreamAction: Sendable {
    /// Writes bytes: plaintext, which TLS protects where it is on.
    case write([UInt8])
    /// Begins the TLS handshake after everything written before is flushed in clear; answered by
    /// ``StreamEngine/tlsEstablished(_:into:)`` or by the end of the connection. `serverName` is sent by the initiating
    /// side (RFC 6066 §3).
    case startTLS(asServer: Bool, serverName: String?)
    /// Tells the site what a client's stream has to say.
    case client(ClientStreamEvent)
    /// Tells the site what another server's stream has to say.
    case peer(PeerStreamEvent)
    /// Tells the attempt that opened the stream.
    indirect case attempt(AttemptEvent)
    /// Derives keys away from the event loop; answered by ``StreamEngine/keysDerived(_:for:into:)``.
    indirect case deriveKeys(KeyDerivation)
    /// Calls ``StreamEngine/timerFired(_:into:)`` after that time. Timers are never cancelled: a stale one is harmless.
    case setTimer(StreamTimer, afterMilliseconds: Int64)
    /// Notes the place behind what was written before, for ``ClientStreamEvent/arrived(_:)``: only who has the socket can ask TCP.
    case place(UInt64)
    /// Closes the connection after everything written before is flushed.
    case close
    /// Ends the connection at once and throws away what it has not carried yet, also in the kernel.
    case reset
}

/// A timer of one stream. The generation tells whether it still means something when it fires.
public struct StreamTimer: Sendable, Equatable {
    enum Purpose: Sendable {
        case negotiation, closing
    }

    let purpose: Purpose
    let generation: UInt32
}

/// The costly part of PLAIN: a password to be turned into keys (PBKDF2, milliseconds of CPU).
public struct KeyDerivation: Sendable {
    /// Which question this is.
    public struct ID: Sendable, Equatable {
        let number: UInt32
    }

    /// Which question this is.
    public let id: ID
    /// The prepared password.
    public let password: [UInt8]
    /// The stored salt.
    public let salt: [UInt8]
    /// The stored iteration count.
    public let iterations: Int
    /// The digest of the stored keys.
    public let digest: DigestAlgorithm

    /// Does it. Never on an event loop.
    public func run() -> SCRAMKeys {
        SCRAMKeys(algorithm: digest, password: password, salt: salt, iterations: iterations)
    }
}
