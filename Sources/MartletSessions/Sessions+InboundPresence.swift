import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Presence for accounts (RFC 6121 §4, §8.5.2.1.2).
extension Sessions {
    /// Presence to a bare or full JID of an account that exists.
    mutating func deliverPresence(
        _ stanza: Stanza, to session: SessionID?, _ number: AddressNumber, _ place: OnlinePlace?, _ origin: Origin, _ turn: Turn
    ) {
        guard let type = stanza.presenceType, let to = stanza.to else { return }
        // It may go to every resource, and is kept where it waits for an answer.
        if origin.isPeer, type != .error, stanza.content.count > LimitsPolicy.presenceBytes {
            return turn.bounce(stanza, Self.presenceTooLarge)
        }
        switch type {
        case .available, .unavailable:
            if origin.isPeer {
                deliverRemoteAvailability(stanza, type, to: session, place, turn)
            } else if to.isFull {
                if let session { send(stanza, to: session, turn) }
            } else if let place {
                for id in online[place].sessions where sessions[id].isAvailable { send(stanza, to: id, turn) }
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
        _ stanza: Stanza, to session: SessionID?, _ number: AddressNumber, _ place: OnlinePlace?, _ origin: Origin, _ turn: Turn
    ) {
        guard let from = stanza.from, let to = stanza.to else { return }
        let bare = to.bare
        let isAllowed = from.hasSameBare(as: bare) || isSubscribed(from, to: number, turn)
        if to.isFull {
            let isDirected = session.map { sessions[$0].directed.contains(from) || sessions[$0].directed.contains(from.bare) }
            if isAllowed || isDirected ?? false {
                var answer = session.flatMap { sessions[$0].presence } ?? Stanza(.presence, from: to, type: "unavailable")
                answer.to = from
                turn.route(answer, from: session.map { self.origin(of: $0) } ?? .account)
                return
            }
        }
        guard isAllowed else {
            turn.route(Stanza(.presence, from: bare, to: from.bare, type: "unsubscribed"), from: .account)
            return
        }
        var answered = false
        if let place {
            for id in online[place].sessions {
                guard var answer = sessions[id].presence else { continue }
                answer.to = from
                turn.route(answer, from: self.origin(of: id))
                answered = true
            }
        }
        // A peer that was cut off may still believe otherwise. Our own clients know that silence means unavailable.
        if !answered, origin.isPeer {
            turn.route(Stanza(.presence, from: bare, to: from, type: "unavailable"), from: .account)
        }
    }
}
