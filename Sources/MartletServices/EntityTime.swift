// XEP-0202: Entity Time, version 2.0, complete
import MartletBus
import XMPPStanzas
import XMPPXML

/// Says what time it is. The site lives in UTC.
public enum EntityTime {
    /// For domains.
    public static let declaration = ServiceDeclaration(
        "EntityTime", features: [.init(Namespaces.time, of: ServiceDeclaration.Subject.everyHost)],
        requests: [.init("time", Namespaces.time, [.get], to: .host, at: Host.Kind.allCases)])

    /// XEP-0202 §3.
    public static func answer(_ turn: Turn) -> Answer {
        .result(
            Element(
                "time", Namespaces.time,
                elements: [
                    Element("tzo", Namespaces.time, text: "+00:00"),
                    Element("utc", Namespaces.time, text: turn.wall.description),
                ]))
    }
}
