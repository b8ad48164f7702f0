import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What is kept of what passes on its way to our people.
extension LastKnown {
    /// News of a contact's node, for an account or one of its sessions.
    public mutating func heard(_ news: Stanza, for account: AddressNumber, _ turn: Turn) {
        guard turn.policy.pubsub.knownBytesPerAccount > 0, !news.isError, let from = news.from, from.localpart != nil,
            let event = news.payload("event", Namespaces.pubsubEvent)?.elements.first, let node = event["node"],
            let contact = contact(from, of: account, turn)
        else { return }
        switch event.name {
        case "items": heard(items: event, node, contact, account, Namespaces.pubsubEvent, turn)
        case "purge", "delete": forget(contact, of: account, turn) { $0.kind == .item && $0.node == node }
        default: break
        }
    }

    /// The number of somebody whom an account has among its contacts.
    func contact(_ jid: JID, of account: AddressNumber, _ turn: Turn) -> AddressNumber? {
        guard let number = AddressTable.number(of: jid.bare, in: turn.store),
            RosterTable.row(account, number, in: turn.store) != nil
        else { return nil }
        return number
    }

    /// Items of a node, in news or in an answer.
    func heard(
        items: Element, _ node: String, _ contact: AddressNumber, _ account: AddressNumber, _ namespace: String, _ turn: Turn
    ) {
        let retracted = items.all("retract", namespace).map { $0["id"] ?? "" }
        if !retracted.isEmpty {
            forget(contact, of: account, turn) { $0.kind == .item && $0.node == node && retracted.contains($0.id) }
        }
        let arrival = LastKnownTable.size(of: LastKnownTable.everybody, in: turn.store).place + 1
        var known = LastKnownTable.rows(account, contact, in: turn.store)
        for item in items.all("item", namespace).suffix(LastKnownLimits.itemsAtOnce) {
            var row = LastKnownTable.Row(.item, node: node, id: item["id"] ?? "", at: turn.wall)
            row.arrival = arrival
            if let payload = item.elements.first {
                keep(row, payload, contact, account, &known, turn)
            } else if let index = known.firstIndex(where: { $0.row.isSame(as: row) }) {
                // It is another now, and nobody has said which.
                remove(at: index, of: &known, contact, account, turn)
            }
        }
    }

    private typealias Known = [(place: UInt64, row: LastKnownTable.Row)]

    /// Keeps one thing, in the place of what it was before. Nothing depends on it: where there is no room it is not kept. `known` is what
    /// the account knows of the contact.
    func keep(
        _ row: LastKnownTable.Row, _ payload: Element, _ contact: AddressNumber, _ account: AddressNumber,
        _ known: inout [(place: UInt64, row: LastKnownTable.Row)], _ turn: Turn
    ) {
        let policy = turn.policy.pubsub
        let text = payload.serialized(within: Namespaces.client)
        if let index = known.firstIndex(where: { $0.row.isSame(as: row) }) {
            let (place, old) = known[index]
            if old.bytes == text.count, old.digest == LastKnownTable.digest(text) {
                // Each of an account's devices is told the same: that is noted once.
                let isOld = row.at.milliseconds - old.at.milliseconds >= LastKnownLimits.refresh
                let isOvertaken =
                    row.kind == .item && known.contains { $0.row.node == row.node && $0.row.arrival > old.arrival }
                guard isOld || isOvertaken else { return }
                (known[index].row.at, known[index].row.arrival) = (row.at, row.arrival)
                let new = known[index].row
                return turn.lazily { LastKnownTable.put(account, contact, place, new, in: turn.store) }
            }
            remove(at: index, of: &known, contact, account, turn)
        }
        let size = text.count + row.node.utf8.count + row.id.utf8.count + LastKnownTable.overhead
        let share = policy.knownBytesPerAccount / LastKnownLimits.contactShare
        guard row.node.utf8.count <= PubSubPolicy.nameBytes, row.id.utf8.count <= PubSubPolicy.nameBytes,
            text.count <= policy.itemBytes, size <= share, turn.admits(.note, bytes: text.count)
        else { return }
        // What is known of one contact has a bound of its own: nobody pushes out what is known of others.
        var bytes = UInt64(known.reduce(size) { $0 + $1.row.size })
        while let oldest = known.first, known.count >= LastKnownLimits.perContact || bytes > share {
            bytes -= UInt64(oldest.row.size)
            remove(at: 0, of: &known, contact, account, turn)
        }
        turn.lazily { makeRoom(for: size, account, turn) }
        guard LastKnownTable.size(of: account, in: turn.store).bytes + UInt64(size) <= policy.knownBytesPerAccount,
            LastKnownTable.size(of: LastKnownTable.everybody, in: turn.store).bytes + UInt64(size) <= policy.knownBytes
        else { return }
        turn.lazily { known.append(LastKnownTable.add(account, contact, row, text: text, in: turn.store)) }
    }

    private func remove(
        at index: Int, of known: inout Known, _ contact: AddressNumber, _ account: AddressNumber, _ turn: Turn
    ) {
        let place = known.remove(at: index).place
        turn.lazily { LastKnownTable.remove(account, contact, place, in: turn.store) }
    }

    /// The oldest gives way, of the account and then of everybody.
    private func makeRoom(for size: Int, _ account: AddressNumber, _ turn: Turn) {
        let policy = turn.policy.pubsub
        var left = LastKnownLimits.evictions
        while left > 0, LastKnownTable.size(of: account, in: turn.store).bytes + UInt64(size) > policy.knownBytesPerAccount,
            let oldest = LastKnownTable.oldest(of: account, in: turn.store)
        {
            left -= 1
            LastKnownTable.remove(account, oldest.contact, oldest.place, in: turn.store)
        }
        let everybody = LastKnownTable.everybody
        while left > 0, LastKnownTable.size(of: everybody, in: turn.store).bytes + UInt64(size) > policy.knownBytes,
            let oldest = LastKnownTable.oldest(in: turn.store)
        {
            left -= 1
            LastKnownTable.remove(oldest.account, oldest.contact, oldest.place, in: turn.store)
        }
    }
}
