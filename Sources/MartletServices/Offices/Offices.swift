import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// The other offices as contacts: everybody sees whether the line to them is there, and what of the own waits for it.
///
/// Owned by the site. Offices are roster items that no account owns (``RosterSource/offices``): this part says which there are, the roster
/// shows and pushes them. Here is what their presence needs: who can be shown it and what he was shown last. How much waits only
/// federation knows; so a session that is to be told becomes a question.
public struct Offices {
    /// In force, in the order of the configuration.
    private(set) var offices: [SharedRosterItem] = []
    /// The lines of which anything is known since the start. Look-up only.
    private var lines: [DomainPair: LineState] = [:]
    /// What was put right after a store went back in time, in words, and when. Look-up only.
    private var healings: [DomainPair: (words: String, at: WallTime)] = [:]
    /// Sessions that can be shown offices, by their slot.
    private var audience: [Listener?] = []
    /// The slots of an account's sessions. Look-up only.
    private var slotsByAccount: [JID: [Int]] = [:]
    /// Those that are to be told, in order.
    private var queue: Deque<SessionID> = []
    /// The timer that takes from the queue is set.
    private var hasTimer = false
    /// When sessions were answered, by their slot.
    var answers: [Answers?] = []

    /// A session that is available and has the roster.
    private struct Listener {
        let id: SessionID
        let jid: JID
        let account: AccountName
        /// What it was last told of each office.
        var shown: [Shown] = []
        /// It stands in the queue.
        var isQueued = false
        /// It is told again when a timer fires.
        var hasTimer = false
    }

    /// What a session was last told of an office.
    private struct Shown {
        let jid: JID
        let line: LineState
        /// The words; nil while the office is available and there is nothing to say.
        let status: String?
        let at: Instant
    }

    /// No offices; ``policyChanged(_:)`` follows.
    public init() {}

    /// The policy was read, at the start or anew.
    public mutating func policyChanged(_ turn: Turn) {
        offices = turn.policy.offices
        turn.notify(.sharedItemsChanged(.offices, offices))
    }

    // Who is shown offices

    /// A session can be shown offices from now on, or has just got its roster again.
    public mutating func sessionBecameReady(
        _ id: SessionID, _ jid: JID, _ account: AccountName, isRestored: Bool, _ turn: Turn
    ) {
        let slot = Int(id.slot)
        while audience.count <= slot { audience.append(nil) }
        if audience[slot]?.id != id {
            leave(slot)
            audience[slot] = Listener(id: id, jid: jid, account: account)
            slotsByAccount[account.jid, default: []].append(slot)
        }
        audience[slot]?.shown.removeAll { shown in !offices.contains { $0.jid == shown.jid } }
        if !isRestored { want(slot, turn) }
    }

    /// A session is unavailable or gone.
    public mutating func sessionLeft(_ id: SessionID) {
        if listens(id) { leave(Int(id.slot)) }
    }

    private mutating func leave(_ slot: Int) {
        guard let account = audience[slot]?.account.jid else { return }
        audience[slot] = nil
        slotsByAccount[account]?.removeAll { $0 == slot }
        if slotsByAccount[account]?.isEmpty == true { slotsByAccount[account] = nil }
    }

    private func listens(_ id: SessionID) -> Bool {
        Int(id.slot) < audience.count && audience[Int(id.slot)]?.id == id
    }

    // When

    /// The line to a peer is cut, or is there again.
    public mutating func lineChanged(_ pair: DomainPair, _ state: LineState, _ turn: Turn) {
        guard lines[pair] != state else { return }
        lines[pair] = state
        want(at: pair.local, of: nil, turn)
    }

    /// A store went back in time, the peer's or ours, and messages were put right: people may wonder what they see.
    /// Of a stranger, whose server can say so as often as it likes, nobody is shown anything.
    public mutating func healed(_ pair: DomainPair, ofPeer: Bool, _ turn: Turn) {
        guard offices.contains(where: { $0.jid == pair.peer }) else { return }
        healings[pair] = (ofPeer ? OfficeLimits.peerWentBack : OfficeLimits.wentBack, turn.wall)
        want(at: pair.local, of: nil, turn)
    }

    /// What is said of that; nil after some hours.
    private func healing(_ pair: DomainPair, _ turn: Turn) -> String? {
        guard let healing = healings[pair], turn.wall.milliseconds - healing.at.milliseconds < OfficeLimits.healingShown else {
            return nil
        }
        return healing.words
    }

    /// What is said of an office whose line is there.
    private func upWords(_ pair: DomainPair, _ turn: Turn) -> String { healing(pair, turn) ?? CutWords.reachable }

    /// What waits for a peer was counted; of one account, or of all.
    public mutating func counted(_ pair: DomainPair, of account: JID?, _ turn: Turn) {
        want(at: pair.local, of: account, turn)
    }

    /// An account has given up a contact, who may be an office like any other now.
    public mutating func contactRemoved(_ account: AccountName, _ contact: JID, _ turn: Turn) {
        if offices.contains(where: { $0.jid == contact }) { want(at: account.jid.domain, of: account.jid, turn) }
    }

    /// Sessions of a domain, or of one account, are to be told, soon.
    private mutating func want(at local: JID, of account: JID?, _ turn: Turn) {
        guard !offices.isEmpty else { return }
        if let account {
            // With each message that waits: whoever else is here must not cost anything.
            for slot in slotsByAccount[account] ?? [] { want(slot, turn) }
        } else {
            for slot in audience.indices where audience[slot]?.jid.domainpart == local.domainpart { want(slot, turn) }
        }
    }

    private mutating func want(_ slot: Int, _ turn: Turn) {
        guard !offices.isEmpty, let id = audience[slot]?.id, audience[slot]?.isQueued == false else { return }
        audience[slot]?.isQueued = true
        queue.append(id)
        setTimer(turn)
    }

    /// What is known of the line to an office: unknown is not available.
    func line(_ pair: DomainPair) -> LineState { lines[pair] ?? .unreached }

    private mutating func setTimer(_ turn: Turn) {
        guard !hasTimer else { return }
        hasTimer = true
        turn.schedule(.offices(.due), after: OfficeLimits.delay)
    }

    /// A timer fired.
    public mutating func timerFired(_ timer: OfficesTimer, _ turn: Turn) {
        switch timer {
        case .due: tellNext(turn)
        case .dueAgain(let id):
            guard listens(id) else { return }
            audience[Int(id.slot)]?.hasTimer = false
            want(Int(id.slot), turn)
        }
    }

    /// The next slice of sessions is told.
    private mutating func tellNext(_ turn: Turn) {
        hasTimer = false
        for _ in 0..<max(1, OfficeLimits.slice / max(1, offices.count)) {
            guard let id = queue.popFirst() else { return }
            guard listens(id) else { continue }
            audience[Int(id.slot)]?.isQueued = false
            ask(Int(id.slot), turn)
        }
        if !queue.isEmpty { setTimer(turn) }
    }

    // What

    /// Asks how much waits for the offices of which there is something to tell a session now. Of the others it is not asked: counting
    /// what waits for them costs a row for each message.
    private mutating func ask(_ slot: Int, _ turn: Turn) {
        guard let listener = audience[slot] else { return }
        var pairs: [DomainPair] = []
        for office in offices where !RosterTable.hasContact(office.jid, of: listener.account.number, in: turn.store) {
            let pair = DomainPair(local: listener.jid.domain, peer: office.jid)
            if mayTell(slot, of: pair, turn) { pairs.append(pair) }
        }
        if !pairs.isEmpty { turn.ask(.waitingMessages(listener.id, of: listener.account.jid, on: pairs)) }
    }

    /// Whether a session may be told of an office now. Of one whose line is there as before there is nothing to say; and if only
    /// the number of waiting messages can have changed, and the last time was a moment ago, a timer asks again.
    private mutating func mayTell(_ slot: Int, of pair: DomainPair, _ turn: Turn) -> Bool {
        guard let listener = audience[slot], let shown = listener.shown.first(where: { $0.jid == pair.peer }) else {
            return true
        }
        let line = line(pair)
        guard shown.line == line else { return true }
        if line == .up { return shown.status != upWords(pair, turn) }
        let next = shown.at + OfficeLimits.pause
        guard next > turn.now else { return true }
        if !listener.hasTimer { turn.schedule(.offices(.dueAgain(listener.id)), at: next) }
        audience[slot]?.hasTimer = true
        return false
    }

    /// Tells a session of the offices whose state has changed for it. `waiting` counts the account's own messages for each.
    public mutating func show(_ id: SessionID, waiting: [(pair: DomainPair, count: Int?)], _ turn: Turn) {
        guard listens(id) else { return }
        let slot = Int(id.slot)
        for (pair, count) in waiting {
            let line = line(pair)
            let cut = CutWords.status(line, now: turn.wall, utcOffset: turn.policy.utcOffset, waiting: count)
            let status = cut ?? upWords(pair, turn)
            let index = audience[slot]?.shown.firstIndex { $0.jid == pair.peer }
            if let index, audience[slot]?.shown[index].status == status { continue }
            let shown = Shown(jid: pair.peer, line: line, status: status, at: turn.now)
            if let index { audience[slot]?.shown[index] = shown } else { audience[slot]?.shown.append(shown) }
            guard let jid = audience[slot]?.jid else { continue }
            turn.route(Self.presence(of: pair.peer, status, isCut: cut != nil, to: jid), from: .service)
        }
    }

    /// Who it is that can be seen and written to. With a resource, since some clients do not show the presence of a bare address.
    static func contact(of office: JID) -> JID {
        JID(preparedLocalpart: nil, preparedDomainpart: office.domainpart, preparedResourcepart: resource)
    }

    /// The resource of the contact.
    static let resource = "office"

    private static func presence(of office: JID, _ status: String, isCut: Bool, to jid: JID) -> Stanza {
        var presence = Stanza(.presence, from: contact(of: office), to: jid)
        if isCut { presence.append(Element("show", Namespaces.client, text: "away")) }
        presence.append(Element("status", Namespaces.client, text: status))
        return presence
    }
}

extension SitePolicy {
    /// The offices in everybody's roster, in the order of the configuration: contacts whose address is a domain.
    var offices: [SharedRosterItem] {
        guard federation.isEnabled, !federation.officesGroup.isEmpty else { return [] }
        return federation.knownPeers.filter { !serves($0.domainpart) && !federation.blockedPeers.contains($0) }.map {
            SharedRosterItem(jid: $0, name: federation.officeNames[$0] ?? $0.domainpart, group: federation.officesGroup)
        }
    }
}
