import XMPPAddress
import XMPPXML

/// A message, presence or IQ stanza (RFC 6120 §8): the attributes that routing needs as values, everything inside as
/// the bytes in which it arrived.
///
/// The content is never rebuilt on its way: it is checked once at the border, then stored, queued and sent as it is
/// under a start tag written anew. Its default namespace is the stream's content namespace, so the same bytes are right
/// between client and server and between servers; inside the server that namespace reads as `jabber:client`.
public struct Stanza: Hashable, Sendable {
    /// The three kinds (RFC 6120 §8.2).
    public enum Kind: UInt8, Sendable {
        case message, presence, iq

        /// The element's name.
        public var name: String {
            switch self {
            case .message: "message"
            case .presence: "presence"
            case .iq: "iq"
            }
        }
    }

    /// Which kind of stanza.
    @inlinable public var kind: Kind {
        get { box[0].kind }
        _modify { yield &box[0].kind }
    }
    /// The sender; stamped by the server before a client's stanza is routed.
    @inlinable public var from: JID? {
        _read { yield box[0].from }
        _modify { yield &box[0].from }
    }
    /// The addressee; absent means the sender's own account (client) and is not allowed between servers.
    @inlinable public var to: JID? {
        _read { yield box[0].to }
        _modify { yield &box[0].to }
    }
    /// The sender's identifier.
    @inlinable public var id: String? {
        _read { yield box[0].id }
        _modify { yield &box[0].id }
    }
    /// The `type` attribute as sent; see ``messageType``, ``presenceType``, ``iqType``.
    @inlinable public var type: String? {
        _read { yield box[0].type }
        _modify { yield &box[0].type }
    }
    /// The `xml:lang` attribute.
    @inlinable public var lang: String? {
        _read { yield box[0].lang }
        _modify { yield &box[0].lang }
    }
    /// The serialised children, between start tag and end tag, never with the relay's mark.
    @inlinable public var content: [UInt8] {
        _read { yield box[0].content }
        _modify { yield &box[0].content }
    }
    /// What kinds of children a message has, found once while parsing.
    @inlinable public var traits: Traits {
        get { box[0].traits }
        _modify { yield &box[0].traits }
    }
    /// The stanza's place in its lane, taken off when it came from a peer.
    @inlinable public var relayMark: RelayMark? {
        get { box[0].relayMark }
        _modify { yield &box[0].relayMark }
    }

    /// What the properties above are.
    @usableFromInline
    struct Fields: Hashable, Sendable {
        @usableFromInline var kind: Kind
        @usableFromInline var traits: Traits
        @usableFromInline var from: JID?
        @usableFromInline var to: JID?
        @usableFromInline var id: String?
        @usableFromInline var type: String?
        @usableFromInline var lang: String?
        @usableFromInline var content: [UInt8] = []
        @usableFromInline var relayMark: RelayMark?
    }

    /// Always exactly one element: an array is a box that is copied when it is changed and shared. A stanza passes through a
    /// dozen hands, and a copy of its fields costs twenty retains, one of the box a single one.
    @usableFromInline var box: [Fields]

    /// Kinds of children that decide how a message is handled. The bits stand in the store: one once given out keeps its meaning.
    public struct Traits: OptionSet, Hashable, Sendable {
        /// One bit for each kind of child.
        public let rawValue: UInt32
        /// The set of these bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// A `<body/>` of the content namespace.
        public static let body = Traits(rawValue: 1)
        /// An XEP-0085 chat state.
        public static let chatState = Traits(rawValue: 2)
        /// An XEP-0334 `<no-store/>` hint.
        public static let noStore = Traits(rawValue: 4)
        /// An XEP-0203 `<delay/>`.
        public static let delay = Traits(rawValue: 8)
        /// A child that is neither a chat state nor a `<thread/>`.
        public static let substance = Traits(rawValue: 16)
        /// An XEP-0359 `<origin-id/>`.
        public static let originID = Traits(rawValue: 32)
        /// Something that may say until when the message is worth delivering; see ``MessageExpiry``.
        public static let expiry = Traits(rawValue: 64)
        /// An XEP-0045 `<x/>`: presence with it asks to enter a room.
        public static let roomEntry = Traits(rawValue: 128)
        /// An XEP-0334 `<no-permanent-store/>` hint: it may wait for its addressee and is in no archive.
        public static let noPermanentStore = Traits(rawValue: 256)
        /// An XEP-0334 `<store/>` hint.
        public static let store = Traits(rawValue: 512)
        /// An XEP-0359 `<stanza-id/>`.
        public static let stableID = Traits(rawValue: 1024)
        /// An XEP-0334 `<no-copy/>` hint, or an XEP-0280 `<private/>`: nobody but its addressee gets it.
        public static let noCopy = Traits(rawValue: 2048)
        /// An XEP-0280 `<received/>` or `<sent/>`: it says that it is a copy of another message.
        public static let claimedCopy = Traits(rawValue: 4096)
        /// An XEP-0012 query: when somebody was there.
        public static let lastActivity = Traits(rawValue: 8192)
        /// An XEP-0115 or XEP-0390 `<c/>`: presence that says what its sender can.
        public static let capabilities = Traits(rawValue: 1 << 16)
        /// An XEP-0060 `<event/>`: news of a node.
        public static let news = Traits(rawValue: 1 << 17)
    }

    /// A stanza of our own making.
    public init(
        _ kind: Kind, from: JID? = nil, to: JID? = nil, id: String? = nil, type: String? = nil, lang: String? = nil,
        payloads: [Element] = []
    ) {
        box = [Fields(kind: kind, traits: [], from: from, to: to, id: id, type: type, lang: lang)]
        for payload in payloads { append(payload) }
    }

    /// Appends a child element.
    public mutating func append(_ payload: Element) {
        payload.write(to: &content, within: Namespaces.client)
        traits.formUnion(Traits(of: payload.name, payload.namespace))
    }

    /// The children as trees. They were checked when the stanza was made, so reading them again cannot fail.
    public var payloads: [Element] {
        content.isEmpty ? [] : ContentReader.elements(in: content)
    }

    /// The first child of that name and namespace.
    public func payload(_ name: String, _ namespace: String) -> Element? {
        payloads.first { $0.is(name, namespace) }
    }
}

extension Stanza.Traits {
    /// What a child of this name says about a message.
    public init(of name: String, _ namespace: String) {
        switch (name, namespace) {
        case ("body", Namespaces.client): self = [.body, .substance]
        case ("thread", Namespaces.client): self = []
        case (_, Namespaces.chatStates): self = .chatState
        case ("no-store", Namespaces.hints): self = .noStore
        // XEP-0334 §4.4: worth storing although it might not look like it.
        case ("store", Namespaces.hints): self = [.store, .substance]
        // §4.1: it forbids archives, not waiting for the addressee.
        case ("no-permanent-store", Namespaces.hints): self = .noPermanentStore
        case ("no-copy", Namespaces.hints), ("private", Namespaces.carbons): self = .noCopy
        case ("received", Namespaces.carbons), ("sent", Namespaces.carbons): self = [.claimedCopy, .substance]
        case (_, Namespaces.hints): self = []
        case ("amp", Namespaces.advancedMessageProcessing), ("headers", Namespaces.stanzaHeaders): self = .expiry
        case ("c", Namespaces.capabilities), ("c", Namespaces.capabilityHashes): self = [.capabilities, .substance]
        case ("delay", Namespaces.delay): self = .delay
        case ("x", Namespaces.rooms): self = [.roomEntry, .substance]
        case ("origin-id", Namespaces.stanzaID): self = .originID
        case ("stanza-id", Namespaces.stanzaID): self = .stableID
        case ("query", Namespaces.lastActivity): self = [.lastActivity, .substance]
        case ("event", Namespaces.pubsubEvent): self = [.news, .substance]
        default: self = .substance
        }
    }
}
