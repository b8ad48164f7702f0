// XEP-0030: Service Discovery, version 2.5.0, complete for a server and its accounts
import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What a domain is and can do.
enum Disco {
    /// XEP-0030 §3.
    static func info(_ query: Element, _ turn: Turn) -> Result<Element?, StanzaError> {
        if turn.policy.federates, let node = query["node"], let info = commandInfo(node) { return .success(info) }
        guard let info = DiscoFeatures.info(query, of: .server, policy: turn.policy) else {
            return .failure(StanzaError(.itemNotFound))
        }
        return .success(info)
    }

    /// XEP-0050 §2.2, §2.3: the list of commands, and the one command.
    private static func commandInfo(_ node: String) -> Element? {
        let (type, name): (String, String)
        switch node {
        case Namespaces.commands: (type, name) = ("command-list", "Commands")
        case QueueCommand.node: (type, name) = ("command-node", QueueCommand.name)
        default: return nil
        }
        let identity = [("category", "automation"), ("type", type), ("name", name)]
        var info = Element("query", Namespaces.discoInfo, [("node", node)])
        info.append(Element("identity", Namespaces.discoInfo, identity))
        for feature in [Namespaces.commands, Namespaces.dataForms] where node == QueueCommand.node {
            info.append(Element("feature", Namespaces.discoInfo, [("var", feature)]))
        }
        return info
    }

    /// XEP-0030 §4. Accounts are not listed: who works here is nobody's business. Commands are for our own people.
    static func items(_ query: Element, of to: JID?, isOwn: Bool, _ turn: Turn) -> Result<Element?, StanzaError> {
        if let node = query["node"] {
            var items = Element("query", Namespaces.discoItems, [("node", node)])
            if node == Namespaces.commands, isOwn, turn.policy.federates, let to {
                let command = [("jid", to.description), ("node", QueueCommand.node), ("name", QueueCommand.name)]
                items.append(Element("item", Namespaces.discoItems, command))
            }
            return .success(items)
        }
        return .success(Element("query", Namespaces.discoItems))
    }
}
