import MartletBus
import MartletPrimitives
import MartletSite
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// A site with a component, two of people's domains, and an office.
struct ComponentHarness {
    static let domain = JID(preparedLocalpart: nil, preparedDomainpart: "irc.pilsen.example", preparedResourcepart: nil)
    static let other = JID(preparedLocalpart: nil, preparedDomainpart: "sms.pilsen.example", preparedResourcepart: nil)
    static let lab = JID(preparedLocalpart: nil, preparedDomainpart: "lab.example", preparedResourcepart: nil)

    static var policy: SitePolicy {
        var policy = SitePolicy(hosts: [
            Host(SiteHarness.domain), Host(lab), Host(domain, .component), Host(other, .component),
        ])
        policy.federation.knownPeers = [SiteHarness.peer]
        return policy
    }

    let store = MemoryStore()
    var site: SiteHarness
    private var nextSlot: UInt32 = 100

    init(policy: SitePolicy = Self.policy) {
        site = SiteHarness(users: ["alice", "carol", "dora@lab.example"], policy: policy, store: store)
    }

    /// The process dies and a new one starts.
    mutating func restart() { site.restart(store, policy: Self.policy) }

    mutating func newConnection() -> ConnectionID {
        nextSlot += 1
        return ConnectionID(loop: 0, slot: nextSlot, generation: 0)
    }

    /// A component shows the secret; nil where it is not let in.
    mutating func connect(
        _ domain: JID = Self.domain, isGenuine: Bool = true, from address: String = "127.0.0.1"
    ) -> ConnectionID? {
        let connection = newConnection()
        site.handle(
            .server(connection, .componentShown(domain, isGenuine: isGenuine, address: RemoteAddress(address))))
        return commands(connection).contains(.admit) ? connection : nil
    }

    /// A component that is let in.
    mutating func admitted(_ domain: JID = Self.domain) throws -> ConnectionID {
        let connection = connect(domain)
        return try #require(connection)
    }

    /// What a connection was told, other than to send something.
    mutating func commands(_ connection: ConnectionID) -> [StreamCommand] { site.takeCommands(connection) }

    /// A component says something.
    mutating func say(_ xml: String, on connection: ConnectionID) {
        for element in ContentReader.elements(in: Array(xml.utf8)) {
            guard
                let stanza = try? Stanza(
                    parsing: element.serialized(within: Namespaces.client), contentNamespace: Namespaces.client,
                    context: NamespaceContext(Namespaces.client))
            else {
                Issue.record("no stanza: \(xml)")
                continue
            }
            site.handle(.server(connection, .stanza(stanza)))
        }
    }

    /// What a component was sent since the last look, without the pings that ask what it has.
    mutating func take(_ connection: ConnectionID) -> [Element] { takeAll(connection).filter { $0.fence == nil } }

    /// The same with the pings.
    mutating func takeAll(_ connection: ConnectionID) -> [Element] { site.take(connection) }

    /// Reads what was sent, and answers the pings in it as `type`.
    mutating func read(_ connection: ConnectionID, answering type: String = "result") -> [Element] {
        let all = takeAll(connection)
        for case let (id?, domain) in all.map({ ($0.fence, $0["to"] ?? "") }) {
            say("<iq type='\(type)' id='\(id)' from='\(domain)' to='pilsen.example'/>", on: connection)
        }
        return all.filter { $0.fence == nil }
    }

    /// The lines of `martlet link list` of components.
    mutating func links() -> [LinkRow] {
        guard case .links(let rows)? = site.ask(.links(.listLinks)) else { return [] }
        return rows.filter { [Self.domain.description, Self.other.description].contains($0.peer) }
    }
}

extension Element {
    /// The id of a ping that asks what the other end has; nil if it is none.
    fileprivate var fence: String? {
        guard name == "iq", first("ping", Namespaces.ping) != nil, let id = self["id"], id.hasPrefix("fence-") else {
            return nil
        }
        return id
    }
}
