// XEP-0288: Bidirectional Server-to-Server Connections, version 1.0.1, complete but for more pairs on a stream that we opened

import XMPPStanzas
import XMPPXML

/// What may go back to a server on the stream that it opened, which is the only way to one that cannot be dialled.
public enum Bidirection: UInt8, Sendable {
    /// Nothing but answers (XEP-0220 §2.3).
    case none
    /// Stanzas.
    case stanzas
    /// Stanzas, and the opener speaks the relay protocol (`Docs/relay-protocol.md` §1.9).
    case relay

    /// What the opener's `<bidi/>` (XEP-0288 §2.2) asks for; nil where the element is another one.
    init?(_ tape: ElementTape) {
        guard tape.is("bidi", Namespaces.bidi) else { return nil }
        self = tape.element().first("relay", Namespaces.relay) == nil ? .stanzas : .relay
    }

    /// The element that asks for it, and says what we take on the stream (XEP-0478 §3.2).
    func request(_ limits: XMLLimits) -> String {
        switch self {
        case .none: ""
        case .stanzas: "<bidi xmlns='\(Namespaces.bidi)'>\(StreamLimits.announcement(of: limits))</bidi>"
        case .relay:
            "<bidi xmlns='\(Namespaces.bidi)'><relay xmlns='\(Namespaces.relay)'/>\(StreamLimits.announcement(of: limits))</bidi>"
        }
    }
}
