import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Who comes is shown the last item of what he wants (XEP-0163 §4.3), and who goes is told nothing more.
extension PubSub {
    /// A resource of ours is available, or was shown anew what it may have missed.
    public mutating func heardOurs(_ presence: Stanza, _ account: AccountName, _ hearing: Hearing, _ turn: Turn) {
        guard turn.policy.pubsub.isEnabled, let jid = presence.from, let claim = CapabilityClaim(presence) else { return }
        let place = capabilities.use(claim, turn)
        let before = entities.ours(jid, account.number, place)
        if let before { capabilities.release(before) }
        guard hearing == .arrived || (hearing == .changed && before != place) else { return }
        greet(jid, account.number, place, in: account, isOurs: true, turn)
    }

    /// A resource of ours is gone.
    public mutating func oursLeft(_ jid: JID) {
        if let place = entities.oursLeft(jid) { capabilities.release(place) }
    }

    /// Presence of somebody elsewhere has come for an account.
    public mutating func heardRemote(_ presence: Stanza, to jid: JID, _ account: AddressNumber, _ turn: Turn) {
        guard turn.policy.pubsub.isEnabled, let from = presence.from else { return }
        switch presence.presenceType {
        case .available:
            // Only contacts are told anything; whether this one sees the account's presence is looked at when there is something to tell,
            // since he may be let in later.
            guard presence.traits.contains(.capabilities), from.isFull,
                let number = AddressTable.number(of: from.bare, in: turn.store),
                RosterTable.row(account, number, in: turn.store) != nil,
                let claim = CapabilityClaim(presence)
            else { return }
            let place = capabilities.use(claim, turn)
            let viewer = AccountName(jid.bare, account)
            switch entities.heard(from, number, place, by: viewer, turn) {
            case .refused: capabilities.release(place)
            case .nothingNew: capabilities.release(place)
            case .news(let before):
                if let before { capabilities.release(before) }
                greet(from, number, place, in: viewer, isOurs: false, turn)
            }
        case .unavailable:
            if from.isFull {
                if let place = entities.left(from, seenBy: account, turn) { capabilities.release(place) }
            } else if entities.count > 0, let number = AddressTable.number(of: from, in: turn.store) {
                for resource in entities.resources(of: from, number) {
                    if let place = entities.left(resource, seenBy: account, turn) { capabilities.release(place) }
                }
            }
        default: break
        }
    }

    /// An account lets somebody see its presence: he is shown what there is for him now.
    public mutating func granted(_ viewer: AccountName, to contact: JID, _ turn: Turn) {
        guard entities.count > 0, let number = AddressTable.number(of: contact, in: turn.store) else { return }
        for (jid, place) in entities.resources(of: number, seenBy: viewer) {
            greet(jid, number, place, in: viewer, isOurs: false, turn)
        }
    }

    /// What became of a line. News are not kept for who is behind it; who is there again is shown the last of them.
    public mutating func linkChanged(_ change: LinkChange) {
        switch change.kind {
        case .lost, .failing: entities.lineLost(change.pair)
        case .up, .counted, .healed: break
        }
    }

    /// Nobody behind a line counts as available any more.
    public mutating func lineChanged(_ pair: DomainPair, _ state: LineState) {
        switch state {
        case .cut, .unreached: entities.lineCut(pair)
        case .up: break
        }
    }

    /// A resource has come: it is shown what there is, as soon as it is known what it wants.
    private mutating func greet(
        _ jid: JID, _ number: AddressNumber, _ place: CapabilityPlace, in viewer: AccountName, isOurs: Bool, _ turn: Turn
    ) {
        guard let wanted = capabilities.wanted(place) else {
            return capabilities.wait(Capabilities.Waiting(viewer: viewer, jid: jid), for: place, turn)
        }
        guard !wanted.isEmpty, jobs.greetings(of: viewer.number) < PubSubLimits.greetings else { return }
        let job: NewsJobs.Job =
            isOurs
            ? .arrival(
                Arrival(
                    jid: jid, account: viewer, capability: place,
                    current: Greeting(owner: viewer, jid: jid, number: number, capability: place)))
            : .greeting(Greeting(owner: viewer, jid: jid, number: number, capability: place))
        jobs.add(job, of: viewer.number)
        scheduleWork(turn)
    }

    /// An answer to a request of ours, or an error. True where it was one.
    public mutating func answered(_ stanza: Stanza, _ turn: Turn) {
        guard let (place, waiting) = capabilities.answered(stanza, turn) else { return }
        for one in waiting {
            guard let number = AddressTable.number(of: one.jid.bare, in: turn.store),
                entities.resources(of: number, seenBy: one.viewer).contains(where: {
                    $0.jid == one.jid && $0.capability == place
                })
            else { continue }
            greet(one.jid, number, place, in: one.viewer, isOurs: one.jid.hasSameBare(as: one.viewer.jid), turn)
        }
    }

    /// Whether an error is about a notification, which nobody has written and nobody reads.
    public static func isAboutNews(_ stanza: Stanza) -> Bool { NewsID.isOne(stanza.id) }

    // MARK: slices

    /// One slice. True if everything was shown.
    func greet(_ greeting: inout Greeting, _ slice: inout NewsSlice, _ turn: Turn) -> Bool {
        let owner = greeting.owner
        slice.visit()
        guard PubSubNodeTable.owner(owner.number, in: turn.store).nodes > 0 else { return true }
        // Whoever has gone meanwhile, or can something else, was or will be shown it apart.
        guard
            entities.resources(of: greeting.number, seenBy: owner).contains(where: {
                $0.jid == greeting.jid && $0.capability == greeting.capability
            })
        else { return true }
        let isOwn = greeting.number == owner.number
        let contact = isOwn ? nil : RosterTable.row(owner.number, greeting.number, in: turn.store)
        guard isOwn || contact?.flags.contains(.from) == true else { return true }
        let service = Service(jid: owner.jid, number: owner.number, isAccount: true)
        while true {
            let (nodes, last) = PubSubNodeTable.nodes(of: owner.number, after: greeting.after, limit: 1, in: turn.store)
            guard let number = nodes.first else { return true }
            guard !slice.isSpent else { return false }
            slice.visit()
            greeting.after = last
            guard let row = PubSubNodeTable.row(number, in: turn.store), row.configuration.sendLast == .onPresence,
                capabilities.wants(row.name, greeting.capability)
            else { continue }
            if !isOwn,
                !isVisible(
                    row.configuration, of: number, to: greeting.number, greeting.jid.bare, service,
                    hasMembers: row.affiliations > 0, turn)
            {
                continue
            }
            let node = Node(number: number, row: row, affiliation: .none)
            slice.send(sendLast(node, to: greeting.jid, service, turn))
        }
    }

    /// One slice. True if everything was shown: what the account itself has, then what its contacts here have.
    func greet(_ arrival: inout Arrival, _ slice: inout NewsSlice, _ turn: Turn) -> Bool {
        while true {
            if var current = arrival.current {
                let isDone = greet(&current, &slice, turn)
                arrival.current = isDone ? nil : current
                if !isDone { return false }
            }
            guard !slice.isSpent else { return false }
            let next = RosterTable.flags(of: arrival.account.number, after: arrival.after, limit: 1, in: turn.store)
            guard let (contact, flags) = next.first else { return true }
            arrival.after = contact
            slice.visit()
            // Who has published anything is one of ours.
            guard flags.contains(.to), PubSubNodeTable.owner(contact, in: turn.store).nodes > 0 else { continue }
            let owner = AccountName(AddressTable.address(contact, in: turn.store), contact)
            guard turn.policy.hasPeople(at: owner.jid.domainpart) else { continue }
            arrival.current = Greeting(
                owner: owner, jid: arrival.jid, number: arrival.account.number, capability: arrival.capability)
        }
    }
}
