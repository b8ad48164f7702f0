import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What the site says about itself and about its accounts (XEP-0030): the one list of features, next to the contract that
/// every service obeys.
public enum DiscoFeatures {
    /// What is asked about.
    public enum Subject: Sendable {
        case server
        case account
    }

    /// The features of a subject, sorted.
    public static func features(of subject: Subject, policy: SitePolicy) -> [String] {
        let both = [Namespaces.discoInfo, Namespaces.discoItems, Namespaces.ping]
        switch subject {
        case .account: return both
        case .server:
            var features = both + [Namespaces.version, Namespaces.time, Namespaces.offline]
            if policy.federates { features.append(Namespaces.commands) }
            if policy.allowsRegistration { features.append(Namespaces.register) }
            return features.sorted()
        }
    }

    /// The answer to a disco#info request; nil for a node that does not exist.
    public static func info(_ query: Element, of subject: Subject, policy: SitePolicy) -> Element? {
        guard query["node"] == nil else { return nil }
        var info = Element("query", Namespaces.discoInfo)
        switch subject {
        case .server:
            info.append(
                Element("identity", Namespaces.discoInfo, [("category", "server"), ("type", "im"), ("name", "Martlet")]))
        case .account:
            info.append(Element("identity", Namespaces.discoInfo, [("category", "account"), ("type", "registered")]))
        }
        for feature in features(of: subject, policy: policy) {
            info.append(Element("feature", Namespaces.discoInfo, [("var", feature)]))
        }
        if subject == .server, let contact = policy.adminContact { info.append(ContactAddresses.form(contact)) }
        return info
    }
}
