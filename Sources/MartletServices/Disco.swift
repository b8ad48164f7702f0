// XEP-0030: Service Discovery, version 2.5.0, complete for a server and its accounts
// XEP-0128: Service Discovery Extensions, version 1.0.1, complete
import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What an account or a domain is and can do: the sum of what the services declare.
public enum Disco {
    private static let everything: RequestScope = [.ownAccount, .contact, .stranger, .host, .room]

    /// For everybody and everything.
    public static let declaration = ServiceDeclaration(
        "Disco",
        features: [Namespaces.discoInfo, Namespaces.discoItems].map {
            .init($0, of: [.account] + ServiceDeclaration.Subject.everyHost)
        },
        requests: [Namespaces.discoInfo, Namespaces.discoItems].map {
            .init("query", $0, [.get], to: everything, at: Host.Kind.allCases)
        })

    /// XEP-0030 §3, §4. What was asked is shown in every answer: its node has to be mirrored.
    public static func answer(_ request: Request, _ services: ServiceCatalogue, _ turn: Turn) -> Answer {
        let namespace = request.payload.namespace
        let node = request.payload["node"].flatMap { $0.isEmpty ? nil : $0 }
        var asked = Element("query", namespace)
        if let node { asked["node"] = node }
        if request.scope == .stranger {
            // §8: the same whether there is such an account or not.
            return namespace == Namespaces.discoItems ? .result(asked) : .refusal(of: asked, StanzaError(.serviceUnavailable))
        }
        guard let node else {
            return .result(namespace == Namespaces.discoItems ? items(request, turn) : info(request.host, services, turn))
        }
        guard let info = AdHocCommands.info(node, request, turn) else {
            return .refusal(of: asked, StanzaError(.itemNotFound))
        }
        if namespace == Namespaces.discoInfo { return .result(info) }
        for item in AdHocCommands.items(node, request, turn) { asked.append(item) }
        return .result(asked)
    }

    private static func info(_ host: Host?, _ services: ServiceCatalogue, _ turn: Turn) -> Element {
        let subject: ServiceDeclaration.Subject = host.map { .host($0.kind) } ?? .account
        let identity = host?.kind.identity ?? (category: "account", type: "registered")
        var element = Element("identity", Namespaces.discoInfo, [("category", identity.category), ("type", identity.type)])
        if host != nil { element["name"] = "Martlet" }
        var info = Element("query", Namespaces.discoInfo, elements: [element])
        for other in services.identities(of: subject, policy: turn.policy) {
            info.append(Element("identity", Namespaces.discoInfo, [("category", other.category), ("type", other.type)]))
        }
        for feature in services.features(of: subject, policy: turn.policy) {
            info.append(Element("feature", Namespaces.discoInfo, [("var", feature)]))
        }
        for form in services.forms(of: subject, policy: turn.policy) { info.append(form) }
        return info
    }

    /// Accounts are not listed: who works here is nobody's business. The other hosts of the site stand below each domain of people.
    private static func items(_ request: Request, _ turn: Turn) -> Element {
        var items = Element("query", Namespaces.discoItems)
        for host in turn.policy.hosts where request.host?.kind == .people && host.kind != .people {
            items.append(Element("item", Namespaces.discoItems, [("jid", host.domain.description)]))
        }
        return items
    }
}
