// XEP-0334: Message Processing Hints, version 1.0.0, complete
import XMPPAddress
import XMPPXML

/// RFC 6121 §5.2.2. An unknown value counts as `normal`.
public enum MessageType: String, Sendable {
    case normal, chat, groupchat, headline, error
}

/// RFC 6121 §4.7.1. Absence of a type is availability.
public enum PresenceType: String, Sendable {
    case available = ""
    case unavailable, subscribe, subscribed, unsubscribe, unsubscribed, probe, error

    /// Whether it manages a subscription: such presence is durable, availability is not.
    public var managesSubscription: Bool {
        switch self {
        case .subscribe, .subscribed, .unsubscribe, .unsubscribed: true
        case .available, .unavailable, .probe, .error: false
        }
    }
}

/// RFC 6120 §8.2.3.
public enum IQType: String, Sendable {
    case get, set, result, error

    /// Whether it wants an answer.
    public var isRequest: Bool { self == .get || self == .set }
}

extension Stanza {
    /// The type of a message.
    public var messageType: MessageType {
        guard let type else { return .normal }
        // Nearly every message is one; the others are looked for one after the other.
        return type == "chat" ? .chat : MessageType(rawValue: type) ?? .normal
    }

    /// The type of a presence stanza; nil for a value that RFC 6121 does not know.
    public var presenceType: PresenceType? {
        guard let type else { return .available }
        return type.isEmpty ? nil : PresenceType(rawValue: type)
    }

    /// The type of an IQ; nil where it is missing or unknown, which is a `bad-request`.
    public var iqType: IQType? { type.flatMap(IQType.init(rawValue:)) }

    /// Whether the stanza reports an error: such a stanza is never answered (RFC 6120 §8.3.1).
    public var isError: Bool { type == "error" }

    /// Whether a site takes the message over for good: it has something to say (not only a chat state), and its sender did not
    /// forbid to store it (XEP-0334).
    public var isDurableMessage: Bool { kind == .message && traits.contains(.substance) && !forbids(.noStore) }

    /// Whether the message has that hint. XEP-0334 §5: those in an error are of the message that did not arrive.
    public func forbids(_ hint: Traits) -> Bool { traits.contains(hint) && !isError }

    /// Whether it is a message as people understand it: somebody has written something.
    public var isSpoken: Bool { kind == .message && traits.contains(.body) && !isError }

    /// The answer to an IQ request.
    public func result(_ payload: Element? = nil) -> Stanza {
        Stanza(.iq, from: to, to: from, id: id, type: "result", payloads: payload.map { [$0] } ?? [])
    }

    /// The error for this stanza's sender (RFC 6120 §8.3), or nil where RFC 6120 forbids to answer: to an error, to the
    /// result of an IQ.
    public func errorReply(_ error: StanzaError, by: JID? = nil) -> Stanza? {
        if isError || (kind == .iq && type == "result") { return nil }
        return Stanza(
            kind, from: to, to: from, id: id, type: "error", payloads: [error.element(by: by?.description)])
    }
}
