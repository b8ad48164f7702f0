import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Notifications (XEP-0060 §7.1.2, §7.2.2, §8.2.5, §8.4.2, §8.5.2): to whoever has subscribed, and for accounts to everybody who sees
/// their presence, is there, and wants them (XEP-0163 §4).
extension PubSub {
    /// Why no more news of a service can go out now.
    func objection(toNews bytes: Int, _ service: Service, _ party: Party, _ turn: Turn) -> Answer? {
        guard jobs.broadcasts(of: service.number) < PubSubLimits.newsPerOwner,
            bytes == 0 || turn.memory.admits(party, ceiling: turn.policy.limits.memoryCeiling)
        else {
            return .error(StanzaError(.resourceConstraint, .wait, text: "Too much of this is on its way to others"))
        }
        return nil
    }

    mutating func tellPublished(_ item: ItemRow, _ node: Node, _ service: Service, _ party: Party, _ turn: Turn) {
        tell(Self.event(item, node.row), node, service, party, turn)
    }

    mutating func tellRetracted(_ ids: [String], _ node: Node, _ service: Service, _ party: Party, _ turn: Turn) {
        var items = Element("items", Namespaces.pubsubEvent, [("node", node.row.name)])
        for id in ids { items.append(Element("retract", Namespaces.pubsubEvent, [("id", id)])) }
        tell(items, node, service, party, turn)
    }

    mutating func tellConfigured(_ node: Node, _ service: Service, _ party: Party, _ turn: Turn) {
        var configuration = Element("configuration", Namespaces.pubsubEvent, [("node", node.row.name)])
        if node.configuration.flags.contains(.deliversPayloads) {
            configuration.append(node.configuration.form(.result).element)
        }
        tell(configuration, node, service, party, turn)
    }

    mutating func tellPurged(_ node: Node, _ service: Service, _ party: Party, _ turn: Turn) {
        tell(Element("purge", Namespaces.pubsubEvent, [("node", node.row.name)]), node, service, party, turn)
    }

    mutating func tellDeleted(_ node: Node, redirect: String?, _ service: Service, _ party: Party, _ turn: Turn) {
        var delete = Element("delete", Namespaces.pubsubEvent, [("node", node.row.name)])
        if let redirect { delete.append(Element("redirect", Namespaces.pubsubEvent, [("uri", redirect)])) }
        tell(delete, node, service, party, turn)
    }

    /// What is said of an item.
    private static func event(_ item: ItemRow, _ row: NodeRow) -> Element {
        var items = Element("items", Namespaces.pubsubEvent, [("node", row.name)])
        let hasPayload = row.configuration.flags.contains(.deliversPayloads)
        // A node that keeps nothing and shows nothing has no items (§7.1.3.3).
        if hasPayload || row.configuration.flags.contains(.persists) {
            items.append(item.element(Namespaces.pubsubEvent, hasPayload: hasPayload, publisher: true))
        }
        return items
    }

    mutating func tell(_ news: Element, _ node: Node, _ service: Service, _ party: Party, _ turn: Turn) {
        guard node.configuration.flags.contains(.deliversNotifications) else { return }
        let event = Element("event", Namespaces.pubsubEvent, elements: [news])
        let broadcast = Broadcast(
            service: service, node: node.number, name: node.row.name, configuration: node.configuration,
            stanza: Self.stanza(event, node.configuration, service, turn), party: party,
            hasSubscribers: node.row.subscriptions > 0, hasMembers: node.row.affiliations > 0,
            phase: node.row.subscriptions > 0 ? .subscribers(after: []) : .own)
        turn.memory.changed(by: broadcast.bytes, for: party)
        let isFirst = jobs.add(.broadcast(broadcast), of: service.number)
        if isFirst, let (queue, job) = jobs.takeLast(of: service.number, isGreeting: false) {
            var slice = NewsSlice()
            work(job, in: queue, &slice, turn)
        }
        scheduleWork(turn)
    }

    private static func stanza(
        _ event: Element, _ configuration: NodeConfiguration, _ service: Service, _ turn: Turn
    ) -> Stanza {
        let type = configuration.flags.contains(.isKept) ? nil : "headline"
        return Stanza(.message, from: service.jid, id: NewsID.make(turn), type: type, payloads: [event])
    }

    /// One notification to one address.
    func send(_ event: Element, to jid: JID, _ configuration: NodeConfiguration, _ service: Service, _ turn: Turn) {
        send(Self.stanza(event, configuration, service, turn), to: jid, turn)
    }

    private func send(_ stanza: Stanza, to jid: JID, _ turn: Turn) {
        var copy = stanza
        copy.to = jid
        if copy.type == nil { turn.route(copy, from: .account) } else { turn.routeNews(copy) }
    }

    /// The last item to whoever has come or subscribed (§6.1.7), with its time. Says how many bytes went.
    @discardableResult
    func sendLast(_ node: Node, to jid: JID, _ service: Service, _ turn: Turn) -> Int {
        guard node.row.items > 0, node.configuration.flags.contains(.deliversNotifications),
            let last = PubSubItemTable.last(node.number, in: turn.store), last.place > node.row.removedUpTo
        else { return 0 }
        let event = Element("event", Namespaces.pubsubEvent, elements: [Self.event(last.row, node.row)])
        var stanza = Self.stanza(event, node.configuration, service, turn)
        stanza.append(
            Element(
                "delay", Namespaces.delay,
                [("from", service.jid.description), ("stamp", last.row.published.description)]))
        send(stanza, to: jid, turn)
        return stanza.content.count
    }

    // MARK: slices

    /// Sees to it that jobs go on.
    mutating func scheduleWork(_ turn: Turn) {
        guard !jobs.isScheduled, !jobs.isEmpty else { return }
        jobs.isScheduled = true
        turn.schedule(.pubsub(.work), after: PubSubLimits.pause)
    }

    /// The next slice.
    mutating func workDue(_ turn: Turn) {
        jobs.isScheduled = false
        var slice = NewsSlice()
        // Greetings are mostly nothing: several fit into one slice.
        var first = true
        while !slice.isSpent, let (queue, job) = jobs.take() {
            let payer: Party
            if case .broadcast(let broadcast) = job { payer = broadcast.party } else { payer = .account(queue.number) }
            // Everything of one slice is on one bill.
            if !first, turn.bill.payer != payer {
                jobs.putBack(job, in: queue, done: job)
                break
            }
            turn.bill.payer = payer
            first = false
            work(job, in: queue, &slice, turn)
        }
        scheduleWork(turn)
    }

    private mutating func work(_ job: NewsJobs.Job, in queue: NewsJobs.Queue, _ slice: inout NewsSlice, _ turn: Turn) {
        let rest: NewsJobs.Job?
        switch job {
        case .broadcast(var broadcast):
            let isDone = tell(&broadcast, &slice, turn)
            if isDone { turn.memory.changed(by: -broadcast.bytes, for: broadcast.party) }
            rest = isDone ? nil : .broadcast(broadcast)
        case .greeting(var greeting): rest = greet(&greeting, &slice, turn) ? nil : .greeting(greeting)
        case .arrival(var arrival): rest = greet(&arrival, &slice, turn) ? nil : .arrival(arrival)
        case .sweep(let node): rest = sweep(node, &slice, turn) ? nil : .sweep(node)
        }
        jobs.putBack(rest, in: queue, done: job)
    }

    /// One slice of a broadcast. True if everybody was told.
    private mutating func tell(_ broadcast: inout Broadcast, _ slice: inout NewsSlice, _ turn: Turn) -> Bool {
        if case .subscribers(let after) = broadcast.phase {
            let limit = PubSubLimits.stanzas
            let (rows, last) = PubSubMemberTable.subscriptions(
                broadcast.node, after: after, limit: limit, in: turn.store)
            for row in rows {
                slice.visit()
                tell(row, broadcast, &slice, turn)
            }
            broadcast.phase = rows.count < limit ? .own : .subscribers(after: last)
            if slice.isSpent || rows.count == limit { return false }
        }
        guard broadcast.service.isAccount else { return true }
        let account = AccountName(broadcast.service.jid, broadcast.service.number)
        if case .own = broadcast.phase {
            tell(account.number, account.jid, isOwn: true, broadcast, account, &slice, turn)
            broadcast.phase = .contacts(after: AddressNumber(0))
            // Nobody else may see it.
            let access = broadcast.configuration.access
            if !broadcast.hasMembers, access == .whitelist || access == .authorize { return true }
        }
        while case .contacts(let after) = broadcast.phase {
            let limit = PubSubLimits.stanzas
            let contacts = RosterTable.flags(of: account.number, after: after, limit: limit, in: turn.store)
            for (contact, flags) in contacts {
                guard !slice.isSpent else { return false }
                slice.visit()
                broadcast.phase = .contacts(after: contact)
                if flags.contains(.from) { tell(contact, nil, isOwn: false, broadcast, account, &slice, turn) }
            }
            if contacts.count < limit { return true }
        }
        return true
    }

    /// Who has subscribed. Subscriptions that are over end here.
    private func tell(_ row: NodeSubscription, _ broadcast: Broadcast, _ slice: inout NewsSlice, _ turn: Turn) {
        guard row.state == .subscribed, row.isDelivered, let jid = try? JID(row.jid) else { return }
        if let expires = row.expires, expires < turn.wall { return }
        if broadcast.configuration.flags.contains(.needsPresence), jid.isFull, !entities.isThere(jid) { return }
        slice.send(broadcast.bytes)
        send(broadcast.stanza, to: jid, turn)
    }

    /// The resources of an account or a contact that want it.
    private func tell(
        _ contact: AddressNumber, _ bare: JID?, isOwn: Bool, _ broadcast: Broadcast, _ account: AccountName,
        _ slice: inout NewsSlice, _ turn: Turn
    ) {
        let resources = entities.resources(of: contact, seenBy: account)
        guard let first = resources.first else { return }
        let bare = bare ?? first.jid.bare
        if !isOwn,
            !isVisible(
                broadcast.configuration, of: broadcast.node, to: contact, bare, broadcast.service,
                hasMembers: broadcast.hasMembers, turn)
        {
            return
        }
        // Who has subscribed has it already.
        if broadcast.hasSubscribers,
            PubSubMemberTable.subscriptions(broadcast.node, of: bare, in: turn.store).contains(where: {
                $0.state == .subscribed
            })
        {
            return
        }
        for (jid, capability) in resources where capabilities.wants(broadcast.name, capability) {
            slice.send(broadcast.bytes)
            send(broadcast.stanza, to: jid, turn)
        }
    }
}
