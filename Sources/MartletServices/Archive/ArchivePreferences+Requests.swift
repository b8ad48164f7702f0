// XEP-0441: Message Archive Management Preferences, version 0.2.0, complete
import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What people want to be kept in their archives.
extension Archive {
    /// For the own account.
    public static let preferences = ServiceDeclaration(
        "ArchivePreferences", requests: [.init("prefs", Namespaces.archive, [.get, .set], to: everybody)])

    /// XEP-0441 §2.1.
    public mutating func answerPreferences(_ request: Request, _ turn: Turn) -> Answer {
        guard turn.policy.archive.isEnabled else { return .error(StanzaError(.serviceUnavailable)) }
        guard request.scope == .ownAccount, let account = request.account?.number else {
            return .error(StanzaError(.forbidden))
        }
        if request.type == .set {
            guard let rule = request.payload["default"].flatMap(ArchivePreferences.Rule.init(name:)) else {
                return .error(StanzaError(.badRequest, text: "The default is one of always, never and roster"))
            }
            var wanted = ArchivePreferences(rule: rule)
            guard let always = Self.list("always", in: request.payload), let never = Self.list("never", in: request.payload)
            else {
                return .error(StanzaError(.jidMalformed))
            }
            (wanted.always, wanted.never) = (always, never)
            guard always.count + never.count <= turn.policy.archive.preferenceAddresses,
                (always + never).reduce(0, { $0 + $1.description.utf8.count }) <= ArchiveLimits.preferenceBytes
            else {
                return .error(
                    StanzaError(
                        .policyViolation,
                        text: "At most \(turn.policy.archive.preferenceAddresses) addresses can be listed, of usual length"))
            }
            if !turn.admits(.state) { return .error(.diskNearlyFull) }
            preferences[account] = wanted
            ArchivePreferencesTable.put(account, wanted, in: turn.store)
        }
        let inForce = preferences[account] ?? ArchivePreferences(rule: turn.policy.archive.rule)
        return .result(
            Element(
                "prefs", Namespaces.archive, [("default", inForce.rule.name)],
                elements: [Self.list("always", inForce.always), Self.list("never", inForce.never)]))
    }

    /// The addresses of a list, each once; nil where one is none.
    private static func list(_ name: String, in element: Element) -> [JID]? {
        var addresses: [JID] = []
        var known: Set<JID> = []
        for child in element.all(name, Namespaces.archive).flatMap({ $0.all("jid", Namespaces.archive) }) {
            guard let jid = try? JID(child.text) else { return nil }
            if known.insert(jid).inserted { addresses.append(jid) }
        }
        return addresses
    }

    private static func list(_ name: String, _ addresses: [JID]) -> Element {
        Element(
            name, Namespaces.archive,
            elements: addresses.map { Element("jid", Namespaces.archive, text: $0.description) })
    }
}
