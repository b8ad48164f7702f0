// XEP-0060: Publish-Subscribe, version 1.30.0, leaf nodes: no collections, no digests, no get-pending, one subscription of each address
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Publishing and taking back (XEP-0060 §7).
extension PubSub {
    /// §7.1: one item.
    mutating func publish(_ action: Element, options: Element?, _ asker: Asker, _ turn: Turn) -> Answer {
        guard let name = action["node"], !name.isEmpty else { return .pubsub(.badRequest, "nodeid-required") }
        let items = action.all("item", Namespaces.pubsub)
        guard items.count <= 1 else { return .pubsub(.badRequest, "max-items-exceeded") }
        var submitted: DataForm?
        if let options {
            guard let form = options.first("x", Namespaces.dataForms).flatMap(DataForm.init), form.kind == .submit,
                form.values("FORM_TYPE") == [Namespaces.publishOptions]
            else { return .error(StanzaError(.badRequest)) }
            submitted = form
        }
        let found = node(named: name, asker, turn)
        let node: Node
        if let found {
            guard mayPublish(found, asker, turn) else { return .error(StanzaError(.forbidden)) }
            if let submitted, !found.configuration.meets(submitted, turn.policy.pubsub) {
                return .pubsub(.conflict, "precondition-not-met")
            }
            node = found
        } else {
            switch autoCreated(name, submitted, asker, turn) {
            case .failure(let refused): return refused.answer
            case .success(let made): node = made
            }
        }
        switch Self.item(items.first, node, turn) {
        case .failure(let refused): return refused.answer
        case .success(let item):
            if let refused = store(item, in: node, isNew: found == nil, asker, turn) { return refused }
            nodeChanged(name, asker, turn)
            return .result(Self.published(name, item.id))
        }
    }

    private static func published(_ node: String, _ id: String) -> Element {
        let item = Element("item", Namespaces.pubsub, [("id", id)])
        let publish = Element("publish", Namespaces.pubsub, [("node", node)], elements: [item])
        return Element("pubsub", Namespaces.pubsub, elements: [publish])
    }

    /// §7.1.4: a node that comes to be by what is published to it, not in the store yet.
    private func autoCreated(_ name: String, _ options: DataForm?, _ asker: Asker, _ turn: Turn) -> Result<Node, Refused> {
        guard asker.service.isAccount, asker.isSelf else {
            return .failure(Refused(.error(StanzaError(asker.service.isAccount ? .forbidden : .itemNotFound))))
        }
        var configuration = NodeConfiguration.defaults(of: asker.service, name)
        if let options {
            // §7.1.5: what is not known can be no precondition.
            guard configuration.take(options, turn.policy.pubsub, isStrict: true) == nil else {
                return .failure(Refused(.pubsub(.conflict, "precondition-not-met")))
            }
        }
        if let objection = objection(toNode: name, asker, turn) { return .failure(Refused(objection)) }
        let row = NodeRow(
            owner: asker.service.number, name: name, creator: asker.bare.description, created: turn.wall,
            configuration: configuration)
        return .success(Node(number: NodeNumber(0), row: row, affiliation: .owner))
    }

    /// What is to be published, checked against what the node takes (§7.1.3).
    private static func item(_ item: Element?, _ node: Node, _ turn: Turn) -> Result<ItemRow, Refused> {
        let flags = node.configuration.flags
        let payloads = item?.elements ?? []
        guard payloads.count <= 1 else { return .failure(Refused(.pubsub(.badRequest, "invalid-payload"))) }
        if item == nil, flags.contains(.persists) || flags.contains(.deliversPayloads) {
            return .failure(Refused(.pubsub(.badRequest, "item-required")))
        }
        if payloads.isEmpty, flags.contains(.deliversPayloads) {
            return .failure(Refused(.pubsub(.badRequest, "payload-required")))
        }
        if item != nil, !flags.contains(.persists), !flags.contains(.deliversPayloads) {
            return .failure(Refused(.pubsub(.badRequest, "item-forbidden")))
        }
        let id = item?["id"].flatMap { $0.isEmpty ? nil : $0 } ?? turn.random.identifier()
        guard id.utf8.count <= PubSubPolicy.nameBytes else {
            return .failure(Refused(.error(StanzaError(.notAcceptable, text: "The id of an item is too long"))))
        }
        let payload = payloads.first?.serialized(within: Namespaces.client) ?? []
        let most = node.configuration.maxPayload == 0 ? Int.max : Int(node.configuration.maxPayload)
        guard payload.count <= min(most, turn.policy.pubsub.itemBytes) else {
            return .failure(Refused(.pubsub(.notAcceptable, "payload-too-big")))
        }
        return .success(ItemRow(id: id, publisher: "", published: turn.wall, payload: payload))
    }

    /// Writes an item, in a node that may be new, and tells everybody; why not, where that cannot be.
    mutating func store(
        _ item: ItemRow, in node: Node, isNew: Bool, isQuiet: Bool = false, _ asker: Asker, _ turn: Turn
    ) -> Answer? {
        let service = asker.service
        var (item, node) = (item, node)
        item.publisher = asker.bare.description
        let persists = node.configuration.flags.contains(.persists)
        if let refused = objection(toNews: item.payload.count, service, asker.party, turn) { return refused }
        var owner = PubSubNodeTable.owner(service.number, in: turn.store)
        let before =
            isNew
            ? nil
            : PubSubItemTable.place(
                of: item.id, node.number, removedUpTo: node.row.removedUpTo, in: turn.store)
        let old = before.flatMap { PubSubItemTable.row(node.number, $0, in: turn.store) }
        if let old, node.affiliation != .owner, node.affiliation != .publisher, old.publisher != item.publisher {
            return .error(StanzaError(.forbidden))
        }
        if persists || isNew {
            guard turn.admits(.state, bytes: item.payload.count) else { return .error(.diskNearlyFull) }
        }
        if persists {
            let most = service.isAccount ? turn.policy.pubsub.bytesPerAccount : turn.policy.pubsub.bytesPerHost
            let freed = old?.size ?? leaving(node, turn)
            guard owner.bytes - min(owner.bytes, freed) + item.size <= most else {
                return .error(StanzaError(.resourceConstraint, .cancel, text: "No more than \(most) bytes can be published"))
            }
        }
        if isNew {
            owner.nodes += 1
            node = Node(
                number: PubSubNodeTable.insert(node.row, in: turn.store), row: node.row, affiliation: node.affiliation)
        }
        if persists {
            if let old, let before { remove(old, at: before, of: &node, &owner, turn) }
            PubSubItemTable.put(node.number, node.row.nextPlace, item, in: turn.store)
            expire(node, turn)
            node.row.nextPlace += 1
            node.row.items += 1
            node.row.bytes += item.size
            owner.bytes += item.size
            removeExcess(of: &node, &owner, turn)
        }
        if persists || isNew {
            PubSubNodeTable.put(node.number, node.row, in: turn.store)
            PubSubNodeTable.put(service.number, owner, in: turn.store)
        }
        if !isQuiet { tellPublished(item, node, service, asker.party, turn) }
        return nil
    }

    /// Bytes of the item that gives way to the next one.
    private func leaving(_ node: Node, _ turn: Turn) -> UInt64 {
        let most = node.configuration.mostItems(turn.policy.pubsub)
        guard node.row.items >= most, node.row.items > 0,
            let first = PubSubItemTable.first(node.number, from: node.row.removedUpTo + 1, in: turn.store)
        else { return 0 }
        return first.row.size
    }

    /// Removes an item from a node whose rows are written later.
    func remove(_ item: ItemRow, at place: UInt64, of node: inout Node, _ owner: inout NodeOwnerRow, _ turn: Turn) {
        PubSubItemTable.remove(node.number, place, item, in: turn.store)
        node.row.items -= min(node.row.items, 1)
        node.row.bytes -= min(node.row.bytes, item.size)
        owner.bytes -= min(owner.bytes, item.size)
    }

    /// The oldest items give way (§7.1.4): some now, and the others in slices where a new configuration leaves many.
    private mutating func removeExcess(of node: inout Node, _ owner: inout NodeOwnerRow, _ turn: Turn) {
        let most = node.configuration.mostItems(turn.policy.pubsub)
        for _ in 0..<PubSubLimits.removedAtOnce where node.row.items > most {
            guard let first = PubSubItemTable.first(node.number, from: node.row.removedUpTo + 1, in: turn.store) else { return }
            remove(first.row, at: first.place, of: &node, &owner, turn)
        }
        if node.row.items > most { addSweep(node.number, node.row.owner, turn) }
    }

    /// §7.2: an item is taken back.
    mutating func retract(_ action: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        let name: String
        switch node(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let node): name = node.row.name
        }
        let items = action.all("item", Namespaces.pubsub)
        guard !items.isEmpty, items.count <= PubSubLimits.itemsAtOnce else { return .pubsub(.badRequest, "item-required") }
        var ids: [String] = []
        for item in items {
            guard let id = item["id"], !id.isEmpty else { return .pubsub(.badRequest, "item-required") }
            ids.append(id)
        }
        return retract(ids, from: name, notifies: action["notify"].map { $0 == "1" || $0 == "true" }, asker, turn) ?? .result()
    }

    /// The same by the name of the node; nil where it was done.
    mutating func retract(
        _ ids: [String], from name: String, notifies: Bool?, _ asker: Asker, _ turn: Turn
    ) -> Answer? {
        guard var node = node(named: name, asker, turn) else { return .error(StanzaError(.itemNotFound)) }
        guard node.affiliation != .outcast else { return .error(StanzaError(.forbidden)) }
        guard node.configuration.flags.contains(.persists) else {
            return .pubsub(.featureNotImplemented, "unsupported", feature: "persistent-items")
        }
        var found: [(place: UInt64, row: ItemRow)] = []
        for id in ids {
            guard
                let place = PubSubItemTable.place(
                    of: id, node.number, removedUpTo: node.row.removedUpTo, in: turn.store),
                let row = PubSubItemTable.row(node.number, place, in: turn.store)
            else { return .error(StanzaError(.itemNotFound)) }
            guard [.owner, .publisher].contains(node.affiliation) || row.publisher == asker.bare.description else {
                return .error(StanzaError(.forbidden))
            }
            found.append((place, row))
        }
        if let refused = objection(toNews: 0, asker.service, asker.party, turn) { return refused }
        var owner = PubSubNodeTable.owner(asker.service.number, in: turn.store)
        for (place, row) in found { remove(row, at: place, of: &node, &owner, turn) }
        PubSubNodeTable.put(node.number, node.row, in: turn.store)
        PubSubNodeTable.put(asker.service.number, owner, in: turn.store)
        if notifies ?? node.configuration.flags.contains(.notifiesRetraction) {
            tellRetracted(ids, node, asker.service, asker.party, turn)
        }
        nodeChanged(name, asker, turn)
        return nil
    }
}
