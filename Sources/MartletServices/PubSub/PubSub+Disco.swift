import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What service discovery says of nodes (XEP-0060 §5.2 to §5.5).
extension PubSub {
    /// The answer where a request is about nodes, nil where it is not: about the items of an account or a host, or about one node.
    public func discover(_ request: Request, _ turn: Turn) -> Answer? {
        guard turn.policy.pubsub.isEnabled, let from = request.stanza.from, request.scope != .stranger,
            let service = service(of: request, turn)
        else { return nil }
        let asker = Asker(
            jid: from, service: service, isSelf: request.scope == .ownAccount, party: request.envelope.origin.party)
        let name = request.payload["node"].flatMap { $0.isEmpty ? nil : $0 }
        let isItems = request.payload.namespace == Namespaces.discoItems
        guard let name else { return isItems ? nodes(asker, request, turn) : nil }
        guard let node = node(named: name, asker, turn) else { return nil }
        // Of what somebody may not see there is nothing.
        if service.isAccount, objection(toReading: node, by: asker, turn) != nil { return nil }
        return isItems ? items(of: node, asker, turn) : .result(info(node, asker, turn))
    }

    private func service(of request: Request, _ turn: Turn) -> Service? {
        if let account = request.account { return Service(jid: account.jid, number: account.number, isAccount: true) }
        guard let host = request.host, host.kind == .pubsub,
            let number = AddressTable.number(of: host.domain, in: turn.store)
        else { return nil }
        return Service(jid: host.domain, number: number, isAccount: false)
    }

    /// §5.2: the nodes that the asker may see.
    private func nodes(_ asker: Asker, _ request: Request, _ turn: Turn) -> Answer {
        var query = Element("query", Namespaces.discoItems)
        for (number, row) in allNodes(asker.service, turn) {
            let node = Node(number: number, row: row, affiliation: affiliation(of: asker, number, row, turn))
            if asker.service.isAccount, objection(toReading: node, by: asker, turn) != nil { continue }
            if node.affiliation == .outcast { continue }
            var item = Element("item", Namespaces.discoItems, [("jid", asker.service.jid.description), ("node", row.name)])
            if !row.configuration.title.isEmpty { item["name"] = row.configuration.title }
            query.append(item)
        }
        return .result(query)
    }

    /// §5.5: the ids of what a node has.
    private func items(of node: Node, _ asker: Asker, _ turn: Turn) -> Answer {
        var query = Element("query", Namespaces.discoItems, [("node", node.row.name)])
        if objection(toReading: node, by: asker, turn) != nil { return .refusal(of: query, StanzaError(.itemNotFound)) }
        var next = node.row.removedUpTo + 1
        var count = 0
        while count < PubSubLimits.listed, let found = PubSubItemTable.first(node.number, from: next, in: turn.store) {
            query.append(
                Element(
                    "item", Namespaces.discoItems, [("jid", asker.service.jid.description), ("name", found.row.id)]))
            next = found.place + 1
            count += 1
        }
        return .result(query)
    }

    /// §5.3, §5.4.
    private func info(_ node: Node, _ asker: Asker, _ turn: Turn) -> Element {
        var query = Element("query", Namespaces.discoInfo, [("node", node.row.name)])
        query.append(Element("identity", Namespaces.discoInfo, [("category", "pubsub"), ("type", "leaf")]))
        query.append(Element("feature", Namespaces.discoInfo, [("var", Namespaces.pubsub)]))
        guard objection(toReading: node, by: asker, turn) == nil else { return query }
        var form = node.configuration.form(.result)
        form.fields[0].values = [Namespaces.nodeMetadata]
        let kept = ["title", "description", "language", "type", "access_model", "publish_model", "max_items"]
        form.fields.removeAll { field in
            field.name != "FORM_TYPE" && !kept.contains { field.name == "pubsub#\($0)" }
        }
        form.fields += [
            DataForm.Field("pubsub#creator", type: "jid-single", values: [node.row.creator]),
            DataForm.Field("pubsub#creation_date", type: "text-single", values: [node.row.created.description]),
            DataForm.Field("pubsub#num_subscribers", type: "text-single", values: [String(node.row.subscriptions)]),
        ]
        query.append(form.element)
        return query
    }
}
