// XEP-0280: Message Carbons, version 1.0.1, complete
// XEP-0297: Stanza Forwarding, version 1.0, what copies of messages need
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Copies of what an account gets and sends, for those of its sessions that did not get or send it themselves and want to see it.
///
/// To a session that can be resumed a copy is as safe as the message: a slot that points to the same row of the log, written again inside
/// of the message that carries it when it is sent. To others it is a stanza like presence.
extension Sessions {
    /// For each session of its own account. To everybody else's the answer is the same whether there is such an account or not.
    public static let carbons = ServiceDeclaration(
        "Carbons",
        features: [Namespaces.carbons, Namespaces.carbonRules].map { .init($0, of: [.account, .host(.people)]) },
        requests: ["enable", "disable"].map { .init($0, Namespaces.carbons, [.set], to: [.ownAccount, .contact, .stranger]) })

    /// XEP-0280 §4, §5, §10.1: as often as the client likes.
    public mutating func answerCarbons(_ request: Request, _ turn: Turn) -> Answer {
        guard request.scope == .ownAccount, let id = request.session?.session, sessions.contains(id) else {
            return .error(StanzaError(.notAllowed))
        }
        setCarbons(request.payload.name == "enable", for: id, turn)
        return .result()
    }

    /// Has a session get copies, or not any more; also when it is resumed, and after a restart.
    public mutating func setCarbons(_ isOn: Bool, for id: SessionID, _ turn: Turn) {
        guard sessions[id].hasCarbons != isOn else { return }
        sessions[id].hasCarbons = isOn
        carbonCount += isOn ? 1 : -1
        if sessions[id].isResumable { putRow(id, turn) }
    }

    // MARK: whose copies

    /// Whether copies may have to be made of what a client has sent: nearly nothing to ask where nobody wants any.
    public func isCopied(_ envelope: borrowing Envelope) -> Bool {
        carbonCount > 0 && envelope.entrance == .fromClient && envelope.stanza.kind == .message
    }

    /// XEP-0280 §7: the sessions that get a copy of a message to their account, which goes to `session`, or to whoever reads what comes
    /// for the account.
    mutating func sessionsToCopy(
        received stanza: Stanza, to session: SessionID?, at place: OnlinePlace?, _ origin: Origin
    ) -> [SessionID] {
        guard let place else { return [] }
        let sender: SessionID? = if case .session(let origin) = origin { origin.session } else { nil }
        let others = online[place].sessions.filter {
            sessions[$0].hasCarbons && $0 != sender && (session == nil ? !sessions[$0].takesMessages : $0 != session)
        }
        guard !others.isEmpty, isEligible(stanza, isSent: false, with: stanza.from, at: place) else { return [] }
        if let name = stanza.id, let from = stanza.from, !stanza.isError { online[place].copied.note(name, with: from) }
        return others
    }

    /// XEP-0280 §8: copies of what a client has sent go to the account's other sessions. What it has sent to its own account is copied as
    /// what that got.
    ///
    /// `archived` is what was just written to the log for the sender's archive: then the copies point to the same row.
    public mutating func copySent(_ stanza: Stanza, _ origin: Origin, _ archived: ArchivedMessage?, _ turn: Turn) {
        guard case .session(let sender) = origin, let place = online.place(of: sender.account),
            stanza.to?.hasSameBare(as: online[place].jid) == false
        else { return }
        let others = online[place].sessions.filter { sessions[$0].hasCarbons && $0 != sender.session }
        guard !others.isEmpty, isEligible(stanza, isSent: true, with: stanza.to, at: place) else { return }
        if let id = stanza.id, let to = stanza.to { online[place].copied.note(id, with: to) }
        let kept = archived.flatMap { $0.owners.sender == sender.account ? $0 : nil }
        let sequence = storeCopy(
            of: stanza, sender, at: kept?.sequence, holders: others.count { sessions[$0].isResumable }, turn)
        let stableID = kept.map { $0.owners.record(at: $0.sequence).id }
        for id in others { copy(stanza, .sent, at: sequence, stableID: stableID, to: id, turn) }
    }

    /// Puts what was sent into the mailbox of its sender too, for sessions that can be resumed: the row that is there already at `place`, or
    /// one more. Nil where there is no need, or no room: then the copies are as fleeting as presence.
    private mutating func storeCopy(
        of stanza: Stanza, _ sender: SessionOrigin, at place: UInt64?, holders: Int, _ turn: Turn
    ) -> UInt64? {
        guard holders > 0, stanza.isDurableMessage, turn.admits(.talk, bytes: stanza.content.count),
            let weight = takeRoom(for: stanza, .session(sender), in: sender.account, turn)
        else { return nil }
        var sequence = place ?? 0
        func write() {
            if let place {
                StanzaLog.hold(place, in: turn.store)
                let row = MailboxRow(holders: UInt16(holders), isForSession: true, weight: weight)
                MailboxTable.put(sender.account, place, row, in: turn.store)
            } else {
                sequence = store(stanza, weight, for: sender.account, holders: holders, isForSession: true, turn)
            }
        }
        if sender.isManaged { write() } else { turn.lazily(write) }
        return sequence
    }

    // MARK: which messages

    /// XEP-0280 §6.1: whether copies are made of a message to or from `other`.
    private func isEligible(_ stanza: Stanza, isSent: Bool, with other: JID?, at place: OnlinePlace) -> Bool {
        if stanza.forbids(.noCopy) { return false }
        switch stanza.messageType {
        case .groupchat: return false
        case .error:
            guard let id = stanza.id, let other else { return false }
            return online[place].copied.contains(id, with: other)
        case .chat where isSent, .normal where isSent && stanza.traits.contains(.body): return true
        case .chat, .normal, .headline: break
        }
        let payloads = stanza.payloads
        if let room = payloads.first(where: { $0.is("x", Namespaces.roomUser) }) {
            if room.first("invite", Namespaces.roomUser) != nil { return true }
            // What an occupant says to another, the room has said to all of his devices.
            if !isSent, other?.isFull == true { return false }
        }
        switch stanza.messageType {
        case .chat: return true
        case .normal where stanza.traits.contains(.body): return true
        default: return payloads.contains(where: Self.isTypical)
        }
    }

    /// Payloads that are usual in conversations: receipts, chat states, markers, and direct invitations to rooms.
    private static func isTypical(_ payload: Element) -> Bool {
        switch payload.namespace {
        case Namespaces.receipts, Namespaces.chatStates, Namespaces.chatMarkers: true
        case Namespaces.conference: payload.name == "x"
        default: false
        }
    }

    // MARK: the way

    /// Sends a copy, or keeps it until it can be sent: at `sequence` stands the message in the log.
    mutating func copy(
        _ stanza: Stanza, _ kind: MessageCopy, at sequence: UInt64? = nil, stableID: StableID? = nil, to id: SessionID,
        _ turn: Turn
    ) {
        let message = Self.copy(of: stanza, kind, stableID, stamp: turn.wall, for: sessions[id].jid)
        if let sequence, sessions[id].isResumable {
            return transmit(.copy(sequence, kind), message.serialized(), canWait: canWait(stanza, id), to: id, turn)
        }
        // Nobody wants to know after five minutes that somebody was typing, and who has no room has an archive.
        if sessions[id].connection == nil, !stanza.traits.contains(.substance) { return }
        guard hasRoom(id, for: message, turn) else { return }
        let bytes = message.serialized()
        transmit(.volatile(bytes), bytes, canWait: canWait(stanza, id), to: id, turn)
    }

    /// The bytes of a copy that is sent later, or once more.
    func copy(of logged: LoggedStanza, _ kind: MessageCopy, for id: SessionID) -> [UInt8] {
        var stableID: StableID?
        if let archive = logged.archive, archive.belongs(to: sessions[id].accountNumber) { stableID = archive.id }
        return Self.copy(of: logged.stanza, kind, stableID, stamp: logged.acceptedAt, for: sessions[id].jid).serialized()
    }

    /// XEP-0280 §7, §8: the message that carries a copy. The time is that at which the site took it over (XEP-0297 §3.1).
    /// The id is that which it has in the account's archive (XEP-0359), as in the message itself.
    private static func copy(
        of stanza: Stanza, _ kind: MessageCopy, _ stableID: StableID?, stamp: WallTime, for reader: JID
    ) -> Stanza {
        let name = kind == .received ? "received" : "sent"
        let delay = Element(
            "delay", Namespaces.delay, [("from", reader.domainpart), ("stamp", stamp.description)])
        var content = Array("<\(name) xmlns='\(Namespaces.carbons)'><forwarded xmlns='\(Namespaces.forward)'>".utf8)
        delay.write(to: &content, within: Namespaces.forward)
        content += stanza.forwarded(stableID: stableID.map { (reader.bare, $0) })
        content += "</forwarded></\(name)>".utf8
        var message = Stanza(.message, from: reader.bare, to: reader, type: stanza.type)
        message.content = content
        message.traits = [.substance, .claimedCopy]
        return message
    }
}
