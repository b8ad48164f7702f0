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
        switch (type, stanza.to) {
        case (.available, nil): becomeAvailable(id, stanza, turn)
        case (.unavailable, nil): becomeUnavailable(id, stanza, turn)
        case (.available, let to?), (.unavailable, let to?): directPresence(stanza, to: to, by: id, turn)
        case (.error, _?), (.probe, _?): turn.admit(stanza, from: origin(of: id))
        case (.error, nil), (.probe, nil): break
        case (_, nil):
            if let reply = stanza.errorReply(StanzaError(.badRequest)) { send(reply, to: id, turn) }
        case (_, let to?): manageSubscription(stanza, type, to: to.bare, by: id, turn)
        }
    }

    /// Initial presence, or a change of it (RFC 6121 §4.2, §4.4).
    private mutating func becomeAvailable(_ id: SessionID, _ stanza: Stanza, _ turn: Turn) {
        let wasAvailable = sessions[id].isAvailable
        let tookMessages = sessions[id].takesMessages
        let account = sessions[id].accountNumber
        sessions[id].presence = stanza
        sessions[id].priority = stanza.priority
        departures[account] = nil
        turn.lazily {
            // Noted for every session, so that contacts can be told of its end after a crash.
            if sessions[id].number == nil {
                _ = makeNumber(id, turn)
                putRow(id, turn)
            }
            if sessions[id].isResumable, let number = sessions[id].number {
                ClientSessionTable.setPresence(account, number, stanza, in: turn.store)
            }
        }
        broadcast(stanza, account: account, from: origin(of: id), turn)
        for other in online[sessions[id].account].sessions where sessions[other].isAvailable {
            sendCopy(stanza, to: other, turn)
            if !wasAvailable, other != id, let presence = sessions[other].presence { sendCopy(presence, to: id, turn) }
        }
        if !wasAvailable {
            noteArrival(id, turn)
            welcome(id, turn)
            awaitAnswers(to: sessions[id].jid.bare, account, turn)
            noteReady(id, turn)
        }
        if !tookMessages, sessions[id].takesMessages { beginCatchUp(id, includesDetached: true, turn) }
    }

    /// What a resource gets that has just become available: the presence of the contacts (by probes, RFC 6121 §4.2.2),
    /// and the subscription requests that were not answered yet (§3.1.3).
    private mutating func welcome(_ id: SessionID, _ turn: Turn) {
        let jid = sessions[id].jid
        let account = sessions[id].accountNumber
        for contact in RosterTable.contacts(of: account, with: .to, in: turn.store) {
            let to = AddressTable.address(contact, in: turn.store)
            turn.route(Stanza(.presence, from: jid, to: to, type: "probe"), from: origin(of: id))
        }
        showRequests(id, turn)
    }

    /// Sends presence to all contacts that are subscribed to it.
    private func broadcast(_ stanza: Stanza, account: AddressNumber, from origin: Origin, _ turn: Turn) {
        var copy = stanza
        for contact in RosterTable.contacts(of: account, with: .from, in: turn.store) {
            // Whoever is here need not be looked for on the disk.
            copy.to = online.place(of: contact).map { online[$0].jid } ?? AddressTable.address(contact, in: turn.store)
            turn.route(copy, from: origin)
        }
    }

    private mutating func sendCopy(_ stanza: Stanza, to id: SessionID, _ turn: Turn) {
        var copy = stanza
        copy.to = sessions[id].jid
        send(copy, to: id, turn)
    }

    /// Unavailable presence (RFC 6121 §4.5), sent by the client, or by the site in its stead when it is gone (§4.5.2).
    mutating func becomeUnavailable(_ id: SessionID, _ received: Stanza?, _ turn: Turn) {
        var stanza = received ?? Stanza(.presence, type: "unavailable")
        stanza.from = sessions[id].jid
        let account = sessions[id].accountNumber
        let place = sessions[id].account
        if sessions[id].isAvailable {
            sessions[id].presence = nil
            sessions[id].priority = 0
            sessions[id].requestsAfter = nil
            if !online[place].sessions.contains(where: { sessions[$0].isAvailable }) { departures[account] = turn.now }
            if sessions[id].isResumable, let number = sessions[id].number {
                turn.lazily { ClientSessionTable.setPresence(account, number, nil, in: turn.store) }
            }
            broadcast(stanza, account: account, from: origin(of: id), turn)
            // §4.5.2: also to the resource that says it, if it still listens.
            for other in online[place].sessions where other == id ? received != nil : sessions[other].isAvailable {
                sendCopy(stanza, to: other, turn)
            }
        }
        forgetSeen(by: id, turn)
        let directed = sessions[id].directed
        sessions[id].directed = []
        if !directed.isEmpty {
            tellDirected(directed, stanza, account, session: sessions[id].number, from: origin(of: id), turn)
        }
    }

    /// RFC 6121 §4.6.3: whoever was sent directed presence is told, unless the broadcast reached them.
    private mutating func tellDirected(
        _ directed: [JID], _ stanza: Stanza, _ account: AddressNumber, session: UInt64?, from origin: Origin, _ turn: Turn
    ) {
        var copy = stanza
        for address in directed {
            if let session, let number = AddressTable.number(of: address, in: turn.store) {
                turn.lazily { DirectedPresenceTable.remove(account, session: session, number, in: turn.store) }
            }
            if isSubscribed(address, to: account, turn) { continue }
            copy.to = address
            if let from = copy.from { noteFarewell(from: from, to: address) }
            turn.route(copy, from: origin)
        }
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
            guard sessions[id].directed.count < SessionLimits.directedPresence else {
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

    /// A restart found a session that could not survive it: whoever saw it is told that it is gone.
    mutating func tellGone(_ jid: JID, _ account: AddressNumber, session: UInt64, _ turn: Turn) {
        let stanza = Stanza(.presence, from: jid, type: "unavailable")
        departures[account] = turn.now
        broadcast(stanza, account: account, from: .account, turn)
        let directed = DirectedPresenceTable.addresses(of: account, session: session, in: turn.store)
        tellDirected(
            directed.map { AddressTable.address($0, in: turn.store) }, stanza, account, session: session, from: .account, turn)
    }
}

extension Stanza {
    /// RFC 6121 §4.7.2.3: -128 to 127; 0 where it is missing or nonsense.
    var priority: Int8 {
        guard !content.isEmpty, let text = payload("priority", Namespaces.client)?.text else { return 0 }
        return Int8(text.filter { !$0.isWhitespace }) ?? 0
    }
}
