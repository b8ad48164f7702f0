import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// XEP-0060 at a host of its own, with the use cases of its subscribers, publishers and owners.
@Suite("XEP-0060: a host for nodes")
struct PubSubHostTests {
    private static let host = "pubsub.pilsen.example"
    private static let node = "princely_musings"

    private func harness() -> SessionsHarness {
        let host = JID(preparedLocalpart: nil, preparedDomainpart: Self.host, preparedResourcepart: nil)
        return SessionsHarness(
            users: ["hamlet", "francisco", "bernardo"], hosts: [Host(SessionsHarness.domain), Host(host, .pubsub)])
    }

    private func user(_ xml: String) -> String { "<pubsub xmlns='\(SessionsHarness.pubsub)'>\(xml)</pubsub>" }
    private func owner(_ xml: String) -> String { "<pubsub xmlns='\(SessionsHarness.owner)'>\(xml)</pubsub>" }
    private func subscribe(_ jid: String) -> String { user("<subscribe node='\(Self.node)' jid='\(jid)'/>") }

    private func created(_ harness: inout SessionsHarness, _ fields: [(String, String)] = []) -> SessionsHarness.Client {
        let hamlet = harness.login("hamlet", "elsinore", wanting: [])
        let form = fields.isEmpty ? "" : "<configure>\(SessionsHarness.form("node_config", fields))</configure>"
        let answer = harness.ask(hamlet, "set", to: Self.host, user("<create node='\(Self.node)'/>\(form)"))
        #expect(answer["type"] == "result")
        return hamlet
    }

    @Test("§8.1: our people make nodes, strangers do not; a name is taken once; a node without a name gets one")
    func create() {
        var harness = harness()
        let hamlet = created(&harness)
        #expect(harness.ask(hamlet, "set", to: Self.host, user("<create node='\(Self.node)'/>")).condition == "conflict")
        let instant = harness.ask(hamlet, "set", to: Self.host, user("<create/>"))
        #expect(instant.first("pubsub", Namespaces.pubsub)?.elements.first?["node"]?.isEmpty == false)
        let roster = SessionsHarness.form("node_config", [("access_model", "roster")])
        let refused = harness.ask(hamlet, "set", to: Self.host, user("<create node='r'/><configure>\(roster)</configure>"))
        #expect(refused.pubsubCondition == "unsupported-access-model")
        harness.receive(
            "<iq type='set' id='x' from='eve@away.example/r' to='\(Self.host)'>\(user("<create node='n'/>"))</iq>")
        #expect(harness.takeRemote().last?.payload("error", Namespaces.client)?.elements.first?.name == "forbidden")
        harness.policy.pubsub.creators = .nobody
        #expect(harness.ask(hamlet, "set", to: Self.host, user("<create node='n'/>")).condition == "forbidden")
        harness.policy.pubsub.namedCreators = ["hamlet@pilsen.example"]
        #expect(harness.ask(hamlet, "set", to: Self.host, user("<create node='n'/>"))["type"] == "result")
    }

    @Test(
        "§6.1, §7.1: who has subscribed is told, here and elsewhere, and of nothing when he has left; nobody publishes unasked")
    func subscribe() {
        var harness = harness()
        let hamlet = created(&harness)
        let francisco = harness.login("francisco", "barracks", wanting: [])
        _ = harness.publish(hamlet, Self.node, id: "1", to: Self.host)
        let answer = harness.ask(francisco, "set", to: Self.host, subscribe("francisco@pilsen.example"))
        #expect(answer.first("pubsub", Namespaces.pubsub)?.elements.first?["subscription"] == "subscribed")
        // §6.1.7: the last item comes with it.
        #expect(harness.takeNews(francisco) == ["\(Self.host) \(Self.node) item 1"])
        harness.receive(
            "<iq type='set' id='x' from='bob@brno.example/r' to='\(Self.host)'>\(subscribe("bob@brno.example"))</iq>")
        _ = harness.takeRemote()
        _ = harness.publish(hamlet, Self.node, id: "2", to: Self.host)
        #expect(harness.takeNews(francisco) == ["\(Self.host) \(Self.node) item 2"])
        #expect(harness.takeRemote().filter { $0.kind == .message }.map { $0.to?.description } == ["bob@brno.example"])
        #expect(harness.publish(francisco, Self.node, to: Self.host).condition == "forbidden")
        #expect(harness.publish(francisco, "no_such", to: Self.host).condition == "item-not-found")
        #expect(harness.items(francisco, Self.node, of: Self.host) == ["1", "2"])
        let mine = harness.ask(francisco, "get", to: Self.host, user("<subscriptions/>"))
        #expect(mine.first("pubsub", Namespaces.pubsub)?.elements.first?.elements.map { $0["node"] } == [Self.node])
        let leave = user("<unsubscribe node='\(Self.node)' jid='francisco@pilsen.example'/>")
        #expect(harness.ask(francisco, "set", to: Self.host, leave)["type"] == "result")
        #expect(harness.ask(francisco, "set", to: Self.host, leave).pubsubCondition == "not-subscribed")
        _ = harness.publish(hamlet, Self.node, id: "3", to: Self.host)
        #expect(harness.takeNews(francisco) == [])
    }

    @Test("§6.1.3: errors of subscribing, each with its condition")
    func subscribeErrors() {
        var harness = harness()
        let hamlet = created(&harness)
        let francisco = harness.login("francisco", "barracks", wanting: [])
        func errors(_ request: String) -> [String?] {
            let answer = harness.ask(francisco, "set", to: Self.host, request)
            return [answer.condition, answer.pubsubCondition]
        }
        #expect(errors(subscribe("bernardo@pilsen.example")) == ["bad-request", "invalid-jid"])
        #expect(errors(user("<subscribe jid='francisco@pilsen.example'/>")) == ["bad-request", "nodeid-required"])
        #expect(errors(user("<subscribe node='none' jid='francisco@pilsen.example'/>")) == ["item-not-found", nil])
        let closed = SessionsHarness.form("node_config", [("access_model", "whitelist")])
        _ = harness.ask(hamlet, "set", to: Self.host, owner("<configure node='\(Self.node)'>\(closed)</configure>"))
        #expect(errors(subscribe("francisco@pilsen.example")) == ["not-allowed", "closed-node"])
        harness.policy.pubsub.subscriptionsPerNode = 0
        let open = SessionsHarness.form("node_config", [("access_model", "open")])
        _ = harness.ask(hamlet, "set", to: Self.host, owner("<configure node='\(Self.node)'>\(open)</configure>"))
        #expect(errors(subscribe("francisco@pilsen.example")) == ["policy-violation", "too-many-subscriptions"])
    }

    @Test("§8.6: an owner is asked, and lets somebody in; whoever waits sees nothing until then")
    func authorize() {
        var harness = harness()
        let hamlet = created(&harness, [("access_model", "authorize")])
        let francisco = harness.login("francisco", "barracks", wanting: [])
        let answer = harness.ask(francisco, "set", to: Self.host, subscribe("francisco@pilsen.example"))
        #expect(answer.first("pubsub", Namespaces.pubsub)?.elements.first?["subscription"] == "pending")
        #expect(
            harness.ask(francisco, "set", to: Self.host, subscribe("francisco@pilsen.example")).pubsubCondition
                == "pending-subscription")
        #expect(harness.items(francisco, Self.node, of: Self.host) == ["error not-authorized"])
        harness.pass(50)
        let asked = harness.take(hamlet).last { $0.name == "message" }
        #expect(asked?.first("x", Namespaces.dataForms) != nil)
        func form(_ node: String) -> String {
            "<message to='\(Self.host)'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
                + "\(SessionsHarness.pubsub)#subscribe_authorization</value></field><field var='pubsub#node'><value>\(node)</value></field>"
                + "<field var='pubsub#subscriber_jid'><value>francisco@pilsen.example</value></field>"
                + "<field var='pubsub#allow'><value>true</value></field></x></message>"
        }
        // Only an owner decides.
        harness.send(francisco, form(Self.node))
        #expect(harness.items(francisco, Self.node, of: Self.host) == ["error not-authorized"])
        harness.send(hamlet, form(Self.node))
        harness.pass(50)
        let told = harness.take(francisco).last { $0.name == "message" }
        #expect(told?.first("event", Namespaces.pubsubEvent)?.elements.first?["subscription"] == "subscribed")
        #expect(harness.items(francisco, Self.node, of: Self.host) == [])
    }

    @Test("§8.8, §8.9: owners see and change who is what; a node keeps an owner; an outcast is out")
    func owners() {
        var harness = harness()
        let hamlet = created(&harness)
        let francisco = harness.login("francisco", "barracks", wanting: [])
        _ = harness.ask(francisco, "set", to: Self.host, subscribe("francisco@pilsen.example"))
        func list(_ what: String) -> [String] {
            harness.ask(hamlet, "get", to: Self.host, owner("<\(what) node='\(Self.node)'/>"))
                .first("pubsub", Namespaces.pubsubOwner)?.elements.first?.elements
                .map { "\($0["jid"] ?? "") \($0["affiliation"] ?? $0["subscription"] ?? "")" } ?? []
        }
        #expect(list("subscriptions") == ["francisco@pilsen.example subscribed"])
        #expect(list("affiliations") == ["hamlet@pilsen.example owner"])
        func set(_ jid: String, _ affiliation: String) -> Element {
            let row = "<affiliation jid='\(jid)' affiliation='\(affiliation)'/>"
            return harness.ask(
                hamlet, "set", to: Self.host, owner("<affiliations node='\(Self.node)'>\(row)</affiliations>"))
        }
        #expect(set("hamlet@pilsen.example", "none").condition == "not-acceptable")
        #expect(set("francisco@pilsen.example", "publish-only")["type"] == "result")
        #expect(harness.publish(francisco, Self.node, to: Self.host)["type"] == "result")
        #expect(harness.items(francisco, Self.node, of: Self.host) == ["error forbidden"])
        #expect(set("francisco@pilsen.example", "outcast")["type"] == "result")
        #expect(harness.publish(francisco, Self.node, to: Self.host).condition == "forbidden")
        #expect(list("subscriptions") == [])
        #expect(set("bernardo@pilsen.example", "owner")["type"] == "result")
        #expect(set("hamlet@pilsen.example", "none")["type"] == "result")
        #expect(harness.ask(hamlet, "set", to: Self.host, owner("<delete node='\(Self.node)'/>")).condition == "forbidden")
    }

    @Test("§6.3, §8.2, §8.3: options and configurations are forms, and what they say is done")
    func forms() {
        var harness = harness()
        let hamlet = created(&harness)
        let francisco = harness.login("francisco", "barracks", wanting: [])
        let jid = "francisco@pilsen.example"
        let options = user("<options node='\(Self.node)' jid='\(jid)'/>")
        #expect(harness.ask(francisco, "get", to: Self.host, options).pubsubCondition == "not-subscribed")
        _ = harness.ask(francisco, "set", to: Self.host, subscribe(jid))
        #expect(harness.ask(francisco, "get", to: Self.host, options)["type"] == "result")
        let off = SessionsHarness.form("subscribe_options", [("deliver", "0")])
        _ = harness.ask(francisco, "set", to: Self.host, user("<options node='\(Self.node)' jid='\(jid)'>\(off)</options>"))
        _ = harness.publish(hamlet, Self.node, id: "1", to: Self.host)
        #expect(harness.takeNews(francisco) == [])
        let bad = SessionsHarness.form("subscribe_options", [("deliver", "perhaps")])
        let refused = harness.ask(
            francisco, "set", to: Self.host, user("<options node='\(Self.node)' jid='\(jid)'>\(bad)</options>"))
        #expect(refused.pubsubCondition == "invalid-options")
        let on = SessionsHarness.form("subscribe_options", [("deliver", "1")])
        _ = harness.ask(francisco, "set", to: Self.host, user("<options node='\(Self.node)' jid='\(jid)'>\(on)</options>"))
        let configured = harness.ask(hamlet, "get", to: Self.host, owner("<configure node='\(Self.node)'/>"))
        let form = configured.first("pubsub", Namespaces.pubsubOwner)?.elements.first?.first("x", Namespaces.dataForms)
        #expect(form.flatMap(DataForm.init)?.values("pubsub#access_model") == ["open"])
        let quiet = SessionsHarness.form(
            "node_config", [("notify_config", "1"), ("deliver_payloads", "0"), ("title", "Musings")])
        _ = harness.ask(hamlet, "set", to: Self.host, owner("<configure node='\(Self.node)'>\(quiet)</configure>"))
        #expect(harness.takeNews(francisco) == ["\(Self.host) \(Self.node) configuration"])
        _ = harness.publish(hamlet, Self.node, id: "2", to: Self.host)
        harness.pass(50)
        let event = harness.take(francisco).last?.first("event", Namespaces.pubsubEvent)
        #expect(event?.elements.first?.elements.first?.children.isEmpty == true)
        let wrong = SessionsHarness.form("node_config", [("access_model", "secret")])
        let not = harness.ask(hamlet, "set", to: Self.host, owner("<configure node='\(Self.node)'>\(wrong)</configure>"))
        #expect(not.condition == "not-acceptable")
        #expect(harness.ask(hamlet, "get", to: Self.host, owner("<default/>"))["type"] == "result")
        #expect(harness.ask(hamlet, "get", to: Self.host, user("<default/>"))["type"] == "result")
    }

    @Test("XEP-0030: the host, its nodes and what they are, with the form of §5.4")
    func discovery() {
        var harness = harness()
        let hamlet = created(&harness, [("title", "Musings")])
        let info = harness.ask(hamlet, "get", to: Self.host, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
        let identity = info.first("query", Namespaces.discoInfo)?.first("identity", Namespaces.discoInfo)
        #expect([identity?["category"], identity?["type"]] == ["pubsub", "service"])
        let items = harness.ask(hamlet, "get", to: Self.host, "<query xmlns='http://jabber.org/protocol/disco#items'/>")
        #expect(items.first("query", Namespaces.discoItems)?.elements.map { $0["name"] } == ["Musings"])
        let node = harness.ask(
            hamlet, "get", to: Self.host, "<query xmlns='http://jabber.org/protocol/disco#info' node='\(Self.node)'/>")
        let form = node.first("query", Namespaces.discoInfo)?.first("x", Namespaces.dataForms).flatMap(DataForm.init)
        #expect(form?.values("FORM_TYPE") == ["http://jabber.org/protocol/pubsub#meta-data"])
        #expect(form?.values("pubsub#creator") == ["hamlet@pilsen.example"])
    }
}
