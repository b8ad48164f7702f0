import MartletBus
import MartletStore
import XMPPStanzas
import XMPPXML

/// What follows when something is published that stands elsewhere in another form too.
extension PubSub {
    /// A client has changed what a node has.
    mutating func nodeChanged(_ name: String, _ asker: Asker, _ turn: Turn) {
        guard asker.service.isAccount else { return }
        let own = Asker(
            jid: asker.service.jid, service: asker.service, isSelf: true, party: .account(asker.service.number))
        switch name {
        case ProfileNodes.avatarMetadata: pictureChanged(asker.service, turn)
        // What was written last is the profile.
        case ProfileNodes.vCard: VCardTable.remove(asker.service.number, in: turn.store)
        case Namespaces.bookmarks: showBookmarks(own, turn)
        case Namespaces.bookmarkStorage:
            guard let node = node(named: name, own, turn), let storage = last(node, turn),
                storage.is("storage", Namespaces.bookmarkStorage)
            else { return }
            _ = setBookmarks(storage, own, turn)
        default: break
        }
    }

    /// Writes items to a node of an account, which is made if it has to be, and takes others back: one piece of news, and nothing
    /// follows from it. Why not, where that cannot be.
    mutating func write(
        _ items: [(id: String, payload: Element)], removing gone: [String] = [], to name: String, _ asker: Asker, _ turn: Turn
    ) -> Answer? {
        if items.isEmpty, gone.isEmpty { return nil }
        if let refused = objection(toNews: 0, asker.service, asker.party, turn) { return refused }
        var news = Element("items", Namespaces.pubsubEvent, [("node", name)])
        for (id, payload) in items {
            let found = node(named: name, asker, turn)
            let bytes = payload.serialized(within: Namespaces.client)
            guard bytes.count <= turn.policy.pubsub.itemBytes else { return .pubsub(.notAcceptable, "payload-too-big") }
            if found == nil, let objection = objection(toNode: name, asker, turn) { return objection }
            let row = NodeRow(
                owner: asker.service.number, name: name, creator: asker.bare.description, created: turn.wall,
                configuration: .defaults(of: asker.service, name))
            let node = found ?? Node(number: NodeNumber(0), row: row, affiliation: .owner)
            let item = ItemRow(id: id, publisher: "", published: turn.wall, payload: bytes)
            if let refused = store(item, in: node, isNew: found == nil, isQuiet: true, asker, turn) { return refused }
            news.append(Element("item", Namespaces.pubsubEvent, [("id", id)], elements: [payload]))
        }
        guard var node = node(named: name, asker, turn) else { return nil }
        if !gone.isEmpty {
            var owner = PubSubNodeTable.owner(asker.service.number, in: turn.store)
            for id in gone {
                guard
                    let place = PubSubItemTable.place(
                        of: id, node.number, removedUpTo: node.row.removedUpTo, in: turn.store),
                    let row = PubSubItemTable.row(node.number, place, in: turn.store)
                else { continue }
                remove(row, at: place, of: &node, &owner, turn)
                news.append(Element("retract", Namespaces.pubsubEvent, [("id", id)]))
            }
            PubSubNodeTable.put(node.number, node.row, in: turn.store)
            PubSubNodeTable.put(asker.service.number, owner, in: turn.store)
        }
        tell(news, node, asker.service, asker.party, turn)
        return nil
    }
}
