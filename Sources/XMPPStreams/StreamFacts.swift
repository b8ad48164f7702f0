import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// How a client proves itself: a SASL mechanism, its -PLUS variant included.
public enum SASLMechanism: String, Sendable, CaseIterable {
    case scramSHA1 = "SCRAM-SHA-1"
    case scramSHA256 = "SCRAM-SHA-256"
    case scramSHA512 = "SCRAM-SHA-512"
    case plain = "PLAIN"

    /// The digest of the keys that the mechanism needs; PLAIN is checked against the SHA-256 keys.
    public var digest: DigestAlgorithm {
        switch self {
        case .scramSHA1: .sha1
        case .scramSHA256, .plain: .sha256
        case .scramSHA512: .sha512
        }
    }

    /// The name of the variant that binds the exchange to the channel (RFC 5802 §4); nil if there is none.
    public var plusName: String? {
        switch self {
        case .scramSHA1: "SCRAM-SHA-1-PLUS"
        case .scramSHA256: "SCRAM-SHA-256-PLUS"
        case .scramSHA512: "SCRAM-SHA-512-PLUS"
        case .plain: nil
        }
    }
}

/// A SASL mechanism as it is offered: by itself or bound to the channel, each for its own sake.
public struct OfferedMechanism: Sendable, Equatable {
    /// The mechanism.
    public let mechanism: SASLMechanism
    /// The variant that binds the exchange to the channel.
    public let isPlus: Bool
    /// As in `<mechanism/>`.
    public let name: String

    /// The mechanism of that name; nil where this version has none.
    public init?(_ name: String) {
        let all = SASLMechanism.allCases
        guard let mechanism = all.first(where: { $0.rawValue == name || $0.plusName == name }) else { return nil }
        self.mechanism = mechanism
        self.name = name
        isPlus = name != mechanism.rawValue
    }

    /// Everything that works with a password. Binding is better than a better digest.
    public static let all = [
        "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
        "PLAIN",
    ].compactMap(Self.init)
}

/// What the site answers to ``ClientStreamEvent/credentialsWanted(localpart:domain:mechanism:address:)``: the stored SCRAM keys
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
    /// The account lacks keys that others have: whoever shows its password with PLAIN is asked to leave it for them.
    public var wantsPassword = false

    /// Keys of an account, or a decoy.
    public init(
        account: JID, salt: [UInt8], iterations: Int, storedKey: [UInt8], serverKey: [UInt8], generation: UInt64,
        isDecoy: Bool, wantsPassword: Bool = false
    ) {
        self.account = account
        self.salt = salt
        self.iterations = iterations
        self.storedKey = storedKey
        self.serverKey = serverKey
        self.generation = generation
        self.isDecoy = isDecoy
        self.wantsPassword = wantsPassword
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
    /// Where the client is.
    public let address: RemoteAddress
    /// The UTF-8 of the password, prepared with SASLprep, where the keys that fitted are of another form and are to be replaced.
    public let newPassword: [UInt8]?
    /// What it wants together with its login; nil in the profile of RFC 6120.
    public let request: LoginRequest?

    /// Called by the SASL exchange at its successful end, and by simulations.
    public init(
        account: JID, generation: UInt64, isSecure: Bool, address: RemoteAddress, newPassword: [UInt8]? = nil,
        request: LoginRequest? = nil
    ) {
        self.account = account
        self.generation = generation
        self.isSecure = isSecure
        self.address = address
        self.newPassword = newPassword
        self.request = request
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
    /// The most bytes of a stanza that it takes, as far as it has said so (XEP-0478).
    public var announcedBytes: Int?

    /// These abilities.
    public init(
        relay: Bool, streamManagement: Bool, proof: PeerProof, peerCertificateVerified: Bool, isBidirectional: Bool = false,
        announcedBytes: Int? = nil
    ) {
        self.relay = relay
        self.streamManagement = streamManagement
        self.proof = proof
        self.peerCertificateVerified = peerCertificateVerified
        self.isBidirectional = isBidirectional
        self.announcedBytes = announcedBytes
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

extension DialFailure: CustomStringConvertible {
    /// One line for a person.
    public var description: String { words }
}
