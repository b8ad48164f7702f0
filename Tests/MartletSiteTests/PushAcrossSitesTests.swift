import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// Two whole sites: what one sends to the other arrives there, as long as the line is up.
struct TwoSites {
    /// `pilsen.example`, with these people.
    var here: SessionsHarness
    /// `brno.example` with its host for nodes.
    var there: SessionsHarness
    static let nodes = "pubsub.brno.example"

    private static func domain(_ name: String) -> JID {
        JID(preparedLocalpart: nil, preparedDomainpart: name, preparedResourcepart: nil)
    }

    init(here users: [String], there others: [String]) {
        here = SessionsHarness(users: users)
        there = SessionsHarness(
            users: [], hosts: [Host(Self.domain("brno.example")), Host(Self.domain(Self.nodes), .pubsub)])
        let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
        for user in others {
            let jid = JID(preparedLocalpart: user, preparedDomainpart: "brno.example", preparedResourcepart: nil)
            _ = there.command(.accounts(.add(jid, PasswordKeys(sha1: keys, sha256: keys))))
        }
    }

    /// Lets both say what they have to say until nobody says anything any more.
    mutating func exchange() {
        for _ in 0..<20 {
            here.pass(20)
            there.pass(20)
            let (out, back) = (here.takeRemote(), there.takeRemote())
            if out.isEmpty, back.isEmpty { return }
            for stanza in out { Self.bring(stanza, to: &there) }
            for stanza in back { Self.bring(stanza, to: &here) }
        }
        Issue.record("they do not stop")
    }

    private static func bring(_ stanza: Stanza, to harness: inout SessionsHarness) {
        guard let from = stanza.from?.domain, let to = stanza.to?.domain else { return }
        let origin = Origin.peer(ConnectionID(loop: 9, slot: 9, generation: 9), DomainPair(local: to, peer: from))
        harness.step { _, turn in turn.admit(stanza, from: origin) }
    }

    /// Somebody at the other site, who has bound a resource and is available.
    mutating func loginThere(_ user: String) -> SessionsHarness.Client {
        there.nextSlot += 1
        let connection = ConnectionID(loop: 0, slot: there.nextSlot, generation: 0)
        let account = JID(preparedLocalpart: user, preparedDomainpart: "brno.example", preparedResourcepart: nil)
        let address = RemoteAddress("192.0.2.1")
        there.client(
            connection,
            .credentialsWanted(localpart: user, domain: account.domain, mechanism: .scramSHA256, address: address))
        guard case .credentials(let credentials) = there.commands[connection]?.last else {
            return SessionsHarness.Client(connection: connection, jid: account)
        }
        let proven = AuthenticatedClient(
            account: account, generation: credentials.generation, isSecure: true, address: address)
        there.client(connection, .authenticated(proven))
        let client = SessionsHarness.Client(connection: connection, jid: account)
        there.send(
            client, "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'><resource>app</resource></bind></iq><presence/>")
        _ = there.take(client)
        return client
    }
}

@Suite("XEP-0357: a push service at another site")
struct PushAcrossSitesTests {
    private func user(_ xml: String) -> String { "<pubsub xmlns='\(SessionsHarness.pubsub)'>\(xml)</pubsub>" }

    /// The service: a node to which anybody publishes, and the program that hears of it.
    private func begin() -> (TwoSites, phone: SessionsHarness.Client, app: SessionsHarness.Client) {
        var sites = TwoSites(here: ["juliet", "romeo"], there: ["app"])
        let app = sites.loginThere("app")
        let form = SessionsHarness.form("node_config", [("publish_model", "open"), ("notify_sub", "0")])
        let made = sites.there.ask(
            app, "set", to: TwoSites.nodes, user("<create node='n1'/><configure>\(form)</configure>"))
        #expect(made["type"] == "result")
        let subscribed = sites.there.ask(
            app, "set", to: TwoSites.nodes, user("<subscribe node='n1' jid='app@brno.example'/>"))
        #expect(subscribed["type"] == "result")
        let phone = sites.here.loginResumable("juliet", "phone")
        sites.here.send(
            phone, "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='\(TwoSites.nodes)' node='n1'/></iq>")
        #expect(sites.here.take(phone).last?["type"] == "result")
        _ = sites.there.take(app)
        return (sites, phone, app)
    }

    private func counts(_ sites: inout TwoSites, _ app: SessionsHarness.Client) -> [String] {
        sites.exchange()
        return sites.there.take(app).compactMap { message in
            message.first("event", Namespaces.pubsubEvent)?.elements.first?.elements.first?.first(
                "notification", Namespaces.push)?
                .first("x", Namespaces.dataForms).flatMap(DataForm.init)?.values("message-count").first
        }
    }

    @Test(
        "§7: the service hears how many messages there are, one notification after the other, over a cut and both sites' starts"
    )
    func whole() {
        var (sites, phone, app) = begin()
        let romeo = sites.here.login("romeo", "garden")
        sites.here.send(romeo, chat("juliet@pilsen.example", "while connected"))
        #expect(counts(&sites, app).isEmpty)
        sites.here.lose(phone)
        #expect(counts(&sites, app) == ["1"])
        // The answer came back: the next message is told at once.
        sites.here.send(romeo, chat("juliet@pilsen.example", "one"))
        #expect(counts(&sites, app) == ["1"])
        // The line is down: nothing waits for it; what came meanwhile is told with the first that gets through.
        sites.here.send(romeo, chat("juliet@pilsen.example", "two"))
        let lost = sites.here.takeRemote().first { $0.kind == .iq }
        #expect(lost != nil)
        for text in ["three", "four"] { sites.here.send(romeo, chat("juliet@pilsen.example", text)) }
        #expect(sites.here.takeRemote().allSatisfy { $0.kind != .iq })
        sites.here.pass(Push.patience + 1000)
        sites.here.send(romeo, chat("juliet@pilsen.example", "five"))
        #expect(counts(&sites, app) == ["3"])
        sites.here.crash()
        sites.there.crash()
        let back = sites.loginThere("app")
        _ = sites.there.take(back)
        // What was under way is forgotten, so the session that is still away, and has not read something, is announced once more.
        #expect(counts(&sites, back) == ["1"])
        let again = sites.here.login("romeo", "garden")
        sites.here.send(again, chat("juliet@pilsen.example", "six"))
        #expect(counts(&sites, back) == ["1"])
    }

    @Test("§7: a service that has no such node any more is told nothing more")
    func gone() {
        var (sites, phone, app) = begin()
        let owner = "<pubsub xmlns='\(SessionsHarness.owner)'><delete node='n1'/></pubsub>"
        #expect(sites.there.ask(app, "set", to: TwoSites.nodes, owner)["type"] == "result")
        sites.here.lose(phone)
        let romeo = sites.here.login("romeo", "garden")
        sites.here.send(romeo, chat("juliet@pilsen.example", "one"))
        sites.exchange()
        #expect(!sites.here.site.push.isUsed)
        sites.here.crash()
        #expect(!sites.here.site.push.isUsed)
    }
}
