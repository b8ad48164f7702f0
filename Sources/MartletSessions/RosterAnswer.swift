import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// A roster on its way to a session that has asked for it (RFC 6121 §2.1.4). A ``Job``; as large as a roster.
struct RosterAnswer {
    /// Who asked; held meanwhile, so that what it says next is answered behind this.
    let session: SessionID
    /// The answer, without its content.
    let answer: Stanza
    /// What is answered if too many such answers are unread by then.
    fileprivate let refusal: Stanza?
    /// Contacts that changed since this began: pushes that come behind it.
    var changed: [AddressNumber] = []
    /// What is written so far does not hold any more.
    var isOutdated = true

    /// The content so far.
    fileprivate var content: [UInt8] = []
    /// The last contact in it.
    fileprivate var after = AddressNumber(0)

    /// The answer to that request.
    init(to request: Stanza, of session: SessionID) {
        self.session = session
        answer = request.result()
        refusal = request.errorReply(Self.unread)
    }

    /// There was one, and nobody has read it.
    static let unread = StanzaError(.resourceConstraint, .wait, text: "The roster that was sent before was not read yet")

    /// So many contacts may change before it begins anew: it would be followed by more pushes than it has items.
    fileprivate static let changes = 64
}

/// The slices of a ``RosterAnswer``.
extension Sessions {
    /// One slice. True if the answer is complete.
    mutating func write(_ answer: inout RosterAnswer, of account: AddressNumber, _ turn: Turn) -> Bool {
        guard sessions.contains(answer.session) else { return true }
        if answer.isOutdated || answer.changed.count > RosterAnswer.changes {
            answer.isOutdated = false
            answer.changed = []
            answer.after = AddressNumber(0)
            // RFC 6121 §2.6.1: we version rosters, and whoever did not ask for it may the next time.
            let version = rosterVersion(of: account, turn)
            answer.content = Element("query", Namespaces.roster, [("ver", version)]).serialized(within: Namespaces.client)
            answer.content.removeLast(2)
            answer.content.append(UInt8(ascii: ">"))
        }
        let limit = SessionLimits.presenceSlice
        let rows = RosterTable.rows(of: account, after: answer.after, limit: limit, in: turn.store)
        for (contact, row) in rows {
            guard !slice.isSpent else { return false }
            let before = answer.content.count
            RosterItem.element(AddressTable.address(contact, in: turn.store), row)
                .write(to: &answer.content, within: Namespaces.roster)
            slice.spend(1, bytes: answer.content.count - before)
            answer.after = contact
        }
        guard rows.count < limit else { return false }
        for item in shared.items(for: account, in: turn.store) {
            RosterItem.element(item).write(to: &answer.content, within: Namespaces.roster)
        }
        answer.content += "</query>".utf8
        return true
    }

    /// The answer is complete.
    mutating func written(_ answer: RosterAnswer, of account: AddressNumber, _ turn: Turn) {
        let id = answer.session
        guard sessions.contains(id) else { return }
        var stanza = answer.answer
        stanza.content = answer.content
        let isLarge = stanza.content.count > SessionLimits.largeAnswer
        if isLarge, sessions[id].connection != nil, !mayAskForRoster(id) {
            // Others asked at the same time.
            if let refusal = answer.refusal { send(refusal, to: id, turn) }
            return noteReady(id, turn)
        }
        if isLarge, let connection = sessions[id].connection, sessions[id].farewell == .none {
            // Numbered and asked for also without stream management: until it was read there is no other.
            let bytes = stanza.serialized()
            write(.volatile(bytes), bytes, to: id, on: connection, turn)
            sessions[id].largeAnswer = sessions[id].outbox.last
            requestAcknowledgement(id, turn)
        } else {
            send(stanza, to: id, turn)
        }
        pushItems(of: answer.changed, to: id, turn)
        noteReady(id, turn)
    }

    /// Whether somebody has not read a large answer yet: another one would wait beside it in our memory.
    func hasUnreadAnswer(_ id: SessionID) -> Bool {
        guard let number = sessions[id].largeAnswer, sessions[id].connection != nil else { return false }
        return number > sessions[id].outbox.acknowledged
    }

    /// Whether an account may have another answer of that kind.
    func mayAskForRoster(_ id: SessionID) -> Bool {
        if hasUnreadAnswer(id) { return false }
        let unread = online[sessions[id].account].sessions.count { hasUnreadAnswer($0) }
        return unread < SessionLimits.largeAnswers
    }
}
