// XEP-0198: Stream Management, version 1.6.3, the elements that both ends write
import XMPPXML

/// The nonzas of stream management that are the same whoever writes them, a client's server or another server's.
public enum StreamManagement {
    /// `<enable/>` (§3): from here on we count what we receive.
    public static let enable = Array("<enable xmlns='\(Namespaces.streamManagement)'/>".utf8)
    /// `<enabled/>` (§3), without resumption.
    public static let enabled = Array("<enabled xmlns='\(Namespaces.streamManagement)'/>".utf8)
    /// `<r/>` (§4): the other end says how many stanzas it has handled.
    public static let request = Array("<r xmlns='\(Namespaces.streamManagement)'/>".utf8)

    /// `<a/>` (§4): `h` stanzas were handled, modulo 2³².
    public static func acknowledgement(_ h: UInt32) -> [UInt8] {
        Array("<a xmlns='\(Namespaces.streamManagement)' h='\(h)'/>".utf8)
    }

    /// `<failed/>` (§3, §5): neither enabled nor resumed. `handled` stanzas of the session that was asked for were.
    public static func failed(_ condition: StanzaError.Condition, handled: UInt32? = nil) -> [UInt8] {
        failure(condition, handled: handled).serialized(within: Namespaces.client)
    }

    /// The same, to be part of another element.
    public static func failure(_ condition: StanzaError.Condition, handled: UInt32? = nil) -> Element {
        var failed = Element("failed", Namespaces.streamManagement)
        if let handled { failed["h"] = String(handled) }
        failed.append(Element(condition.rawValue, Namespaces.stanzaErrors))
        return failed
    }
}
