import MartletBus
import MartletStore
import XMPPStanzas
import XMPPXML

/// Items asked for (XEP-0060 §6.5), page by page where they are many (XEP-0059).
extension PubSub {
    /// §6.5.
    func items(_ action: Element, _ pubsub: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        let node: Node
        switch self.node(action, asker, turn) {
        case .failure(let refused): return refused.answer
        case .success(let found): node = found
        }
        if let objection = objection(toReading: node, by: asker, turn) { return objection }
        var items = Element("items", Namespaces.pubsub, [("node", node.row.name)])
        let wanted = action.all("item", Namespaces.pubsub)
        if !wanted.isEmpty {
            return named(wanted.map { $0["id"] ?? "" }, node, &items, turn)
        }
        var most = turn.policy.pubsub.page
        if let text = action["max_items"] {
            guard let number = Int(text), number > 0 else { return .error(StanzaError(.badRequest)) }
            most = min(most, number)
        }
        var request = ResultSetRequest()
        let set = pubsub.first("set", Namespaces.resultSet)
        if let set {
            guard let read = ResultSetRequest(set) else { return .error(StanzaError(.badRequest)) }
            request = read
        } else {
            // The most recent ones, where not all go in.
            request.start = .before(nil)
        }
        request.limit = min(request.limit ?? most, most)
        guard let page = page(request, node, turn) else { return .error(StanzaError(.itemNotFound)) }
        for row in page.rows { items.append(row.element(Namespaces.pubsub)) }
        var result = Element("pubsub", Namespaces.pubsub, elements: [items])
        // Nothing is said of pages where everything that was asked for is there.
        if set != nil || (page.isCut && action["max_items"] == nil) { result.append(page.set.element) }
        return .result(result)
    }

    private func named(_ ids: [String], _ node: Node, _ items: inout Element, _ turn: Turn) -> Answer {
        guard ids.count <= PubSubLimits.itemsAtOnce else { return .error(StanzaError(.policyViolation)) }
        var bytes = 0
        for id in ids {
            guard let place = PubSubItemTable.place(of: id, node.number, removedUpTo: node.row.removedUpTo, in: turn.store),
                let row = PubSubItemTable.row(node.number, place, in: turn.store)
            else { continue }
            bytes += Int(row.size)
            if !items.children.isEmpty, bytes > turn.policy.pubsub.answerBytes { break }
            items.append(row.element(Namespaces.pubsub))
        }
        if items.children.isEmpty { return .error(StanzaError(.itemNotFound)) }
        return .result(Element("pubsub", Namespaces.pubsub, elements: [items]))
    }

    private struct Page {
        var rows: [ItemRow] = []
        var set = ResultSet()
        /// There are others.
        var isCut = false
    }

    /// A part of a node's items, in the order in which they were published; nil where it would begin at an item that there is not.
    private func page(_ request: ResultSetRequest, _ node: Node, _ turn: Turn) -> Page? {
        var page = Page()
        page.set.count = node.row.items
        let (number, limit) = (node.number, request.limit ?? 0)
        guard limit > 0 else {
            page.isCut = node.row.items > 0
            return page
        }
        var rows: [ItemRow] = []
        var bytes = 0
        func takes(_ row: ItemRow) -> Bool {
            guard rows.count < limit, rows.isEmpty || bytes + Int(row.size) <= turn.policy.pubsub.answerBytes else {
                return false
            }
            bytes += Int(row.size)
            rows.append(row)
            return true
        }
        func place(_ id: String) -> UInt64? {
            PubSubItemTable.place(of: id, number, removedUpTo: node.row.removedUpTo, in: turn.store)
        }
        if case .before(let id) = request.start {
            var next = UInt64.max
            if let id {
                guard let place = place(id) else { return nil }
                next = place
            }
            while let found = PubSubItemTable.last(number, before: next, in: turn.store),
                found.place > node.row.removedUpTo, takes(found.row)
            { next = found.place }
            rows.reverse()
            if id == nil { page.set.index = node.row.items - rows.count }
        } else {
            var next = node.row.removedUpTo + 1
            switch request.start {
            case .after(let id):
                guard let place = place(id) else { return nil }
                next = place + 1
            case .index(let index):
                guard index < node.row.items else { return nil }
                for _ in 0..<index {
                    guard let found = PubSubItemTable.first(number, from: next, in: turn.store) else { return nil }
                    next = found.place + 1
                }
                page.set.index = index
            case .first: page.set.index = 0
            case .before: break
            }
            while let found = PubSubItemTable.first(number, from: next, in: turn.store), takes(found.row) {
                next = found.place + 1
            }
        }
        page.rows = rows
        page.set.first = rows.first?.id
        page.set.last = rows.last?.id
        if rows.isEmpty { page.set.index = nil }
        page.isCut = rows.count < node.row.items
        return page
    }
}

extension ItemRow {
    /// The item as an element of that namespace.
    func element(_ namespace: String, hasPayload: Bool = true, publisher: Bool = false) -> Element {
        var item = Element("item", namespace, [("id", id)])
        if publisher { item["publisher"] = self.publisher }
        if hasPayload, !payload.isEmpty {
            for element in ContentReader.elements(in: payload) { item.append(element) }
        }
        return item
    }
}
