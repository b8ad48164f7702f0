// XEP-0030: Service Discovery, version 2.5.0, complete for a server and its accounts
// XEP-0128: Service Discovery Extensions, version 1.0.1, complete
import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What an account or a domain is and can do: the sum of what the services declare.
public enum Disco {
    private static let everything: RequestScope = [.ownAccount, .contact, .host]

    /// For everybody and everything.
    public static let declaration = ServiceDeclaration(
        "Disco",
        features: [Namespaces.discoInfo, Namespaces.discoItems].map {
            .init($0, of: [.account] + ServiceDeclaration.Subject.everyHost)
        },
        requests: [Namespaces.discoInfo, Namespaces.discoItems].map {
            .init("query", $0, [.get], to: everything, at: Host.Kind.allCases)
        })

    /// XEP-0030 §3, §4.
    public static func answer(_ request: Request, _ services: ServiceCatalogue, _ turn: Turn) -> Answer {
        let node = request.payload["node"]
        if request.payload.namespace == Namespaces.discoItems { return items(request, node, turn) }
        if let node {
            let info = request.host.flatMap { AdHocCommands.info(node, at: $0, turn) }
            return info.map { .result($0) } ?? .error(StanzaError(.itemNotFound))
        }
        return .result(info(request.host, services, turn))
    }

    private static func info(_ host: Host?, _ services: ServiceCatalogue, _ turn: Turn) -> Element {
        let subject: ServiceDeclaration.Subject = host.map { .host($0.kind) } ?? .account
        let identity = host?.kind.identity ?? (category: "account", type: "registered")
        var element = Element("identity", Namespaces.discoInfo, [("category", identity.category), ("type", identity.type)])
        if host != nil { element["name"] = "Martlet" }
        var info = Element("query", Namespaces.discoInfo, elements: [element])
        for feature in services.features(of: subject, policy: turn.policy) {
            info.append(Element("feature", Namespaces.discoInfo, [("var", feature)]))
        }
        for form in services.forms(of: subject, policy: turn.policy) { info.append(form) }
        return info
    }

    /// Accounts are not listed: who works here is nobody's business. The other hosts of the site stand below each domain of people.
    private static func items(_ request: Request, _ node: String?, _ turn: Turn) -> Answer {
        guard let node else {
            var items = Element("query", Namespaces.discoItems)
            for host in turn.policy.hosts where request.host?.kind == .people && host.kind != .people {
                items.append(Element("item", Namespaces.discoItems, [("jid", host.domain.description)]))
            }
            return .result(items)
        }
        var items = Element("query", Namespaces.discoItems, [("node", node)])
        for item in AdHocCommands.items(node, request, turn) { items.append(item) }
        return .result(items)
    }
}
