// XEP-0050: Ad-Hoc Commands, version 1.3.0, for one command on the server: my waiting messages
import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The commands of a people's domain: found by service discovery, carried out by whoever has the node.
public enum AdHocCommands {
    /// For people's domains.
    public static let declaration = ServiceDeclaration(
        "AdHocCommands", features: [.init(Namespaces.commands, of: [.host(.people)], when: \.federation.isEnabled)],
        requests: [.init("command", Namespaces.commands, [.set], to: .host)])

    /// A request of somebody.
    public static func answer(_ request: Request, _ turn: Turn) -> Answer {
        guard request.payload["node"] == QueueCommand.node, turn.policy.federation.isEnabled else {
            return .error(StanzaError(.itemNotFound))
        }
        return QueueCommand.answer(request, turn)
    }

    /// XEP-0050 §2.2, §2.3: what service discovery says of the list of commands, and of each command.
    static func info(_ node: String, at host: Host, _ turn: Turn) -> Element? {
        guard turn.policy.federation.isEnabled, host.kind == .people else { return nil }
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

    /// XEP-0050 §2.2: the list. Commands are for our own people.
    static func items(_ node: String, _ request: Request, _ turn: Turn) -> [Element] {
        guard node == Namespaces.commands, request.session != nil, turn.policy.federation.isEnabled, let host = request.host,
            host.kind == .people
        else { return [] }
        let command = [("jid", host.domain.description), ("node", QueueCommand.node), ("name", QueueCommand.name)]
        return [Element("item", Namespaces.discoItems, command)]
    }
}
