import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Nodes made, configured, purged and deleted (XEP-0060 §8.1 to §8.5).
extension PubSub {
    /// Why the asker cannot have another node.
    func objection(toNode name: String, _ asker: Asker, _ turn: Turn) -> Answer? {
        guard name.utf8.count <= PubSubPolicy.nameBytes else {
            return .error(StanzaError(.notAcceptable, text: "The name of a node is too long"))
        }
        let owner = PubSubNodeTable.owner(asker.service.number, in: turn.store)
        let most = asker.service.isAccount ? turn.policy.pubsub.nodesPerAccount : turn.policy.pubsub.nodesPerHost
        guard owner.nodes < most else {
            return .error(StanzaError(.resourceConstraint, .cancel, text: "No more than \(most) nodes can be made"))
        }
        return turn.admits(.state) ? nil : .error(.diskNearlyFull)
    }

    /// §8.1: a node, with a name or without.
    mutating func create(_ action: Element, _ configure: Element?, _ asker: Asker, _ turn: Turn) -> Answer {
        let given = action["node"].flatMap { $0.isEmpty ? nil : $0 }
        guard mayCreate(asker, turn) else { return .error(StanzaError(.forbidden)) }
        // Nodes of accounts have names that say what is in them.
        if given == nil, asker.service.isAccount { return .pubsub(.notAcceptable, "nodeid-required") }
        let name = given ?? turn.random.identifier()
        if node(named: name, asker, turn) != nil { return .error(StanzaError(.conflict)) }
        var configuration = NodeConfiguration.defaults(of: asker.service, name)
        if let refused = read(configure, into: &configuration, asker, turn) { return refused }
        if let objection = objection(toNode: name, asker, turn) { return objection }
        var row = NodeRow(
            owner: asker.service.number, name: name, creator: asker.bare.description, created: turn.wall,
            configuration: configuration)
        if !asker.isSelf { row.affiliations = 1 }
        let number = PubSubNodeTable.insert(row, in: turn.store)
        if !asker.isSelf {
            PubSubMemberTable.set(.owner, number, of: asker.service.number, asker.bare, in: turn.store)
        }
        var owner = PubSubNodeTable.owner(asker.service.number, in: turn.store)
        owner.nodes += 1
        PubSubNodeTable.put(asker.service.number, owner, in: turn.store)
        guard given == nil else { return .result() }
        let create = Element("create", Namespaces.pubsub, [("node", name)])
        return .result(Element("pubsub", Namespaces.pubsub, elements: [create]))
    }

    /// Takes the form of a `<configure/>`; why not, where it cannot be.
    private func read(
        _ configure: Element?, into configuration: inout NodeConfiguration, _ asker: Asker, _ turn: Turn
    ) -> Answer? {
        guard let configure, let element = configure.first("x", Namespaces.dataForms) else { return nil }
        guard let form = DataForm(element), form.kind == .submit,
            form.values("FORM_TYPE").allSatisfy({ $0 == Namespaces.nodeConfiguration })
        else { return .error(StanzaError(.badRequest)) }
        if let field = configuration.take(form, turn.policy.pubsub) {
            return .error(StanzaError(.notAcceptable, text: "\(field) cannot be that"))
        }
        // Hosts have no rosters, and nobody's presence.
        if !asker.service.isAccount, [.presence, .roster].contains(configuration.access) {
            let feature = "access-\(configuration.access.word)"
            return .pubsub(.notAcceptable, "unsupported-access-model", feature: feature)
        }
        return nil
    }

    /// §8.2.1: the form.
    func configuration(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        switch ownNode(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let node):
            let form = node.configuration.form(.form).element
            let configure = Element(
                "configure", Namespaces.pubsubOwner, [("node", node.row.name)], elements: [form])
            return .result(Element("pubsub", Namespaces.pubsubOwner, elements: [configure]))
        }
    }

    /// §8.2.4: the form, filled in.
    mutating func configure(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        var node: Node
        switch ownNode(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let own): node = own
        }
        guard let form = action.first("x", Namespaces.dataForms).flatMap(DataForm.init) else {
            return .error(StanzaError(.badRequest))
        }
        if form.kind == .cancel { return .result() }
        var configuration = node.configuration
        if let refused = read(action, into: &configuration, asker, turn) { return refused }
        guard configuration != node.configuration else { return .result() }
        guard turn.admits(.state) else { return .error(.diskNearlyFull) }
        if let refused = objection(toNews: 0, asker.service, asker.party, turn) { return refused }
        node.row.configuration = configuration
        PubSubNodeTable.put(node.number, node.row, in: turn.store)
        if node.row.items > configuration.mostItems(turn.policy.pubsub) { addSweep(node.number, node.row.owner, turn) }
        if configuration.flags.contains(.notifiesConfiguration) {
            tellConfigured(node, asker.service, asker.party, turn)
        }
        return .result()
    }

    /// §8.3: what a node is like where nobody says anything.
    func defaultConfiguration(_ asker: Asker, _ turn: Turn) -> Answer {
        let form = NodeConfiguration.defaults(of: asker.service, "").form(.form).element
        let defaults = Element("default", Namespaces.pubsubOwner, elements: [form])
        return .result(Element("pubsub", Namespaces.pubsubOwner, elements: [defaults]))
    }

    /// §8.4: the node goes, with everything that it has.
    mutating func delete(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        switch ownNode(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let node):
            let redirect = action.first("redirect", Namespaces.pubsubOwner)?["uri"]
            guard redirect?.utf8.count ?? 0 <= PubSubPolicy.nameBytes else { return .error(StanzaError(.notAcceptable)) }
            if let refused = objection(toNews: 0, asker.service, asker.party, turn) { return refused }
            if node.configuration.flags.contains(.notifiesDeletion) {
                tellDeleted(node, redirect: redirect, asker.service, asker.party, turn)
            }
            remove(node.number, node.row, turn)
            nodeChanged(node.row.name, asker, turn)
            return .result()
        }
    }

    /// A node goes. Its rows are removed when everybody who is to be told has been.
    mutating func remove(_ number: NodeNumber, _ row: NodeRow, _ turn: Turn) {
        PubSubNodeTable.markDeleted(number, row, in: turn.store)
        var owner = PubSubNodeTable.owner(row.owner, in: turn.store)
        owner.nodes -= min(owner.nodes, 1)
        owner.bytes -= min(owner.bytes, row.bytes)
        PubSubNodeTable.put(row.owner, owner, in: turn.store)
        jobs.add(.sweep(number), of: row.owner)
        scheduleWork(turn)
    }

    /// §8.5: all items go.
    mutating func purge(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        switch ownNode(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(var node):
            guard node.configuration.flags.contains(.persists) else {
                return .pubsub(.featureNotImplemented, "unsupported", feature: "persistent-items")
            }
            if let refused = objection(toNews: 0, asker.service, asker.party, turn) { return refused }
            var owner = PubSubNodeTable.owner(asker.service.number, in: turn.store)
            owner.bytes -= min(owner.bytes, node.row.bytes)
            PubSubNodeTable.put(asker.service.number, owner, in: turn.store)
            node.row.removedUpTo = node.row.nextPlace - 1
            (node.row.items, node.row.bytes) = (0, 0)
            PubSubNodeTable.put(node.number, node.row, in: turn.store)
            if node.configuration.flags.contains(.notifiesRetraction) {
                tellPurged(node, asker.service, asker.party, turn)
            }
            addSweep(node.number, node.row.owner, turn)
            nodeChanged(node.row.name, asker, turn)
            return .result()
        }
    }

    /// An account is gone, and with it its nodes: nobody who has its name next is shown them.
    public mutating func accountRemoved(_ account: AccountName, _ turn: Turn) {
        let all = PubSubNodeTable.nodes(of: account.number, after: [], limit: .max, in: turn.store).nodes
        for number in all {
            guard let row = PubSubNodeTable.row(number, in: turn.store) else { continue }
            remove(number, row, turn)
        }
        VCardTable.remove(account.number, in: turn.store)
        AvatarTable.set(account.number, nil, in: turn.store)
        PrivateStorageTable.removeAll(of: account.number, in: turn.store)
        entities.forget(viewer: account.number)
    }
}
