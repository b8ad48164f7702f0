import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// SASL mechanisms offered to clients; each SCRAM mechanism also stands for its -PLUS variant.
public enum SASLMechanism: String, Sendable, CaseIterable {
    case scramSHA1 = "SCRAM-SHA-1"
    case scramSHA256 = "SCRAM-SHA-256"
    case plain = "PLAIN"

    /// The digest of the keys that the mechanism needs; PLAIN is checked against the SHA-256 keys.
    public var digest: DigestAlgorithm {
        switch self {
        case .scramSHA1: .sha1
        case .scramSHA256, .plain: .sha256
        }
    }

    /// The name of the variant that binds the exchange to the channel (RFC 5802 §4); nil if there is none.
    public var plusName: String? {
        switch self {
        case .scramSHA1: "SCRAM-SHA-1-PLUS"
        case .scramSHA256: "SCRAM-SHA-256-PLUS"
        case .plain: nil
        }
    }
}

/// What the site answers to ``StreamEvent/credentialsWanted(localpart:mechanism:address:)``: the stored SCRAM keys
/// (RFC 5802 §3) of the account, or a decoy that cannot be told from them.
public struct StoredCredentials: Sendable, Equatable {
    /// The account; for a decoy the address that was asked for.
    public var account: JID
    /// The salt given to the client.
    public var salt: [UInt8]
    /// The iteration count given to the client.
    public var iterations: Int
    /// Checks the client's proof.
    public var storedKey: [UInt8]
    /// Signs the server's answer.
    public var serverKey: [UInt8]
    /// Raised with each change of the account: an exchange begun with older keys is refused at admission.
    public var generation: UInt64
    /// There is no such account: the exchange goes on and fails at its end.
    public var isDecoy: Bool

    /// Keys of an account, or a decoy.
    public init(
        account: JID, salt: [UInt8], iterations: Int, storedKey: [UInt8], serverKey: [UInt8], generation: UInt64,
        isDecoy: Bool
    ) {
        self.account = account
        self.salt = salt
        self.iterations = iterations
        self.storedKey = storedKey
        self.serverKey = serverKey
        self.generation = generation
        self.isDecoy = isDecoy
    }
}

/// Proof that a client has shown the password of `account`. Only ``StreamEngine`` makes one.
public struct AuthenticatedClient: Sendable, Equatable {
    /// The bare JID.
    public let account: JID
    /// The generation of the credentials that were used.
    public let generation: UInt64
    /// Whether the stream is protected by TLS.
    public let isSecure: Bool

    /// Called by the SASL exchange at its successful end, and by simulations.
    public init(account: JID, generation: UInt64, isSecure: Bool) {
        self.account = account
        self.generation = generation
        self.isSecure = isSecure
    }
}

/// A pair of domains on a server-to-server stream, seen from this site.
public struct DomainPair: Hashable, Sendable {
    /// Our domain.
    public var local: JID
    /// The other server's domain.
    public var peer: JID

    /// The pair of our `local` and the other server's `peer` domain.
    public init(local: JID, peer: JID) {
        self.local = local
        self.peer = peer
    }

    /// As the compiler would write it, but to be inlined: otherwise both are copied for each comparison.
    @inlinable
    public static func == (left: DomainPair, right: DomainPair) -> Bool {
        left.local == right.local && left.peer == right.peer
    }

    /// Domains have no other parts, which need not be hashed for each stanza.
    @inlinable
    public func hash(into hasher: inout Hasher) {
        hasher.combine(local.domainpart)
        hasher.combine(peer.domainpart)
    }
}

/// The network address of the other end, as far as limits are counted: an IPv4 address, or the /64 of an IPv6 address.
public struct RemoteAddress: Hashable, Sendable {
    /// The address in words: `192.0.2.7` or `2001:db8:1:2::/64`.
    public var text: String

    /// The address of these words.
    public init(_ text: String) { self.text = text }
}

/// How a peer's domain was proven.
public enum PeerProof: UInt8, Sendable {
    /// A certificate that verifies and names the domain (RFC 6120 §13.7.2), by SASL EXTERNAL.
    case certificate
    /// XEP-0220: the server that DNS names for the domain vouched for the key.
    case dialback
}

/// What the other end of an outgoing stream can do, from its features after authentication.
public struct PeerFeatures: Sendable, Equatable {
    /// `urn:martlet:relay:0`: another Martlet.
    public var relay: Bool
    /// XEP-0198.
    public var streamManagement: Bool
    /// How we were let in.
    public var proof: PeerProof
    /// Whether the peer's certificate verified for its domain.
    public var peerCertificateVerified: Bool
    /// Stanzas of the peer come on this stream too (XEP-0288).
    public var isBidirectional: Bool

    /// These abilities.
    public init(
        relay: Bool, streamManagement: Bool, proof: PeerProof, peerCertificateVerified: Bool, isBidirectional: Bool = false
    ) {
        self.relay = relay
        self.streamManagement = streamManagement
        self.proof = proof
        self.peerCertificateVerified = peerCertificateVerified
        self.isBidirectional = isBidirectional
    }
}

/// The end of a dialback verification (XEP-0220 §2.3).
public enum DialbackVerdict: Sendable, Equatable {
    case valid
    case invalid
    /// The authoritative server could not be asked: a stanza error condition for the peer, words for the operator.
    case error(StanzaError.Condition, words: String)
}

/// How an outgoing stream or a verification failed.
public enum DialFailure: Error, Sendable, Equatable {
    /// Proven: neither service nor address records exist (NXDOMAIN).
    case noSuchDomain
    /// Proven: the domain says that it offers no XMPP service (RFC 2782, target ".").
    case serviceNotOffered
    /// Everything that may pass: resolver, connection, TLS, stream errors, time-outs. Words for the operator.
    case unreachable(String)
    /// The peer answered, and refuses us or fails our policy: words for the operator.
    case refused(String)

    /// For the operator.
    public var words: String {
        switch self {
        case .noSuchDomain: "the domain does not exist in DNS"
        case .serviceNotOffered: "the domain says that it offers no XMPP service"
        case .unreachable(let words), .refused(let words): words
        }
    }
}

/// Facts that a connection's stream reports to the site.
///
/// Whatever is rare and has much to say is indirect: a stanza's event is moved from list to list on its way.
public enum StreamEvent: Sendable {
    // A client's stream, before authentication: at most one outstanding per connection.

    /// A client named itself; answered by ``StreamCommand/credentials(_:)``.
    indirect case credentialsWanted(localpart: String, mechanism: SASLMechanism, address: RemoteAddress)
    /// A client proved itself; answered by ``StreamCommand/admit`` or ``StreamCommand/refuse(_:)``.
    indirect case clientAuthenticated(AuthenticatedClient)
    /// A SASL exchange failed; counted per account and address.
    indirect case authenticationFailed(localpart: String?, address: RemoteAddress)
    /// XEP-0077: before authentication any IQ in `jabber:iq:register`, afterwards one that chooses another password. Nothing that
    /// follows is read before ``StreamCommand/registrationHandled``.
    case registrationRequested(Stanza)

    // Authenticated streams of both kinds.

    /// A complete stanza: well-formed, within limits, and on a server's stream between verified domains.
    case stanza(Stanza)
    /// A stanza that cannot be taken: a malformed address. It counts like any other (stream management counts every stanza
    /// that was received), and is answered with the error unless it has no `from` on a server's stream.
    indirect case stanzaRefused(Stanza, StanzaError)
    /// A top-level element that is not a stanza: stream management, relay.
    indirect case nonza(Element)

    // A stream that another server opened.

    /// The peer asks for `pair` with a dialback key (XEP-0220 §2.1.1); answered by
    /// ``StreamCommand/dialbackVerdict(_:_:)``.
    indirect case dialbackKeyReceived(DomainPair, key: String, streamID: String, address: RemoteAddress)
    /// `pair` may be used on this stream from now on, in the other direction too as far as the peer asked for it. Without
    /// that, `relay` is known from the peer's use of it, not here.
    indirect case peerVerified(DomainPair, PeerProof, Bidirection = .none)

    // A stream that we opened.

    /// The stream is authenticated and ready for stanzas.
    indirect case outboundReady(PeerFeatures)
    /// The stream came to nothing before it was ready; nothing else comes from it.
    indirect case outboundFailed(DialFailure)
    /// The answer to our `<db:verify/>` (XEP-0220 §2.2), or an error if there was none; nothing else comes.
    indirect case dialbackVerified(DialbackVerdict)

    // Ends. After `closed` nothing more comes from this connection.

    /// The peer ended an authenticated stream with an error of this condition (RFC 6120 §4.9.3); the end follows.
    case errorReceived(String)
    /// The peer closes its stream in good order, and its machine has everything up to this ``StreamCommand/mark(_:)``: TCP
    /// says so. `streamEnded` follows.
    case arrived(UInt64)
    /// The peer closed its stream in good order (RFC 6120 §4.4).
    case streamEnded
    /// The connection is gone; words for the operator.
    case closed(String)
    /// More is waiting to be written than the limit allows: the reader is too slow.
    case congested
}

/// What the site tells a connection's stream to do.
public enum StreamCommand: Sendable, Equatable {
    /// Writes these bytes: whole stanzas or nonzas, serialised for the stream's content namespace.
    case send([UInt8])
    /// Names the place behind what was sent before, for ``StreamEvent/arrived(_:)``; the last one counts.
    case mark(UInt64)
    /// Closes in good order after what was sent before; with an error, says it first.
    indirect case close(StreamError?)
    /// Ends the connection without a word and throws away what it has not carried yet, also in the kernel: the line is dead,
    /// and what was written must not arrive when it returns.
    case abort
    /// The answer to `credentialsWanted`.
    indirect case credentials(StoredCredentials)
    /// The answer to `credentialsWanted` where too many attempts failed or too much waits: temporary-auth-failure.
    case refuseCredentials
    /// The answer to `clientAuthenticated`: success is sent now.
    case admit
    /// The answer to `clientAuthenticated`: a SASL failure is sent.
    case refuse(SASLFailure)
    /// The answer to `registrationRequested` was sent before: the stream goes on.
    case registrationHandled
    /// The answer to `dialbackKeyReceived`.
    indirect case dialbackVerdict(DomainPair, DialbackVerdict)
}

/// SASL failure conditions (RFC 6120 §6.5).
public enum SASLFailure: String, Sendable {
    case aborted
    case accountDisabled = "account-disabled"
    case credentialsExpired = "credentials-expired"
    case encryptionRequired = "encryption-required"
    case incorrectEncoding = "incorrect-encoding"
    case invalidAuthzid = "invalid-authzid"
    case invalidMechanism = "invalid-mechanism"
    case malformedRequest = "malformed-request"
    case mechanismTooWeak = "mechanism-too-weak"
    case notAuthorized = "not-authorized"
    case temporaryAuthFailure = "temporary-auth-failure"
}
