import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Where a hash of capabilities stands among those in use.
struct CapabilityPlace: Hashable {
    fileprivate let slot: Int
}

/// What hashes of capabilities stand for (XEP-0115, XEP-0390): those in use are here, those that were checked on disk, some thousand of
/// them, so that after a start nobody is asked again.
struct Capabilities {
    /// Who waits for an answer: an account that has news, and a resource that may want them.
    struct Waiting {
        let viewer: AccountName
        let jid: JID
    }

    private struct Slot {
        let claim: CapabilityClaim
        /// The names of nodes; nil while that is not known.
        var wanted: [String]?
        /// Resources that say it.
        var users = 0
        var waiting: [Waiting] = []
        var askedAt: Instant?
    }

    /// A question that was not answered yet.
    private struct Question {
        let place: CapabilityPlace
        let to: JID
        let at: Instant
    }

    private var slots: [Slot?] = []
    private var free: [Int] = []
    /// Look-up only.
    private var byKey: [[UInt8]: CapabilityPlace] = [:]
    /// By the id of the question. Look-up only.
    private var questions: [String: Question] = [:]
    /// The ids of questions, the oldest first; some were answered.
    private var asked: Deque<String> = []
    /// Questions on their way to a domain. Look-up only.
    private var questionsTo: [String: Int] = [:]
    /// What is on disk, the oldest first.
    private var stored: Deque<[UInt8]> = []

    mutating func boot(_ turn: Turn) { stored = Deque(CapabilityTable.keys(in: turn.store)) }

    /// A resource says that; one more uses it.
    mutating func use(_ claim: CapabilityClaim, _ turn: Turn) -> CapabilityPlace {
        if let place = byKey[claim.key] {
            slots[place.slot]?.users += 1
            return place
        }
        var slot = Slot(claim: claim)
        slot.users = 1
        if claim.isShared { slot.wanted = CapabilityTable.wanted(claim.key, in: turn.store) }
        let place: CapabilityPlace
        if let last = free.popLast() {
            place = CapabilityPlace(slot: last)
            slots[last] = slot
        } else {
            place = CapabilityPlace(slot: slots.count)
            slots.append(slot)
        }
        byKey[claim.key] = place
        return place
    }

    /// A resource does not say it any more.
    mutating func release(_ place: CapabilityPlace) {
        slots[place.slot]?.users -= 1
        guard let slot = slots[place.slot], slot.users <= 0 else { return }
        byKey[slot.claim.key] = nil
        slots[place.slot] = nil
        free.append(place.slot)
    }

    /// What is wanted; nil while that is not known.
    func wanted(_ place: CapabilityPlace) -> [String]? { slots[place.slot]?.wanted }

    /// Whether news of a node are wanted.
    func wants(_ name: String, _ place: CapabilityPlace) -> Bool {
        guard let wanted = slots[place.slot]?.wanted else { return false }
        return wanted.contains(name)
    }

    /// Somebody waits for an answer; a question goes out unless one is on its way.
    mutating func wait(_ waiting: Waiting, for place: CapabilityPlace, _ turn: Turn) {
        guard let slot = slots[place.slot] else { return }
        if slot.waiting.count < PubSubLimits.waiting { slots[place.slot]?.waiting.append(waiting) }
        if let at = slot.askedAt, turn.now - at < PubSubLimits.questionTime { return }
        ask(waiting, place, turn)
    }

    private mutating func ask(_ waiting: Waiting, _ place: CapabilityPlace, _ turn: Turn) {
        forgetOld(turn)
        let domain = waiting.jid.domainpart
        guard let slot = slots[place.slot], questions.count < PubSubLimits.questions,
            questionsTo[domain] ?? 0 < PubSubLimits.questionsPerServer
        else { return }
        let id = "caps-" + turn.random.identifier()
        slots[place.slot]?.askedAt = turn.now
        questions[id] = Question(place: place, to: waiting.jid, at: turn.now)
        asked.append(id)
        questionsTo[domain, default: 0] += 1
        let query = Element("query", Namespaces.discoInfo, [("node", slot.claim.node)])
        turn.route(
            Stanza(.iq, from: waiting.viewer.jid, to: waiting.jid, id: id, type: "get", payloads: [query]), from: .account)
    }

    private mutating func forgetOld(_ turn: Turn) {
        while let id = asked.first {
            if let question = questions[id] {
                guard turn.now - question.at >= PubSubLimits.questionTime else { return }
                forget(id, question)
            }
            asked.removeFirst()
        }
    }

    private mutating func forget(_ id: String, _ question: Question) {
        questions[id] = nil
        let domain = question.to.domainpart
        questionsTo[domain]? -= 1
        if questionsTo[domain] == 0 { questionsTo[domain] = nil }
    }

    /// An answer came, or an error. Gives those who have waited for it and can be told now.
    mutating func answered(_ stanza: Stanza, _ turn: Turn) -> (place: CapabilityPlace, waiting: [Waiting])? {
        guard let id = stanza.id, let question = questions[id], question.to == stanza.from else { return nil }
        forget(id, question)
        let place = question.place
        guard let slot = slots[place.slot] else { return nil }
        slots[place.slot]?.askedAt = nil
        guard stanza.iqType == .result, let info = stanza.payload("query", Namespaces.discoInfo),
            !slot.claim.isShared || slot.claim.isMet(by: info)
        else {
            // Another one who says the same may tell.
            slots[place.slot]?.waiting.removeAll { $0.jid == question.to }
            if let next = slots[place.slot]?.waiting.first { ask(next, place, turn) }
            return nil
        }
        let wanted = CapabilityClaim.wanted(info)
        slots[place.slot]?.wanted = wanted
        slots[place.slot]?.waiting = []
        if slot.claim.isShared { keep(slot.claim.key, wanted, turn) }
        return (place, slot.waiting)
    }

    /// Noted on disk; the oldest gives way. Whoever is asked once more because it was lost does not mind.
    private mutating func keep(_ key: [UInt8], _ wanted: [String], _ turn: Turn) {
        guard turn.admits(.note, bytes: PubSubLimits.wantedBytes) else { return }
        turn.lazily {
            CapabilityTable.put(key, wanted, in: turn.store)
            if stored.count >= PubSubLimits.hashes, let oldest = stored.first {
                CapabilityTable.remove(oldest, in: turn.store)
            }
        }
        if stored.count >= PubSubLimits.hashes { stored.removeFirst() }
        stored.append(key)
    }
}
