import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Subscriptions, as those see them who have them (XEP-0060 §6.1 to §6.4, §5.6, §5.7).
extension PubSub {
    /// §6.1.
    mutating func subscribe(_ action: Element, _ options: Element?, _ asker: Asker, _ turn: Turn) -> Answer {
        var node: Node
        switch self.node(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let found): node = found
        }
        guard let jid = action["jid"].flatMap({ try? JID($0) }), jid == asker.bare || jid == asker.jid else {
            return .pubsub(.badRequest, "invalid-jid")
        }
        let service = asker.service
        let all = PubSubMemberTable.subscriptions(node.number, of: asker.bare, in: turn.store)
        if let before = all.first(where: { $0.jid == jid.description }) {
            if before.state == .pending { return .pubsub(.notAuthorized, "pending-subscription") }
            return .result(Self.answer(before, node.row.name))
        }
        guard node.configuration.flags.contains(.takesSubscriptions) || node.affiliation == .owner else {
            return .pubsub(.notAllowed, "unsupported", feature: "subscribe")
        }
        var subscription = NodeSubscription(jid: jid.description, state: .subscribed)
        if let objection = objection(toReading: node, by: asker, turn) {
            guard node.configuration.access == .authorize, node.affiliation == .none else { return objection }
            subscription.state = .pending
        }
        guard all.count < PubSubLimits.subscriptionsPerAddress, node.row.subscriptions < turn.policy.pubsub.subscriptionsPerNode
        else { return .pubsub(.policyViolation, "too-many-subscriptions") }
        if let form = options?.first("x", Namespaces.dataForms).flatMap(DataForm.init) {
            if let refused = Self.read(form, into: &subscription) { return refused }
        }
        guard turn.admits(.state) else { return .error(.diskNearlyFull) }
        PubSubMemberTable.put(subscription, node.number, of: service.number, jid, in: turn.store)
        node.row.subscriptions += 1
        PubSubNodeTable.put(node.number, node.row, in: turn.store)
        if subscription.state == .pending {
            askOwners(node, jid, service, turn)
        } else if node.configuration.sendLast != .never {
            sendLast(node, to: jid, service, turn)
        }
        return .result(Self.answer(subscription, node.row.name))
    }

    private static func answer(_ subscription: NodeSubscription, _ node: String) -> Element {
        Element("pubsub", Namespaces.pubsub, elements: [element(subscription, Namespaces.pubsub, node: node)])
    }

    /// §6.2.
    mutating func unsubscribe(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        var node: Node
        switch self.node(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let found): node = found
        }
        guard let jid = action["jid"].flatMap({ try? JID($0) }) else { return .pubsub(.badRequest, "jid-required") }
        guard jid.hasSameBare(as: asker.jid) else { return .error(StanzaError(.forbidden)) }
        if let id = action["subid"], !id.isEmpty { return .pubsub(.notAcceptable, "invalid-subid") }
        guard let before = PubSubMemberTable.subscription(node.number, jid, in: turn.store) else {
            return .pubsub(.unexpectedRequest, "not-subscribed")
        }
        end(before, jid, &node, asker.service, turn)
        return .result()
    }

    /// A subscription ends.
    func end(_ subscription: NodeSubscription, _ jid: JID, _ node: inout Node, _ service: Service, _ turn: Turn) {
        var subscription = subscription
        subscription.state = .none
        PubSubMemberTable.put(subscription, node.number, of: service.number, jid, in: turn.store)
        node.row.subscriptions -= min(node.row.subscriptions, 1)
        PubSubNodeTable.put(node.number, node.row, in: turn.store)
    }

    /// §6.3.2.
    func options(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        switch ownSubscription(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let (node, _, subscription)):
            let options = Element(
                "options", Namespaces.pubsub, [("node", node.row.name), ("jid", subscription.jid)],
                elements: [Self.form(subscription, .form).element])
            return .result(Element("pubsub", Namespaces.pubsub, elements: [options]))
        }
    }

    /// §6.3.5.
    func setOptions(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        switch ownSubscription(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let (node, jid, before)):
            guard let form = action.first("x", Namespaces.dataForms).flatMap(DataForm.init) else {
                return .error(StanzaError(.badRequest))
            }
            if form.kind == .cancel { return .result() }
            var subscription = before
            if let refused = Self.read(form, into: &subscription) { return refused }
            guard turn.admits(.state) else { return .error(.diskNearlyFull) }
            PubSubMemberTable.put(subscription, node.number, of: asker.service.number, jid, in: turn.store)
            return .result()
        }
    }

    private func ownSubscription(
        _ action: Element, _ asker: Asker, _ turn: Turn
    ) -> Result<(Node, JID, NodeSubscription), Refused> {
        switch node(action, asker, turn) {
        case .failure(let refused): return .failure(refused)
        case .success(let node):
            guard let jid = action["jid"].flatMap({ try? JID($0) }) else {
                return .failure(Refused(.pubsub(.badRequest, "jid-required")))
            }
            guard jid.hasSameBare(as: asker.jid) else { return .failure(Refused(.error(StanzaError(.forbidden)))) }
            guard let subscription = PubSubMemberTable.subscription(node.number, jid, in: turn.store) else {
                return .failure(Refused(.pubsub(.unexpectedRequest, "not-subscribed")))
            }
            return .success((node, jid, subscription))
        }
    }

    /// §6.4: the options where nobody says anything.
    func defaultOptions(_ action: Element) -> Answer {
        let form = Self.form(NodeSubscription(jid: "", state: .subscribed), .form).element
        var defaults = Element("default", Namespaces.pubsub, elements: [form])
        defaults["node"] = action["node"]
        return .result(Element("pubsub", Namespaces.pubsub, elements: [defaults]))
    }

    private static func form(_ subscription: NodeSubscription, _ kind: DataForm.Kind) -> DataForm {
        var form = DataForm(kind)
        form.fields = [
            DataForm.Field("FORM_TYPE", type: "hidden", values: [Namespaces.subscribeOptions]),
            DataForm.Field(
                "pubsub#deliver", type: "boolean", label: "Notifications are wanted",
                values: [subscription.isDelivered ? "1" : "0"]),
            DataForm.Field(
                "pubsub#expire", type: "text-single", label: "When the subscription ends",
                values: subscription.expires.map { [$0.description] } ?? []),
        ]
        return form
    }

    /// Takes what a form of options says; why not, where it cannot be (§6.3.6).
    private static func read(_ form: DataForm, into subscription: inout NodeSubscription) -> Answer? {
        guard form.kind == .submit else { return .error(StanzaError(.badRequest)) }
        for field in form.fields {
            switch (field.name, field.values.first ?? "") {
            case ("pubsub#deliver", "1"), ("pubsub#deliver", "true"): subscription.isDelivered = true
            case ("pubsub#deliver", "0"), ("pubsub#deliver", "false"): subscription.isDelivered = false
            case ("pubsub#expire", ""), ("pubsub#expire", "presence"): subscription.expires = nil
            case ("pubsub#expire", let text):
                guard let time = WallTime(text) else { return .pubsub(.badRequest, "invalid-options") }
                subscription.expires = time
            case ("pubsub#deliver", _): return .pubsub(.badRequest, "invalid-options")
            default: break
            }
        }
        return nil
    }

    /// §5.6: the asker's subscriptions, of all nodes or one.
    func ownSubscriptions(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        var subscriptions = Element("subscriptions", Namespaces.pubsub)
        for (number, row) in ownNodes(action, asker, turn) {
            for subscription in PubSubMemberTable.subscriptions(number, of: asker.bare, in: turn.store) {
                subscriptions.append(Self.element(subscription, Namespaces.pubsub, node: row.name))
            }
        }
        if let nothing = objection(toNothing: subscriptions, asker) { return nothing }
        if let name = action["node"] { subscriptions["node"] = name }
        return .result(Element("pubsub", Namespaces.pubsub, elements: [subscriptions]))
    }

    /// §5.7: what the asker is to all nodes, or one.
    func ownAffiliations(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        var affiliations = Element("affiliations", Namespaces.pubsub)
        let nodes =
            asker.isSelf && action["node"] == nil
            ? allNodes(asker.service, turn) : ownNodes(action, asker, turn)
        for (number, row) in nodes {
            let affiliation = affiliation(of: asker, number, row, turn)
            guard affiliation != .none else { continue }
            affiliations.append(
                Element("affiliation", Namespaces.pubsub, [("node", row.name), ("affiliation", affiliation.word)]))
        }
        if let nothing = objection(toNothing: affiliations, asker) { return nothing }
        if let name = action["node"] { affiliations["node"] = name }
        return .result(Element("pubsub", Namespaces.pubsub, elements: [affiliations]))
    }

    /// Somebody who is nothing to an account learns nothing of it, not even that.
    private func objection(toNothing list: Element, _ asker: Asker) -> Answer? {
        asker.service.isAccount && !asker.isSelf && list.children.isEmpty ? .error(StanzaError(.itemNotFound)) : nil
    }

    private func ownNodes(_ action: Element, _ asker: Asker, _ turn: Turn) -> [(NodeNumber, NodeRow)] {
        if let name = action["node"], !name.isEmpty {
            return node(named: name, asker, turn).map { [($0.number, $0.row)] } ?? []
        }
        return PubSubMemberTable.nodes(of: asker.service.number, asker.bare, limit: PubSubLimits.listed, in: turn.store)
            .compactMap { number in PubSubNodeTable.row(number, in: turn.store).map { (number, $0) } }
            .filter { !$0.1.isDeleted }
    }

    /// The nodes of a service, as many as one answer has.
    func allNodes(_ service: Service, _ turn: Turn) -> [(NodeNumber, NodeRow)] {
        PubSubNodeTable.nodes(of: service.number, after: [], limit: PubSubLimits.listed, in: turn.store).nodes
            .compactMap { number in PubSubNodeTable.row(number, in: turn.store).map { (number, $0) } }
    }

    /// A `<subscription/>`.
    static func element(_ subscription: NodeSubscription, _ namespace: String, node: String? = nil) -> Element {
        var element = Element("subscription", namespace)
        element["node"] = node
        element["jid"] = subscription.jid
        element["subscription"] = subscription.state.word
        return element
    }
}

extension NodeSubscription.State {
    /// XEP-0060 §4.2.
    var word: String {
        switch self {
        case .none: "none"
        case .pending: "pending"
        case .unconfigured: "unconfigured"
        case .subscribed: "subscribed"
        }
    }

    init?(word: String) {
        let all: [NodeSubscription.State] = [.none, .pending, .unconfigured, .subscribed]
        guard let state = all.first(where: { $0.word == word }) else { return nil }
        self = state
    }
}

extension NodeAffiliation {
    /// XEP-0060 §4.1.
    var word: String {
        switch self {
        case .none: "none"
        case .outcast: "outcast"
        case .member: "member"
        case .publishOnly: "publish-only"
        case .publisher: "publisher"
        case .owner: "owner"
        }
    }

    init?(word: String) {
        guard let affiliation = NodeAffiliation.allCases.first(where: { $0.word == word }) else { return nil }
        self = affiliation
    }
}
