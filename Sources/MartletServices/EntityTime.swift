// XEP-0202: Entity Time, version 2.0, complete
import MartletBus
import XMPPStanzas
import XMPPXML

/// Says what time it is. The site lives in UTC.
enum EntityTime {
    static func answer(_ turn: Turn) -> Result<Element?, StanzaError> {
        .success(
            Element(
                "time", Namespaces.time,
                elements: [
                    Element("tzo", Namespaces.time, text: "+00:00"),
                    Element("utc", Namespaces.time, text: turn.wall.description),
                ]))
    }
}
