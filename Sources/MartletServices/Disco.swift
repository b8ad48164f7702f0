// XEP-0030: Service Discovery, version 2.5.0, complete for a server and its accounts
import MartletBus
import XMPPStanzas
import XMPPXML

/// What a domain is and can do.
enum Disco {
    /// XEP-0030 §3.
    static func info(_ query: Element, _ turn: Turn) -> Result<Element?, StanzaError> {
        guard let info = DiscoFeatures.info(query, of: .server, policy: turn.policy) else {
            return .failure(StanzaError(.itemNotFound))
        }
        return .success(info)
    }

    /// XEP-0030 §4. Accounts are not listed: who works here is nobody's business.
    static func items(_ query: Element, _ turn: Turn) -> Result<Element?, StanzaError> {
        if let node = query["node"] {
            return .success(Element("query", Namespaces.discoItems, [("node", node)]))
        }
        return .success(Element("query", Namespaces.discoItems))
    }
}
