import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What a client says of itself with its login (XEP-0388 §2.3). The account's owner sees it, and nobody else.
public struct UserAgent: Sendable, Equatable {
    /// A UUID in lower case, the same for an installation of a client; nil where it has none, or something else.
    public let id: String?
    /// What the client is called.
    public let software: String
    /// What the machine is called.
    public let device: String

    /// The longest of these names that is kept, bytes: a line on a screen.
    static let nameBytes = 128

    /// A client of these names.
    public init(id: String? = nil, software: String = "", device: String = "") {
        self.id = id.map { $0.lowercased() }.flatMap { Self.isUUID($0) ? $0 : nil }
        self.software = Self.shortened(software)
        self.device = Self.shortened(device)
    }

    /// Reads `<user-agent/>`.
    init(_ element: Element?) {
        self.init(
            id: element?["id"], software: element?.first("software", Namespaces.extensibleSASL)?.text ?? "",
            device: element?.first("device", Namespaces.extensibleSASL)?.text ?? "")
    }

    private static func isUUID(_ text: String) -> Bool {
        let groups = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return groups.map(\.count) == [8, 4, 4, 4, 12]
            && groups.allSatisfy { $0.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) } }
    }

    private static func shortened(_ name: String) -> String {
        var short = name
        while short.utf8.count > nameBytes { short = String(short.prefix(min(nameBytes, short.count - 1))) }
        return short
    }
}

/// What a client wants together with its login (XEP-0388 §2.3), so that nothing comes between.
public struct LoginRequest: Sendable, Equatable {
    /// Which client it is.
    public var agent = UserAgent()
    /// XEP-0198: `<resume/>`. Comes before ``binding``, which counts where it fails.
    public var resumption: Element?
    /// XEP-0386.
    public var binding: BindingRequest?
    /// XEP-0078: the resource to be bound, exactly that.
    public var resource: String?
    /// XEP-0484: a token is wanted, for that mechanism.
    public var tokenMechanism: TokenMechanism?

    /// Nothing but to be let in.
    public init() {}
}

/// A resource to be bound (XEP-0386 §3.2).
public struct BindingRequest: Sendable, Equatable {
    /// What the resource begins with; empty where the client does not mind.
    public var tag: String
    /// What is to be on for the session from its beginning, one element each.
    public var features: [Element]

    /// The longest tag that is used, in characters: the name of a client.
    static let tagLength = 64
    /// So many features are looked at: there are four to be had.
    static let featureLimit = 16

    /// That request.
    public init(tag: String = "", features: [Element] = []) {
        self.tag = String(tag.prefix(Self.tagLength))
        self.features = Array(features.prefix(Self.featureLimit))
    }

    /// Reads `<bind/>`.
    init(_ element: Element) {
        self.init(
            tag: element.first("tag", Namespaces.bind2)?.text ?? "",
            features: element.elements.filter { $0.namespace != Namespaces.bind2 })
    }
}

/// How a client shows a token (XEP-0484, draft-schmaus-kitten-sasl-ht): an HMAC with it over the binding of the channel.
public enum TokenMechanism: String, Sendable, CaseIterable {
    case exporter = "HT-SHA-256-EXPR"
    case endPoint = "HT-SHA-256-ENDP"
    case unbound = "HT-SHA-256-NONE"

    /// What the exchange is bound to, by its name (XEP-0440).
    private var bindingName: String? {
        switch self {
        case .exporter: "tls-exporter"
        case .endPoint: "tls-server-end-point"
        case .unbound: nil
        }
    }

    /// What the exchange is bound to on this connection; nil where it cannot be.
    func data(_ bindings: ChannelBindings) -> [UInt8]? {
        guard let bindingName else { return [] }
        return bindings.data(bindingName)
    }

    /// Those that work on a connection with that TLS, best first.
    static func all(_ tls: TLSFacts) -> [TokenMechanism] {
        let names = ChannelBindings(tls).names
        return allCases.filter { mechanism in mechanism.bindingName.map { names.contains($0) } ?? true }
    }
}

/// A token as a client has shown it, to be judged by the site, which alone knows the tokens.
public struct TokenProof: Sendable, Equatable {
    /// Who wants in, prepared.
    public var localpart: String
    /// In which of our domains.
    public var domain: JID
    /// By which mechanism.
    public var mechanism: TokenMechanism
    /// What the channel's binding is made of.
    public var binding: [UInt8]
    /// What was shown.
    public var code: [UInt8]
    /// How often the client has used the token, as it says: has to grow.
    public var count: UInt32?
    /// The token is not to be good for anything from now on.
    public var invalidates = false
    /// Where the client is.
    public var address: RemoteAddress
    /// What the client wants together with its login.
    public var request: LoginRequest

    /// That proof.
    public init(
        localpart: String, domain: JID, mechanism: TokenMechanism, binding: [UInt8], code: [UInt8], address: RemoteAddress,
        request: LoginRequest
    ) {
        self.localpart = localpart
        self.domain = domain
        self.mechanism = mechanism
        self.binding = binding
        self.code = code
        self.address = address
        self.request = request
    }

    /// What the client shows with a token, of which `key` is the digest.
    public static func code(of key: [UInt8], over binding: [UInt8]) -> [UInt8] {
        HMAC.authenticate(.sha256, key: key, Array("Initiator".utf8) + binding)
    }

    /// What it is answered with, so that it knows us too.
    public static func answer(of key: [UInt8], over binding: [UInt8]) -> [UInt8] {
        HMAC.authenticate(.sha256, key: key, Array("Responder".utf8) + binding)
    }
}

/// What a client is told when it is let in by XEP-0388.
public struct Welcome: Sendable, Equatable {
    /// Who it is now: an account, or a bound resource.
    public var identity: JID
    /// What came of what it wanted.
    public var elements: [Element]
    /// What the mechanism says at its end, where the site has to say it.
    public var additionalData: [UInt8]?

    /// That answer.
    public init(_ identity: JID, _ elements: [Element] = [], additionalData: [UInt8]? = nil) {
        self.identity = identity
        self.elements = elements
        self.additionalData = additionalData
    }
}
