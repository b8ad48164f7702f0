import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Presence subscriptions (RFC 6121 §3): what ``SubscriptionState`` decides, stored, pushed and sent.
extension Sessions {
    /// A client manages a subscription with `contact`, a bare JID.
    mutating func manageSubscription(
        _ stanza: Stanza, _ type: PresenceType, to contact: JID, by id: SessionID, _ turn: Turn
    ) {
        let account = sessions[id].jid.bare
        guard contact != account else { return }  // everybody sees their own presence anyway
        let number = sessions[id].accountNumber
        // XEP-0191 §3.3: it goes nowhere, so nothing of it is noted either.
        if blocks(contact, number, turn) {
            if let reply = stanza.blockedReply { send(reply, to: id, turn) }
            return
        }
        if shared.item(contact, for: number, in: turn.store) != nil { return }  // and that of contacts that everybody has
        var stanza = stanza
        // RFC 6121 §3.1.2: between bare JIDs.
        stanza.from = account
        stanza.to = contact
        let known = AddressTable.number(of: contact, in: turn.store)
        let row = known.flatMap { RosterTable.row(number, $0, in: turn.store) }
        let isPending = known.map { PendingSubscriptionTable.exists(number, $0, in: turn.store) } ?? false
        let before = SubscriptionState(row?.flags ?? [], pendingIn: isPending)
        var state = before
        let isRouted = state.sent(type)
        if state != before {
            // Who takes something back is always heard.
            let isMore = type == .subscribe || type == .subscribed
            guard turn.admits(isMore ? .state : .upkeep) else {
                if let reply = stanza.errorReply(.diskNearlyFull) { send(reply, to: id, turn) }
                return
            }
            var changed = row ?? RosterRow()
            changed.flags = state.flags
            if row == nil, state.flags != [], let error = objection(to: changed, replacing: nil, contact, number, turn) {
                if let reply = stanza.errorReply(error) { send(reply, to: id, turn) }
                return
            }
            save(state, before: before, row, contact, number, sessions[id].account, turn)
        }
        if before.from, !state.from { sendUnavailable(sessions[id].account, to: contact, turn) }
        if isRouted { turn.admit(stanza, from: origin(of: id)) }
        if state.flags.contains(.pendingOut), !before.flags.contains(.pendingOut) {
            awaitAnswer(of: contact, to: account, turn)
        }
        if !before.from, state.from { sendPresence(sessions[id].account, to: contact, turn) }
    }

    /// A contact's stanza arrived.
    mutating func receivedSubscription(
        _ stanza: Stanza, _ type: PresenceType, _ number: AddressNumber, _ place: OnlinePlace?, _ turn: Turn
    ) {
        guard let contact = stanza.from?.bare, let account = stanza.to?.bare, contact != account else { return }
        let known = AddressTable.number(of: contact, in: turn.store)
        let row = known.flatMap { RosterTable.row(number, $0, in: turn.store) }
        let isPending = known.map { PendingSubscriptionTable.exists(number, $0, in: turn.store) } ?? false
        let before = SubscriptionState(row?.flags ?? [], pendingIn: isPending)
        var state = before
        var stanza = stanza
        stanza.from = contact
        stanza.to = account
        stanza.relayMark = nil
        if type == .subscribe { stanza.shortenRequest() }
        switch state.received(type) {
        case .ignore:
            return
        case .confirm:
            if state != before {
                guard turn.admits(.state) else { return turn.bounce(stanza, .diskNearlyFull) }
                save(state, before: before, row, contact, number, place, turn)
            }
            turn.route(Stanza(.presence, from: account, to: contact, id: stanza.id, type: "subscribed"), from: .account)
            if !before.from, let place { sendPresence(place, to: contact, turn) }
        case .deliver:
            var request = known
            if state.pendingIn, !before.pendingIn {
                guard turn.admits(.state, bytes: stanza.content.count) else { return turn.bounce(stanza, .diskNearlyFull) }
                guard let kept = keepRequest(stanza, contact, number, turn) else {
                    return turn.bounce(stanza, StanzaError(.resourceConstraint))
                }
                request = kept
            }
            // A row of the roster changes where it stands.
            guard state == before || turn.admits(.upkeep) else { return turn.bounce(stanza, .diskNearlyFull) }
            save(state, before: before, row, contact, number, place, turn)
            if let place {
                for id in online[place].sessions {
                    // RFC 6121 §3.1.3: requests to available resources; §3.1.6, §3.2.3, §3.3.3: the rest to interested ones.
                    let wantsIt = type == .subscribe ? sessions[id].isAvailable : sessions[id].isInterested
                    // It comes with those that wait, or has come.
                    if type == .subscribe, let request, willBeShown(requestOf: request, id) { continue }
                    if wantsIt { send(stanza, to: id, turn) }
                }
            }
            // RFC 6121 §3.3.3
            if before.from, !state.from { sendUnavailable(place, to: contact, turn) }
        }
    }

    /// Stores a state that changed, and pushes what clients see of it.
    private mutating func save(
        _ state: SubscriptionState, before: SubscriptionState, _ row: RosterRow?, _ contact: JID, _ account: AddressNumber,
        _ place: OnlinePlace?, _ turn: Turn
    ) {
        let number = AddressTable.makeNumber(of: contact, in: turn.store)
        if before.pendingIn, !state.pendingIn { removeRequest(account, number, turn) }
        guard state.flags != before.flags else { return }
        var changed = row ?? RosterRow()
        changed.flags = state.flags
        saveRow(changed, contact, number, account, place, turn)
    }

    /// RFC 6121 §3.1.5: a contact that may see the account now gets to see it.
    private func sendPresence(_ place: OnlinePlace, to contact: JID, _ turn: Turn) {
        for id in online[place].sessions {
            guard var presence = sessions[id].presence else { continue }
            presence.to = contact
            turn.route(presence, from: origin(of: id))
        }
    }

    /// RFC 6121 §3.2.1: a contact that may not see the account any more sees it leave.
    func sendUnavailable(_ place: OnlinePlace?, to contact: JID, _ turn: Turn) {
        guard let place else { return }
        for id in online[place].sessions where sessions[id].isAvailable {
            turn.route(Stanza(.presence, from: sessions[id].jid, to: contact, type: "unavailable"), from: origin(of: id))
        }
    }
}
