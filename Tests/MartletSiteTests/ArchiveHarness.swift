import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// What a search of an archive has brought.
struct ArchiveAnswer {
    /// A message of it.
    struct Message: Equatable {
        var id: String
        var body: String
        var stamp: String
        var from: String
        var to: String
    }

    var messages: [Message] = []
    /// The answer to the request: a result or an error.
    var iq: Element?

    var bodies: [String] { messages.map(\.body) }
    var ids: [String] { messages.map(\.id) }
    var fin: Element? { iq?.first("fin", Namespaces.archive) }
    var isComplete: Bool { fin?["complete"] == "true" }
    var set: Element? { fin?.first("set", Namespaces.resultSet) }
    var first: String? { self.set?.first("first", Namespaces.resultSet)?.text }
    var last: String? { self.set?.first("last", Namespaces.resultSet)?.text }
    var index: String? { self.set?.first("first", Namespaces.resultSet)?["index"] }
    var count: String? { self.set?.first("count", Namespaces.resultSet)?.text }
    var condition: String? { iq?.condition }

    init(_ elements: [Element], queryID: String?, to: String? = nil) {
        for element in elements {
            if element.name == "iq", element["id"] == "q" { iq = element }
            guard let result = element.first("result", Namespaces.archive) else { continue }
            #expect(iq == nil, "a result behind the end")
            #expect(result["queryid"] == queryID)
            if let to { #expect(element["to"] == to) }
            guard let forwarded = result.first("forwarded", Namespaces.forward),
                let message = forwarded.first("message", Namespaces.client)
            else {
                Issue.record("no forwarded message in \(element)")
                continue
            }
            #expect(message.first("stanza-id", Namespaces.stanzaID) == nil)
            messages.append(
                Message(
                    id: result["id"] ?? "", body: message.body ?? "",
                    stamp: forwarded.first("delay", Namespaces.delay)?["stamp"] ?? "",
                    from: message["from"] ?? "", to: message["to"] ?? ""))
        }
    }
}

extension SessionsHarness {
    /// A search: fields of the form, and what stands beside it.
    mutating func search(
        _ client: Client, _ fields: [(String, [String])] = [], set: String = "", more: String = "", queryID: String? = "f27"
    ) -> ArchiveAnswer {
        _ = take(client)
        sendSearch(client, fields, set: set, more: more, queryID: queryID)
        var found: [Element] = []
        for _ in 0..<2000 {
            found += take(client)
            if found.contains(where: { $0.name == "iq" && $0["id"] == "q" }) { break }
            pass(10)
        }
        return ArchiveAnswer(found, queryID: queryID, to: client.jid.description)
    }

    mutating func sendSearch(
        _ client: Client, _ fields: [(String, [String])] = [], set: String = "", more: String = "", queryID: String? = "f27",
        id: String = "q"
    ) {
        var form = ""
        if !fields.isEmpty {
            form = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
            for (name, values) in fields {
                form += "<field var='\(name)'>\(values.map { "<value>\($0)</value>" }.joined())</field>"
            }
            form += "</x>"
        }
        let page = set.isEmpty ? "" : "<set xmlns='http://jabber.org/protocol/rsm'>\(set)</set>"
        let name = queryID.map { " queryid='\($0)'" } ?? ""
        send(client, "<iq type='set' id='\(id)'><query xmlns='urn:xmpp:mam:2'\(name)>\(form)\(page)\(more)</query></iq>")
    }

    /// The bodies of everything in an archive, in its order.
    mutating func archived(_ client: Client) -> [String] { search(client).bodies }

    /// Everything that is in the tail goes to the index now.
    mutating func writeIndex() {
        step { site, turn in
            site.archive.beginFlush()
            site.archive.workIfNeeded(turn)
        }
        for _ in 0..<1000 where site.archive.flush != nil { pass(20) }
        #expect(site.archive.tail.count == 0)
    }

    /// The number of rows of a table.
    mutating func rows(_ table: Table) -> Int {
        var count = 0
        step { _, turn in
            turn.store.forEach(table, prefix: []) { _, _ in
                count += 1
                return true
            }
        }
        return count
    }
}
