import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Presence that clients send (RFC 6121 §4).
extension Sessions {
    /// Presence of a session, `from` already stamped.
    mutating func receivedPresence(_ stanza: Stanza, by id: SessionID, _ turn: Turn) {
        guard let type = stanza.presenceType else {
            if let reply = stanza.errorReply(StanzaError(.badRequest)) { send(reply, to: id, turn) }
            return
        }
        guard stanza.content.count <= LimitsPolicy.presenceBytes else {
            if let reply = stanza.errorReply(Self.presenceTooLarge) { send(reply, to: id, turn) }
            return
        }
        switch (type, stanza.to) {
        case (.available, nil):
            becomeAvailable(id, withPicture(stanza, of: id, turn), turn)
        case (.unavailable, nil): becomeUnavailable(id, stanza, turn)
        case (.available, let to?): directPresence(withPicture(stanza, of: id, turn), to: to, by: id, turn)
        case (.unavailable, let to?): directPresence(stanza, to: to, by: id, turn)
        case (.error, _?), (.probe, _?): turn.admit(stanza, from: origin(of: id))
        case (.error, nil), (.probe, nil): break
        case (_, nil):
            if let reply = stanza.errorReply(StanzaError(.badRequest)) { send(reply, to: id, turn) }
        case (_, let to?): manageSubscription(stanza, type, to: to.bare, by: id, turn)
        }
    }

    static let presenceTooLarge = StanzaError(
        .notAcceptable, text: "Presence may say no more than \(LimitsPolicy.presenceBytes) bytes")

    /// Initial presence, or a change of it (RFC 6121 §4.2, §4.4).
    mutating func becomeAvailable(_ id: SessionID, _ stanza: Stanza, _ turn: Turn) {
        let wasAvailable = sessions[id].isAvailable
        let tookMessages = sessions[id].takesMessages
        let account = sessions[id].accountNumber
        sessions[id].presence = stanza
        sessions[id].priority = stanza.priority
        departures[account] = nil
        turn.lazily {
            // Noted for every session, so that contacts can be told of its end after a crash.
            if sessions[id].number == nil, turn.admits(.talk) {
                _ = makeNumber(id, turn)
                putRow(id, turn)
            }
            if sessions[id].isResumable, let number = sessions[id].number {
                // What there is no room for is as if it had not been said, should the server die.
                let noted = turn.admits(.talk, bytes: stanza.content.count) ? stanza : nil
                ClientSessionTable.setPresence(account, number, noted, in: turn.store)
            }
        }
        tellCapabilities(of: id, wasAvailable ? .changed : .arrived, turn)
        var round = PresenceRound(stanza, from: origin(of: id))
        round.session = id
        round.hasArrived = !wasAvailable
        if !wasAvailable { noteArrival(id, turn) }
        begin(.presence(round), of: account, turn)
        for other in online[sessions[id].account].sessions where sessions[other].isAvailable {
            sendCopy(stanza, to: other, turn)
            if !wasAvailable, other != id, let presence = sessions[other].presence { sendCopy(presence, to: id, turn) }
        }
        if !wasAvailable {
            show(.requests(after: AddressNumber(0)), to: id, turn)
            noteReady(id, turn)
        }
        if !tookMessages, sessions[id].takesMessages { beginCatchUp(id, includesDetached: true, turn) }
    }

    /// What a session says of what it can, for whoever has news for it.
    func tellCapabilities(of id: SessionID, _ hearing: Hearing, _ turn: Turn) {
        let presence = sessions[id].presence
        guard let presence, presence.traits.contains(.capabilities) else { return }
        let account = AccountName(sessions[id].jid.bare, sessions[id].accountNumber)
        turn.notify(.capabilitiesHeard(presence, account, hearing))
    }

    private mutating func sendCopy(_ stanza: Stanza, to id: SessionID, _ turn: Turn) {
        var copy = stanza
        copy.to = sessions[id].jid
        send(copy, to: id, turn)
    }

    /// Unavailable presence (RFC 6121 §4.5), sent by the client, or by the site in its stead when it is gone (§4.5.2). True if
    /// everybody was told. With `forgetting` the row of the session goes with that.
    @discardableResult
    mutating func becomeUnavailable(_ id: SessionID, _ received: Stanza?, forgetting: Bool = false, _ turn: Turn) -> Bool {
        var stanza = received ?? Stanza(.presence, type: "unavailable")
        stanza.from = sessions[id].jid
        let account = sessions[id].accountNumber
        let place = sessions[id].account
        let wasAvailable = sessions[id].isAvailable
        var round = PresenceRound(stanza, from: origin(of: id))
        round.isWalked = !wasAvailable
        round.directed = sessions[id].directed
        round.number = sessions[id].number
        round.forgetsRow = forgetting
        if received != nil { round.session = id }
        sessions[id].directed = []
        if wasAvailable {
            let last = sessions[id].presence
            if last?.traits.contains(.capabilities) == true { turn.notify(.resourceLeft(sessions[id].jid)) }
            sessions[id].presence = nil
            sessions[id].priority = 0
            sessions[id].showing = []
            if !online[place].sessions.contains(where: { sessions[$0].isAvailable }) {
                departures[account] = turn.now
                noteLastActivity(account, stanza, turn)
            }
            if sessions[id].isResumable, let number = sessions[id].number {
                turn.lazily { ClientSessionTable.setPresence(account, number, nil, in: turn.store) }
            }
        }
        let isDone = round.isEmpty || begin(.presence(round), of: account, turn)
        if wasAvailable {
            // §4.5.2: also to the resource that says it, if it still listens.
            for other in online[place].sessions where other == id ? received != nil : sessions[other].isAvailable {
                sendCopy(stanza, to: other, turn)
            }
        }
        forgetSeen(by: id, turn)
        return isDone
    }

    /// Presence of a session to one of several addresses (XEP-0033 §5.1): it hears of the end like anybody else.
    public mutating func direct(_ stanza: Stanza, by id: SessionID, _ turn: Turn) {
        if sessions.contains(id), let to = stanza.to { directPresence(stanza, to: to, by: id, turn) }
    }

    /// Directed presence (RFC 6121 §4.6).
    private mutating func directPresence(_ stanza: Stanza, to: JID, by id: SessionID, _ turn: Turn) {
        let index = sessions[id].directed.firstIndex(of: to)
        if stanza.presenceType == .unavailable {
            if let index {
                sessions[id].directed.remove(at: index)
                noteDirected(to, of: id, isDirected: false, turn)
                noteFarewell(from: sessions[id].jid, to: to)
            }
        } else if index == nil {
            let bytes = sessions[id].directed.reduce(to.bytes) { $0 + $1.bytes }
            guard sessions[id].directed.count < SessionLimits.directedPresence, bytes <= SessionLimits.directedBytes else {
                if let reply = stanza.errorReply(StanzaError(.resourceConstraint)) { send(reply, to: id, turn) }
                return
            }
            sessions[id].directed.append(to)
            noteDirected(to, of: id, isDirected: true, turn)
            forgetFarewell(from: sessions[id].jid, to: to)
        }
        turn.admit(stanza, from: origin(of: id))
    }

    /// Notes directed presence in the store, so that a restart does not leave ghosts behind.
    mutating func noteDirected(_ address: JID, of id: SessionID, isDirected: Bool, _ turn: Turn) {
        let account = sessions[id].accountNumber
        turn.lazily {
            if isDirected {
                guard turn.admits(.talk) else { return }
                if sessions[id].number == nil {
                    _ = makeNumber(id, turn)
                    putRow(id, turn)
                }
                guard let session = sessions[id].number else { return }
                let number = AddressTable.makeNumber(of: address, in: turn.store)
                DirectedPresenceTable.put(account, session: session, number, in: turn.store)
            } else if let session = sessions[id].number, let number = AddressTable.number(of: address, in: turn.store) {
                DirectedPresenceTable.remove(account, session: session, number, in: turn.store)
            }
        }
    }

    /// Whether an address sees the account's presence by its subscription.
    public func isSubscribed(_ address: JID, to account: AddressNumber, _ turn: Turn) -> Bool {
        guard let contact = AddressTable.number(of: address.bare, in: turn.store) else { return false }
        return RosterTable.row(account, contact, in: turn.store)?.flags.contains(.from) ?? false
    }

    /// A restart found a session that could not survive it: whoever saw it is told that it is gone, and then it is forgotten.
    mutating func tellGone(_ jid: JID, _ account: AddressNumber, session: UInt64, _ turn: Turn) {
        departures[account] = turn.now
        noteLastActivity(account, Stanza(.presence), turn)
        var round = PresenceRound(Stanza(.presence, from: jid, type: "unavailable"), from: .account)
        round.directed = DirectedPresenceTable.addresses(of: account, session: session, in: turn.store).map {
            AddressTable.address($0, in: turn.store)
        }
        round.number = session
        round.forgetsRow = true
        round.isOfStart = true
        begin(.presence(round), of: account, turn)
    }
}

extension Stanza {
    /// RFC 6121 §4.7.2.3: -128 to 127; 0 where it is missing or nonsense.
    var priority: Int8 {
        guard !content.isEmpty, let text = payload("priority", Namespaces.client)?.text else { return 0 }
        return Int8(text.filter { !$0.isWhitespace }) ?? 0
    }
}
