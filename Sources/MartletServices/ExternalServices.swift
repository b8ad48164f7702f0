// XEP-0215: External Service Discovery, version 1.0.0, complete but for pushes of changes
import MartletBus
import MartletCrypto
import MartletPrimitives
import XMPPStanzas
import XMPPXML

/// Tells our people's clients of services beside XMPP, with credentials: the STUN and TURN servers through which calls find their way.
///
/// Where the service shares a secret with us the credentials are made for whoever asks and end with their time (draft-uberti-behave-turn-rest
/// §2.2: the end as the beginning of the name, its HMAC-SHA-1 as the password), so that nobody who leaves keeps the relay.
public enum ExternalServices {
    /// For people's domains, where there is anything to tell.
    public static let declaration = ServiceDeclaration(
        "ExternalServices",
        features: [.init(Namespaces.externalServices, of: [.host(.people)], when: { !$0.externalServices.isEmpty })],
        requests: ["services", "credentials"].map { .init($0, Namespaces.externalServices, [.get], to: .host) })

    /// XEP-0215 §3. Not for others: credentials are for our own people.
    public static func answer(_ request: Request, _ turn: Turn) -> Answer {
        guard !turn.policy.externalServices.isEmpty else { return .error(StanzaError(.serviceUnavailable)) }
        guard request.session != nil, let user = request.stanza.from?.localpart else { return .error(StanzaError(.forbidden)) }
        let asked = request.payload
        if asked.name == "credentials" { return credentials(asked, user, turn) }
        var list = Element("services", Namespaces.externalServices)
        if let type = asked["type"] { list["type"] = type }
        for service in turn.policy.externalServices where asked["type"] == nil || asked["type"] == service.type {
            list.append(element(service, user, turn))
        }
        return .result(list)
    }

    /// §3.3: whoever knows the service already wants only what it takes to use it.
    private static func credentials(_ asked: Element, _ user: String, _ turn: Turn) -> Answer {
        guard let wanted = asked.first("service", Namespaces.externalServices), let host = wanted["host"],
            let type = wanted["type"]
        else { return .error(StanzaError(.badRequest)) }
        let found = turn.policy.externalServices.filter {
            $0.host == host && $0.type == type && (wanted["port"] == nil || wanted["port"] == "\($0.port)")
        }
        guard !found.isEmpty else { return .error(StanzaError(.itemNotFound)) }
        var list = Element("credentials", Namespaces.externalServices)
        for service in found { list.append(element(service, user, turn)) }
        return .result(list)
    }

    /// The password that a relay expects with a name, computed by both from what they share.
    static func password(for username: String, secret: String) -> String {
        Base64.encode(HMAC.authenticate(.sha1, key: Array(secret.utf8), Array(username.utf8)))
    }

    private static func element(_ service: ExternalService, _ user: String, _ turn: Turn) -> Element {
        var element = Element("service", Namespaces.externalServices, [("type", service.type), ("host", service.host)])
        if service.port != 0 { element["port"] = "\(service.port)" }
        element["transport"] = service.transport
        element["name"] = service.name
        switch service.credentials {
        case .none: break
        case .fixed(let username, let password):
            (element["username"], element["password"], element["restricted"]) = (username, password, "true")
        case .derived(let secret, let lifetime):
            let end = turn.wall.milliseconds / 1000 + lifetime
            let username = "\(end):\(user)"
            (element["username"], element["restricted"]) = (username, "true")
            element["password"] = password(for: username, secret: secret)
            element["expires"] = WallTime(milliseconds: end * 1000).description
        }
        return element
    }
}
