import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Subscriptions and affiliations, as owners see and change them (XEP-0060 §8.6 to §8.9).
extension PubSub {
    /// §8.8.1.
    func subscriptions(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        switch ownNode(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let node):
            var subscriptions = Element("subscriptions", Namespaces.pubsubOwner, [("node", node.row.name)])
            let all = PubSubMemberTable.subscriptions(node.number, after: [], limit: PubSubLimits.listed, in: turn.store)
            for subscription in all.rows {
                subscriptions.append(Self.element(subscription, Namespaces.pubsubOwner))
            }
            return .result(Element("pubsub", Namespaces.pubsubOwner, elements: [subscriptions]))
        }
    }

    /// §8.8.2: what an owner decides; of several all or none.
    mutating func setSubscriptions(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        var node: Node
        switch ownNode(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let own): node = own
        }
        let elements = action.all("subscription", Namespaces.pubsubOwner)
        guard !elements.isEmpty, elements.count <= PubSubLimits.itemsAtOnce else { return .error(StanzaError(.badRequest)) }
        var changes: [(jid: JID, state: NodeSubscription.State)] = []
        for element in elements {
            guard let jid = element["jid"].flatMap({ try? JID($0) }),
                let state = element["subscription"].flatMap(NodeSubscription.State.init(word:))
            else { return .error(StanzaError(.badRequest)) }
            changes.append((jid, state))
        }
        guard node.row.subscriptions + changes.count <= turn.policy.pubsub.subscriptionsPerNode else {
            return .pubsub(.policyViolation, "too-many-subscriptions")
        }
        guard turn.admits(.state) else { return .error(.diskNearlyFull) }
        for (jid, state) in changes { decide(state, jid, &node, asker.service, turn) }
        return .result()
    }

    /// An owner decides about a subscription; whoever has it is told (§8.6, §8.8.4).
    mutating func decide(
        _ state: NodeSubscription.State, _ jid: JID, _ node: inout Node, _ service: Service, _ turn: Turn
    ) {
        let before = PubSubMemberTable.subscription(node.number, jid, in: turn.store)
        guard before?.state ?? .none != state else { return }
        var subscription = before ?? NodeSubscription(jid: jid.description, state: state)
        subscription.state = state
        let had = PubSubMemberTable.put(subscription, node.number, of: service.number, jid, in: turn.store)
        node.row.subscriptions += (state == .none ? 0 : 1) - (had ? 1 : 0)
        PubSubNodeTable.put(node.number, node.row, in: turn.store)
        let news = Self.element(subscription, Namespaces.pubsubEvent, node: node.row.name)
        send(Element("event", Namespaces.pubsubEvent, elements: [news]), to: jid, node.configuration, service, turn)
        if state == .subscribed, node.configuration.sendLast != .never { sendLast(node, to: jid, service, turn) }
    }

    /// §8.6: owners are asked whether somebody may subscribe; those of an account by its own sessions.
    func askOwners(_ node: Node, _ jid: JID, _ service: Service, _ turn: Turn) {
        var form = DataForm(.form, title: "PubSub subscriber request")
        form.fields = [
            DataForm.Field("FORM_TYPE", type: "hidden", values: [Namespaces.subscribeAuthorization]),
            DataForm.Field("pubsub#node", type: "text-single", label: "Node", values: [node.row.name]),
            DataForm.Field("pubsub#subscriber_jid", type: "jid-single", label: "Subscriber", values: [jid.description]),
            DataForm.Field("pubsub#allow", type: "boolean", label: "Allow it?", values: ["false"]),
        ]
        var owners: [JID] = service.isAccount ? [service.jid] : []
        for (address, affiliation) in PubSubMemberTable.affiliations(
            node.number, limit: PubSubLimits.listed, in: turn.store)
        where affiliation == .owner && owners.count < PubSubLimits.itemsAtOnce {
            if let owner = try? JID(address) { owners.append(owner) }
        }
        for owner in owners {
            let stanza = Stanza(
                .message, from: service.jid, to: owner, id: NewsID.make(turn), type: "headline", payloads: [form.element])
            turn.routeNews(stanza)
        }
    }

    /// §8.6: an owner has filled in the form. True where it was one.
    public mutating func authorized(_ stanza: Stanza, by origin: Origin, at host: Host, _ turn: Turn) -> Bool {
        guard let form = stanza.payload("x", Namespaces.dataForms).flatMap(DataForm.init),
            form.values("FORM_TYPE") == [Namespaces.subscribeAuthorization], let from = stanza.from,
            let number = AddressTable.number(of: host.domain, in: turn.store)
        else { return false }
        let service = Service(jid: host.domain, number: number, isAccount: false)
        let asker = Asker(jid: from, service: service, isSelf: false, party: origin.party)
        guard form.kind == .submit, let name = form.values("pubsub#node").first,
            let jid = form.values("pubsub#subscriber_jid").first.flatMap({ try? JID($0) }),
            var node = node(named: name, asker, turn), node.affiliation == .owner, turn.admits(.state),
            PubSubMemberTable.subscription(node.number, jid, in: turn.store)?.state == .pending
        else { return true }
        let allows = ["1", "true"].contains(form.values("pubsub#allow").first ?? "")
        decide(allows ? .subscribed : .none, jid, &node, service, turn)
        return true
    }

    /// §8.9.1.
    func affiliations(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        switch ownNode(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let node):
            var affiliations = Element("affiliations", Namespaces.pubsubOwner, [("node", node.row.name)])
            if asker.service.isAccount { affiliations.append(Self.affiliation(asker.service.jid.description, .owner)) }
            for (jid, affiliation) in PubSubMemberTable.affiliations(
                node.number, limit: PubSubLimits.listed, in: turn.store)
            {
                affiliations.append(Self.affiliation(jid, affiliation))
            }
            return .result(Element("pubsub", Namespaces.pubsubOwner, elements: [affiliations]))
        }
    }

    private static func affiliation(_ jid: String, _ affiliation: NodeAffiliation) -> Element {
        Element("affiliation", Namespaces.pubsubOwner, [("jid", jid), ("affiliation", affiliation.word)])
    }

    /// §8.9.2: of several all or none.
    func setAffiliations(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        var node: Node
        switch ownNode(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let own): node = own
        }
        let elements = action.all("affiliation", Namespaces.pubsubOwner)
        guard !elements.isEmpty, elements.count <= PubSubLimits.itemsAtOnce else { return .error(StanzaError(.badRequest)) }
        var changes: [(jid: JID, affiliation: NodeAffiliation)] = []
        for element in elements {
            guard let jid = element["jid"].flatMap({ try? JID($0) })?.bare,
                let affiliation = element["affiliation"].flatMap(NodeAffiliation.init(word:))
            else { return .error(StanzaError(.badRequest)) }
            // Whose account it is stays its owner.
            if asker.service.isAccount, jid == asker.service.jid { return .error(StanzaError(.notAcceptable)) }
            changes.append((jid, affiliation))
        }
        guard node.row.affiliations + changes.count <= turn.policy.pubsub.affiliationsPerNode else {
            return .error(StanzaError(.policyViolation, text: "Too many addresses have an affiliation to this node"))
        }
        if !asker.service.isAccount, !keepsOwner(node, changes, turn) {
            return .error(StanzaError(.notAcceptable, text: "A node has an owner"))
        }
        guard turn.admits(.state) else { return .error(.diskNearlyFull) }
        for (jid, affiliation) in changes {
            let had = PubSubMemberTable.set(affiliation, node.number, of: node.row.owner, jid, in: turn.store)
            node.row.affiliations += (affiliation == .none ? 0 : 1) - (had ? 1 : 0)
            // §8.9.2.1: whoever may not see it any more is subscribed no more.
            guard affiliation == .outcast else { continue }
            for subscription in PubSubMemberTable.subscriptions(node.number, of: jid, in: turn.store) {
                if let subscriber = try? JID(subscription.jid) { end(subscription, subscriber, &node, asker.service, turn) }
            }
        }
        PubSubNodeTable.put(node.number, node.row, in: turn.store)
        return .result()
    }

    private func keepsOwner(_ node: Node, _ changes: [(jid: JID, affiliation: NodeAffiliation)], _ turn: Turn) -> Bool {
        if changes.contains(where: { $0.affiliation == .owner }) { return true }
        let all = PubSubMemberTable.affiliations(node.number, limit: PubSubLimits.listed, in: turn.store)
        return all.contains { row in
            row.affiliation == .owner && !changes.contains { $0.jid.description == row.jid }
        }
    }
}
