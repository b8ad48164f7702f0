import MartletBus
import MartletCrypto
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// What clients of nodes do and see.
extension SessionsHarness {
    static let pubsub = "http://jabber.org/protocol/pubsub"
    static let owner = "http://jabber.org/protocol/pubsub#owner"

    /// The hash of a client that wants these nodes (XEP-0115 §5.1), and its answer to who asks.
    static func capabilities(_ nodes: [String]) -> (hash: String, info: String) {
        let features = (nodes.map { "\($0)+notify" } + ["http://jabber.org/protocol/disco#info"]).sorted()
        let text = "client/pc//Test<" + features.map { "\($0)<" }.joined()
        let info =
            "<identity category='client' type='pc' name='Test'/>" + features.map { "<feature var='\($0)'/>" }.joined()
        return (Base64.encode(Digest.hash(.sha1, text.utf8)), info)
    }

    static func c(_ hash: String) -> String {
        "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test' ver='\(hash)'/>"
    }

    /// A client that is available and wants news of these nodes; it was asked what it can, or was not.
    mutating func login(_ user: String, _ resource: String, wanting nodes: [String]) -> Client {
        let client = bind(user, resource)
        let (hash, info) = Self.capabilities(nodes)
        send(client, "<presence>\(Self.c(hash))</presence>")
        for question in take(client) where question.first("query", Namespaces.discoInfo) != nil {
            answerInfo(question, info, by: client)
        }
        pass(50)
        return client
    }

    /// Says what stands behind a hash.
    mutating func answerInfo(_ question: Element, _ info: String, by client: Client) {
        let node = question.first("query", Namespaces.discoInfo)?["node"] ?? ""
        send(
            client,
            """
            <iq type='result' id='\(question["id"] ?? "")' to='\(question["from"] ?? "")'>\
            <query xmlns='http://jabber.org/protocol/disco#info' node='\(node)'>\(info)</query></iq>
            """)
    }

    /// A request, and its answer.
    mutating func ask(_ client: Client, _ type: String, to: String? = nil, _ payload: String) -> Element {
        let address = to.map { " to='\($0)'" } ?? ""
        let before = inboxes[client.connection] ?? []
        inboxes[client.connection] = nil
        send(client, "<iq type='\(type)' id='ask'\(address)>\(payload)</iq>")
        flush()
        var all = inboxes[client.connection] ?? []
        let index = all.firstIndex { $0.name == "iq" && $0["id"] == "ask" }
        #expect(index != nil, "no answer to \(payload)")
        let answer = index.map { all.remove(at: $0) } ?? Element("none", "")
        inboxes[client.connection] = before + all
        return answer
    }

    /// An item of one element.
    mutating func publish(
        _ client: Client, _ node: String, id: String? = "current", _ payload: String = "<x xmlns='urn:x'/>", to: String? = nil,
        options: [(String, String)]? = nil
    ) -> Element {
        let id = id.map { " id='\($0)'" } ?? ""
        var text = "<publish node='\(node)'><item\(id)>\(payload)</item></publish>"
        if let options {
            text += "<publish-options>\(Self.form("publish-options", options))</publish-options>"
        }
        return ask(client, "set", to: to, "<pubsub xmlns='\(Self.pubsub)'>\(text)</pubsub>")
    }

    static func form(_ type: String, _ fields: [(String, String)]) -> String {
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
            + "<value>\(pubsub)#\(type)</value></field>"
            + fields.map { "<field var='pubsub#\($0.0)'><value>\($0.1)</value></field>" }.joined() + "</x>"
    }

    /// The ids of a node's items.
    mutating func items(_ client: Client, _ node: String, of owner: String? = nil, _ more: String = "", set: String = "")
        -> [String]
    {
        let answer = ask(
            client, "get", to: owner, "<pubsub xmlns='\(Self.pubsub)'><items node='\(node)'\(more)/>\(set)</pubsub>")
        if let condition = answer.condition { return ["error \(condition)"] }
        return answer.itemIDs
    }

    /// What news a client has got: who says it, of which node, what.
    mutating func takeNews(_ client: Client) -> [String] {
        pass(50)
        return take(client).compactMap { message in
            guard message.name == "message", let event = message.first("event", Namespaces.pubsubEvent)?.elements.first else {
                return nil
            }
            let what = event.elements.map { "\($0.name) \($0["id"] ?? "")" }
            return "\(message["from"] ?? "") \(event["node"] ?? "") "
                + (event.name == "items" ? what.joined(separator: ",") : event.name)
        }
    }
}

extension Element {
    /// The items of an answer.
    var itemIDs: [String] {
        first("pubsub", Namespaces.pubsub)?.first("items", Namespaces.pubsub)?.elements.map { $0["id"] ?? "" } ?? []
    }

    /// The condition of XEP-0060 in an error.
    var pubsubCondition: String? {
        first("error", Namespaces.client)?.elements.first { $0.namespace == Namespaces.pubsubErrors }?.name
    }
}
