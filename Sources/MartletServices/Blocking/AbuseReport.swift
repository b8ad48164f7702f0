// XEP-0377: Blocking Command Reports, version 0.4.1, reports go to the log of the server; nothing is passed on to others
import MartletBus
import XMPPStanzas
import XMPPXML

/// Why somebody was blocked (XEP-0377), for whoever runs the server.
public struct AbuseReport: Sendable, Equatable {
    /// `spam`, `abuse`, or `other`.
    public var reason: String
    /// The first words of what was written with it.
    public var text: String

    /// Words that are noted: a sentence or two, since anybody can write them as often as he likes.
    private static let characters = 200

    /// The feature of people's domains.
    public static let declaration = ServiceDeclaration(
        "AbuseReport", features: [.init(Namespaces.reporting, of: [.host(.people)])])

    /// The report in an item of the blocking command; nil where there is none, or one without a reason (§3): then the address is blocked
    /// all the same.
    public init?(_ item: Element) {
        guard let report = item.first("report", Namespaces.reporting), let reason = report["reason"] else { return nil }
        let known = ["urn:xmpp:reporting:spam": "spam", "urn:xmpp:reporting:abuse": "abuse"]
        self.reason = known[reason] ?? "other"
        let words = report.first("text", Namespaces.reporting)?.text ?? ""
        text = String(words.prefix(Self.characters)).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
