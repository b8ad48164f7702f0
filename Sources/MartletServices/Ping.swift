// XEP-0199: XMPP Ping, version 2.0.1, complete
import MartletBus
import XMPPStanzas

/// Says that whoever is asked is there.
public enum Ping {
    /// For everybody and everything.
    public static let declaration = ServiceDeclaration(
        "Ping", features: [.init(Namespaces.ping, of: [.account] + ServiceDeclaration.Subject.everyHost)],
        requests: [.init("ping", Namespaces.ping, [.get], to: [.ownAccount, .contact, .host], at: Host.Kind.allCases)])

    /// XEP-0199 §4.
    public static func answer() -> Answer { .result() }
}
