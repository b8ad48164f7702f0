// XEP-0092: Software Version, version 1.1, complete
import MartletBus
import XMPPStanzas
import XMPPXML

/// Says what runs here. The operating system is nobody's business (XEP-0092 §5).
enum SoftwareVersion {
    static func answer(_ turn: Turn) -> Result<Element?, StanzaError> {
        .success(
            Element(
                "query", Namespaces.version,
                elements: [
                    Element("name", Namespaces.version, text: "Martlet"),
                    Element("version", Namespaces.version, text: turn.policy.softwareVersion),
                ]))
    }
}
