import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Stanzas for accounts and their sessions (RFC 6121 §8.5).
extension Sessions {
    /// A stanza to a bare or full JID of an account, but for requests to the account itself.
    public mutating func deliver(_ envelope: Envelope, _ turn: Turn) {
        let stanza = envelope.stanza
        guard let to = stanza.to, to.localpart != nil else { return }
        let bare = to.bare
        // Without closures, which would copy all sessions to look at them.
        let place = online.place(of: bare)
        let number: AddressNumber
        if let place {
            number = online[place].number
        } else if let stored = AccountTable.number(of: bare, in: turn.store) {
            number = stored
        } else {
            return deliverToNobody(stanza, turn)
        }
        var session: SessionID?
        if let place, to.isFull { session = self.session(of: to, at: place) }
        switch stanza.kind {
        case .message:
            deliverMessage(envelope, to: session, number, place, turn)
        case .presence:
            deliverPresence(stanza, to: session, number, place, envelope.origin, turn)
        case .iq:
            // RFC 6121 §8.5.3; requests to the account itself go to services.
            if let session { send(stanza, to: session, turn) } else { turn.bounce(stanza, StanzaError(.serviceUnavailable)) }
        }
        endDoomed(turn)
    }

    /// Whether there is a session of that address, be it without connection.
    public func isThere(_ jid: JID) -> Bool {
        guard let place = online.place(of: jid.bare) else { return false }
        return session(of: jid, at: place) != nil
    }

    /// The resources of an account that have a connection.
    public func connectedResources(of bare: JID) -> [String] {
        guard let place = online.place(of: bare) else { return [] }
        return online[place].sessions.filter { sessions[$0].connection != nil }.compactMap { sessions[$0].jid.resourcepart }
    }

    /// RFC 6121 §8.5.1: there is no such account.
    private func deliverToNobody(_ stanza: Stanza, _ turn: Turn) {
        switch stanza.kind {
        case .iq:
            turn.bounce(stanza, StanzaError(.serviceUnavailable))
        case .message:
            // What an account would take in silence, or drop, is dropped (RFC 6121 §8.5.1 leaves the choice): who exists is nobody's
            // business. But what somebody has written must not vanish without a word, and an account keeps it.
            if stanza.messageType == .groupchat || Self.isOwedAWord(stanza) {
                turn.bounce(stanza, StanzaError(.serviceUnavailable))
            }
        case .presence:
            // As for an account that does not know the sender, so that accounts cannot be found out by probing.
            if stanza.presenceType == .probe, let from = stanza.from, let to = stanza.to {
                turn.route(Stanza(.presence, from: to.bare, to: from.bare, type: "unsubscribed"), from: .account)
            }
        }
    }

    /// Whether somebody has written something to a person, and waits for what becomes of it.
    private static func isOwedAWord(_ stanza: Stanza) -> Bool {
        stanza.isSpoken && (stanza.messageType == .chat || stanza.messageType == .normal)
    }

    private mutating func deliverMessage(
        _ envelope: Envelope, to session: SessionID?, _ number: AddressNumber, _ place: OnlinePlace?, _ turn: Turn
    ) {
        let stanza = envelope.stanza
        let type = stanza.messageType
        let copies = carbonCount == 0 ? [] : sessionsToCopy(received: stanza, to: session, at: place, envelope.origin)
        if let session {
            // RFC 6121 §8.5.3.1: a resource that exists gets everything.
            switch type {
            case .normal, .chat:
                if stanza.isDurableMessage { beginOwnCatchUp(session, turn) }
                deliver(envelope, to: [session], copies, number, place, turn)
            case .groupchat, .error: deliverForSession(envelope, to: session, copies, number, turn)
            case .headline:
                send(stanza, to: session, turn)
                for id in copies { copy(stanza, .received, to: id, turn) }
            }
            return
        }
        let isBare = stanza.to?.isBare ?? true
        switch type {
        case .normal, .chat:
            // RFC 6121 §8.5.3.2.1: to a resource that does not exist `chat` goes as if none had been named. A `normal` one should be
            // ignored or refused; here it goes the same way on purpose, since most clients answer a mail-like message to the full JID
            // that it came from, and its reader, who has gone home or has another device, would never see the answer.
            deliver(envelope, to: recipients(at: place), copies, number, place, turn)
        case .headline:
            // RFC 6121 §8.5.2.1.1, §8.5.3.2.1: to whoever is there, or to nobody.
            if isBare, let place { for id in recipients(place) { send(stanza, to: id, turn) } }
            for id in copies { copy(stanza, .received, to: id, turn) }
        case .groupchat:
            turn.bounce(stanza, StanzaError(.serviceUnavailable))
        case .error:
            // RFC 6121 would drop it. But a bounce after days goes to the bare JID, since the resource is long gone
            // (`Docs/relay-protocol.md` §5), and the sender has to know.
            if isBare, !envelope.origin.isSession { deliver(envelope, to: recipients(at: place), copies, number, place, turn) }
        }
    }

    /// The sessions that get messages to the bare JID, in the order in which they were bound: all that are available with
    /// a priority that is not negative (RFC 6121 §8.5.2.1.1 leaves the choice between all and the most available).
    func recipients(_ place: OnlinePlace) -> [SessionID] {
        let all = online[place].sessions
        // Nearly always, and then no list is made for the message.
        if all.allSatisfy({ sessions[$0].takesMessages }) { return all }
        return all.filter { sessions[$0].takesMessages }
    }

    func recipients(at place: OnlinePlace?) -> [SessionID] {
        guard let place else { return [] }
        return recipients(place)
    }

    /// A message for the account, to these sessions of it, and as a copy to those.
    private mutating func deliver(
        _ envelope: Envelope, to recipients: [SessionID], _ copies: [SessionID], _ number: AddressNumber, _ place: OnlinePlace?,
        _ turn: Turn
    ) {
        let (stanza, origin, archives) = (envelope.stanza, envelope.origin, envelope.archives)
        guard stanza.isDurableMessage else {
            // XEP-0160 §3, XEP-0334 §4.2: never stored; something that was said must not vanish without a word, and who sees
            // the account's presence knows anyway that nobody is there.
            if recipients.isEmpty, stanza.traits.contains(.substance),
                Self.isOwedAWord(stanza) || stanza.from.map({ isSubscribed($0, to: number, turn) }) == true
            {
                return turn.bounce(stanza, StanzaError(.serviceUnavailable))
            }
            for id in recipients { send(stanza, to: id, turn) }
            for id in copies { copy(stanza, .received, to: id, turn) }
            return
        }
        if archives == nil, copies.isEmpty, recipients.count == 1, !isPromised(origin, recipients),
            sessions[recipients[0]].catchUp == nil,
            !isPaced(recipients[0], turn)
        {
            if sessions[recipients[0]].outbox.keptBytes > SessionLimits.keptBytes, !turn.admits(.talk) {
                return turn.bounce(stanza, .diskNearlyFull)
            }
            let logged = LoggedStanza(stanza: stanza, acceptedAt: turn.wall, acceptedInstant: turn.now)
            if let place { logKept(of: place, but: recipients[0], turn) }
            transmit(.kept(logged), stanza.serialized(), to: recipients[0], turn)
            if sessions[recipients[0]].outbox.keptBytes > SessionLimits.keptBytes { logKept(recipients[0], turn) }
            return
        }
        if let place { logKept(of: place, but: nil, turn) }
        // What people who are here say to each other goes as soon as the reader has it.
        let isTalk = origin.isSession && recipients.contains { sessions[$0].connection != nil }
        // What the site itself has to say is limited where it is said.
        let kind: WriteKind = stanza.isError || origin == .service ? .bounce : isTalk ? .talk : .message
        guard turn.admits(kind, bytes: stanza.content.count) else {
            return turn.bounce(stanza, .diskNearlyFull)
        }
        guard let weight = takeRoom(for: stanza, origin, in: number, turn) else {
            return turn.bounce(stanza, StanzaError(.serviceUnavailable))  // RFC 6121 §8.5.2.2.1, XEP-0160 §4
        }
        var sequence: UInt64 = 0
        if isPromised(origin, copies.isEmpty ? recipients : recipients + copies) {
            let holders = recipients.count { sessions[$0].isResumable } + copies.count { sessions[$0].isResumable }
            sequence = store(stanza, weight, for: number, holders: holders, archives: archives, turn)
        } else {
            turn.lazily { sequence = store(stanza, weight, for: number, holders: 0, archives: archives, turn) }
        }
        var id: StableID?
        if let archives, archives.addressee == number { id = archives.record(at: sequence).id }
        if let reader = recipients.first {
            let bytes = stanza.serialized(stableID: id.map { (sessions[reader].jid.bare, $0) })
            for id in recipients { transmit(.message(sequence), bytes, canWait: canWait(stanza, id), to: id, turn) }
        }
        for reader in copies { copy(stanza, .received, at: sequence, stableID: id, to: reader, turn) }
    }

    /// Whether somebody relies on a message's being on disk before it goes on. A client without stream management gets no
    /// acknowledgement and sends nothing again; if everybody who gets its message now is connected and has no stream
    /// management either, a crash takes no more than what was on its way over sockets anyway. Such a message is written
    /// down when it turns out to be needed: its reader goes without having proven that it has it.
    private func isPromised(_ origin: Origin, _ recipients: [SessionID]) -> Bool {
        guard case .session(let sender) = origin, sessions.contains(sender.session), !sender.isManaged else { return true }
        return recipients.isEmpty
            || recipients.contains {
                sessions[$0].management != nil || sessions[$0].connection == nil || sessions[$0].farewell != .none
            }
    }

    /// A message that concerns one session only: what a room says to its occupant, an error for what the session sent. It
    /// is never offered to another session, but a resumable one does not lose it.
    private mutating func deliverForSession(
        _ envelope: Envelope, to session: SessionID, _ copies: [SessionID], _ number: AddressNumber, _ turn: Turn
    ) {
        let (stanza, origin) = (envelope.stanza, envelope.origin)
        // Below the reserve an error is still stored: what it answers has been counted for its sender.
        guard sessions[session].isResumable, stanza.isDurableMessage,
            turn.admits(stanza.isError ? .bounce : .message, bytes: stanza.content.count)
        else {
            send(stanza, to: session, turn)
            for id in copies { copy(stanza, .received, to: id, turn) }
            return
        }
        guard let weight = takeRoom(for: stanza, origin, in: number, turn) else {
            return turn.bounce(stanza, StanzaError(.serviceUnavailable))
        }
        let holders = 1 + copies.count { sessions[$0].isResumable }
        let sequence = storeForSession(envelope, weight, for: number, holders: holders, turn)
        transmit(.message(sequence), stanza.serialized(), to: session, turn)
        for id in copies { copy(stanza, .received, at: sequence, to: id, turn) }
    }

    /// Sends a stanza of which the store has no copy.
    mutating func send(_ stanza: Stanza, to id: SessionID, _ turn: Turn) {
        // Nobody wants to know after five minutes that somebody was typing.
        let isChatState = stanza.kind == .message && !stanza.traits.contains(.substance)
        if isChatState, sessions[id].connection == nil { return }
        guard hasRoom(id, for: stanza, turn) else { return withhold(stanza, from: id, turn) }
        let bytes = stanza.serialized()
        let type = stanza.kind == .presence ? stanza.presenceType : nil
        if let from = stanza.from, type == .available || type == .unavailable {
            transmit(.availability(of: from, bytes), bytes, canWait: true, to: id, turn)
        } else if stanza.kind == .iq, stanza.iqType?.isRequest == true, let from = stanza.from {
            transmit(.request(Outbox.RequestHead(from: from, to: stanza.to, id: stanza.id), bytes), bytes, to: id, turn)
        } else {
            transmit(.volatile(bytes), bytes, canWait: canWait(stanza, id), to: id, turn)
        }
    }
}
