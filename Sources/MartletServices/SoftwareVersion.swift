// XEP-0092: Software Version, version 1.1, complete
import MartletBus
import XMPPStanzas
import XMPPXML

/// Says what runs here. The operating system is nobody's business (XEP-0092 §5).
public enum SoftwareVersion {
    /// For domains.
    public static let declaration = ServiceDeclaration(
        "SoftwareVersion", features: [.init(Namespaces.version, of: ServiceDeclaration.Subject.everyHost)],
        requests: [.init("query", Namespaces.version, [.get], to: .host, at: Host.Kind.allCases)])

    /// XEP-0092 §3.
    public static func answer(_ turn: Turn) -> Answer {
        .result(
            Element(
                "query", Namespaces.version,
                elements: [
                    Element("name", Namespaces.version, text: "Martlet"),
                    Element("version", Namespaces.version, text: turn.policy.softwareVersion),
                ]))
    }
}
