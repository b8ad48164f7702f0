import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Presence for accounts (RFC 6121 §4, §8.5.2.1.2).
extension Sessions {
    /// Presence to a bare or full JID of an account that exists.
    mutating func deliverPresence(
        _ stanza: Stanza, to session: SessionID?, _ number: AddressNumber, _ place: Int?, _ origin: Origin, _ turn: Turn
    ) {
        guard let type = stanza.presenceType, let to = stanza.to else { return }
        switch type {
        case .available, .unavailable:
            if to.isFull {
                if let session { send(stanza, to: session, turn) }
            } else if let place {
                for id in accounts[place].sessions where sessions[id].isAvailable { send(stanza, to: id, turn) }
            }
        case .error:
            // RFC 6121 §4.6: somebody who cannot be reached needs no farewell.
            guard let session, let from = stanza.from else { return }
            if let index = sessions[session].directed.firstIndex(of: from) {
                sessions[session].directed.remove(at: index)
                noteDirected(from, of: session, isDirected: false, turn)
            }
            send(stanza, to: session, turn)
        case .probe:
            answerProbe(stanza, to: session, number, place, origin, turn)
        case .subscribe, .subscribed, .unsubscribe, .unsubscribed:
            receivedSubscription(stanza, type, number, place, turn)
        }
    }

    /// RFC 6121 §4.3.2.
    private mutating func answerProbe(
        _ stanza: Stanza, to session: SessionID?, _ number: AddressNumber, _ place: Int?, _ origin: Origin, _ turn: Turn
    ) {
        guard let from = stanza.from, let to = stanza.to else { return }
        let bare = to.bare
        let isAllowed = from.hasSameBare(as: bare) || isSubscribed(from, to: number, turn)
        if to.isFull {
            let isDirected = session.map { sessions[$0].directed.contains(from) || sessions[$0].directed.contains(from.bare) }
            if isAllowed || isDirected ?? false {
                var answer = session.flatMap { sessions[$0].presence } ?? Stanza(.presence, from: to, type: "unavailable")
                answer.to = from
                turn.route(answer)
                return
            }
        }
        guard isAllowed else {
            turn.route(Stanza(.presence, from: bare, to: from.bare, type: "unsubscribed"))
            return
        }
        var answered = false
        if let place {
            for id in accounts[place].sessions {
                guard var answer = sessions[id].presence else { continue }
                answer.to = from
                turn.route(answer)
                answered = true
            }
        }
        // A peer that was cut off may still believe otherwise. Our own clients know that silence means unavailable.
        if !answered, case .peer = origin {
            turn.route(Stanza(.presence, from: bare, to: from, type: "unavailable"))
        }
    }

    /// A peer domain can be reached again, or for the first time since the start. Availability is not kept in queues, so
    /// both sides are told anew how things are: one current state for each contact there that sees an account of ours,
    /// and a probe for each contact there that one of ours sees.
    public mutating func peerBecameReachable(_ domain: JID, _ turn: Turn) {
        let last = refreshes.updateValue(turn.now, forKey: domain)
        guard let domain = AddressTable.number(of: domain, in: turn.store) else { return }
        for (account, contact) in RosterTable.pairs(at: domain, in: turn.store) {
            guard let row = RosterTable.row(account, contact, in: turn.store) else { continue }
            let jid = AddressTable.address(account, in: turn.store)
            let to = AddressTable.address(contact, in: turn.store)
            let present = accounts.place(of: jid).map { accounts[$0].sessions.compactMap { sessions[$0].presence } } ?? []
            if row.flags.contains(.from) {
                for presence in present {
                    var copy = presence
                    copy.to = to
                    turn.route(copy)
                }
                if present.isEmpty, let departure = departures[account], last.map({ departure >= $0 }) ?? true {
                    turn.route(Stanza(.presence, from: jid, to: to, type: "unavailable"))
                }
            }
            if row.flags.contains(.to), !present.isEmpty {
                turn.route(Stanza(.presence, from: jid, to: to, type: "probe"))
            }
        }
    }
}
