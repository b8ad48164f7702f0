// XEP-0079: Advanced Message Processing, version 1.2, the condition expire-at
// XEP-0131: Stanza Headers and Internet Metadata, version 1.2, TTL and Created
import MartletPrimitives
import XMPPXML

/// Until when a message is worth delivering, where its sender says so.
///
/// Advanced Message Processing says it for servers. The TTL header is informational by its specification, but a message
/// that waits for days is where it matters: what is worthless by then is returned instead of delivered
/// (`Docs/decisions/0002-ttl-ends-waiting.md`).
public struct MessageExpiry: Hashable, Sendable {
    /// From this moment on the message is not delivered.
    public var at: WallTime
    /// Its sender does not want to hear of it (action `drop`).
    public var isSilent: Bool

    /// What a message taken over at `acceptedAt` says; nil if it says nothing that can be understood.
    public init?(of stanza: Stanza, acceptedAt: WallTime) {
        guard stanza.kind == .message, stanza.traits.contains(.expiry) else { return nil }
        let payloads = stanza.payloads
        let found = payloads.compactMap { payload in
            if payload.is("amp", Namespaces.advancedMessageProcessing) { return Self.rule(payload) }
            if payload.is("headers", Namespaces.stanzaHeaders) { return Self.timeToLive(payload, acceptedAt: acceptedAt) }
            return nil
        }
        guard let first = found.min(by: { $0.at < $1.at }) else { return nil }
        self = first
    }

    private init(at: WallTime, isSilent: Bool) {
        self.at = at
        self.isSilent = isSilent
    }

    /// XEP-0079 §3.3.2: the value of expire-at is a DateTime in UTC. `notify` wants the message delivered.
    private static func rule(_ amp: Element) -> MessageExpiry? {
        for rule in amp.elements where rule.name == "rule" && rule["condition"] == "expire-at" && rule["action"] != "notify" {
            if let at = rule["value"].flatMap({ WallTime($0) }) {
                return MessageExpiry(at: at, isSilent: rule["action"] == "drop")
            }
        }
        return nil
    }

    /// XEP-0131 §3.2.6: seconds since the creation of the stanza, which is when we got it unless it says otherwise.
    private static func timeToLive(_ headers: Element, acceptedAt: WallTime) -> MessageExpiry? {
        func value(_ name: String) -> String? {
            headers.elements.first { $0.name == "header" && $0["name"] == name }?.text
        }
        guard let seconds = value("TTL").flatMap({ Int64($0) }), (0...Self.longestTimeToLive).contains(seconds) else {
            return nil
        }
        let created = value("Created").flatMap { WallTime($0) } ?? acceptedAt
        return MessageExpiry(at: WallTime(milliseconds: created.milliseconds + seconds * 1000), isSilent: false)
    }

    /// A hundred years in seconds: more is a mistake, and must not overflow.
    private static let longestTimeToLive: Int64 = 3_155_760_000
}
