import MartletBus
import MartletServices
import MartletStore
import XMPPAddress
import XMPPStanzas

/// A stanza's way through the site, in reading order: admission, the interceptors, the owner of the address, and what that owner
/// wants done.
extension Site {
    /// Brings one stanza to whoever decides about it.
    mutating func route(_ envelope: consuming Envelope, _ turn: Turn) {
        if let entrance = envelope.entrance, !passes(&envelope, at: entrance, turn) { return }
        if envelope.entrance != nil, envelope.stanza.kind == .message {
            envelope.stanza.removeStableIDs { policy.houses($0.domainpart) }
            if watchesLinks, envelope.origin.isPeer { uploads.came(&envelope, turn) }
        }
        guard let address = addressee(of: envelope) else { return }
        // XEP-0280 §11: a copy is made by the server of its reader, and by nobody else.
        if envelope.entrance != nil, envelope.stanza.traits.contains(.claimedCopy) {
            return refuse(envelope, StanzaError(.notAcceptable, text: "Copies of messages come from one's own server"), turn)
        }
        let sent = sessions.isCopied(envelope) ? envelope : nil
        let archived = turn.archived.count
        guard bring(envelope, to: address, turn), let sent else { return }
        sessions.copySent(sent.stanza, sent.origin, turn.archived.count > archived ? turn.archived[archived] : nil, turn)
    }

    /// Brings it to whoever owns the address; false where a rule has stopped it.
    private mutating func bring(_ envelope: consuming Envelope, to address: JID, _ turn: Turn) -> Bool {
        if offices.takes(envelope, to: address, turn) { return true }
        let owner = policy.owner(of: address)
        if uploads.hasRecent, owner == .peer, envelope.stanza.kind == .message { uploads.leaves(&envelope, turn) }
        if !passes(&envelope, at: owner.isElsewhere ? .toPeer : .toAccount, turn) { return false }
        if envelope.stanza.isError, envelope.stanza.kind == .message {
            if !owner.isElsewhere, PubSub.isAboutNews(envelope.stanza) { return true }
            if envelope.stanza.isDurableMessage, !bounces.passes(envelope, turn) { return false }
        }
        if envelope.stanza.kind == .iq || envelope.stanza.traits.contains(.news) { remember(&envelope, owner, address, turn) }
        if envelope.stanza.kind == .message { envelope.archives = archives(of: envelope, owner, turn) }
        if envelope.stanza.kind == .presence, envelope.stanza.type == "subscribed" { granted(envelope.stanza, turn) }
        // XEP-0012 §4
        if owner == .session, envelope.stanza.traits.contains(.lastActivity), !sessions.mayAskLastActivity(envelope, turn) {
            refuse(envelope, StanzaError(.forbidden), turn)
            return false
        }
        if push.isUsed, owner == .session || owner == .account, envelope.stanza.kind == .message {
            let connected = sessions.connectedResources(of: address.bare)
            push.arrived(envelope.stanza, at: address.bare, connected: connected, turn)
        }
        switch owner {
        case .session: sessions.deliver(envelope, turn)
        case .account:
            if envelope.stanza.kind == .iq {
                deliverIQ(envelope, toAccount: address, turn)
            } else {
                if envelope.stanza.kind == .presence, envelope.origin.isPeer { hear(envelope.stanza, address, turn) }
                sessions.deliver(envelope, turn)
            }
        case .host(let host): deliver(envelope, to: host, turn)
        case .component: federation.accept(envelope, toComponent: true, turn)
        case .peer: federation.accept(envelope, turn)
        }
        return true
    }

    /// Whom a stanza is for: without `to` the sender's own account (RFC 6120 §10.3).
    private func addressee(of envelope: borrowing Envelope) -> JID? {
        if let to = envelope.stanza.to { return to }
        switch envelope.origin {
        case .session: return envelope.stanza.from?.bare
        case .login(_, let account): return account.jid
        case .account, .peer, .component, .bundle, .service, .room, .site: return nil
        }
    }

    /// What the interceptors at a place say of it; the observers see what goes on.
    private mutating func passes(_ envelope: inout Envelope, at checkpoint: Checkpoint, _ turn: Turn) -> Bool {
        // Before the operator's rules: these are people's own. Where nobody blocks anybody it is a look at a count.
        if blocking.isUsed {
            switch blocking.outcome(of: envelope, at: checkpoint, turn) {
            case .passes: break
            case .ends: return false
            case .comesBack(var reply):
                // What a client says of a subscription goes out in the name of its account (RFC 6121 §3.1.2).
                if reply.kind == .presence, case .session(let origin) = envelope.origin {
                    reply.to = sessions.jid(of: origin.session)
                }
                send(reply, backTo: envelope.origin, from: .site, turn)
                return false
            }
        }
        switch interceptors.judge(envelope, at: checkpoint, turn) {
        case .pass: break
        case .replace(let stanza): envelope.stanza = stanza
        case .reject(let error):
            refuse(envelope, error, turn)
            return false
        case .drop: return false
        }
        if observed.contains(checkpoint) { observe(envelope, at: checkpoint, turn) }
        return true
    }

    /// Whose archives a message is to stand in.
    private mutating func archives(of envelope: borrowing Envelope, _ owner: Owner, _ turn: Turn) -> ArchiveOwners? {
        guard Archive.isWorthKeeping(envelope.stanza, owner, turn) else { return nil }
        var addressee: AddressNumber?
        if !owner.isElsewhere, let to = envelope.stanza.to {
            // Nobody keeps what nobody gets.
            guard let number = sessions.accountNumber(of: to.bare, turn) else { return nil }
            addressee = number
        }
        return archive.owners(of: envelope, to: addressee, turn)
    }

    /// Somebody is let in to see an account's presence.
    private mutating func granted(_ stanza: Stanza, _ turn: Turn) {
        guard let from = stanza.from?.bare, let to = stanza.to?.bare, policy.hasPeople(at: from.domainpart),
            let number = sessions.accountNumber(of: from, turn)
        else { return }
        pubsub.granted(AccountName(from, number), to: to, turn)
    }

    /// Presence of somebody elsewhere to an account, which may have news for him.
    private mutating func hear(_ presence: Stanza, _ address: JID, _ turn: Turn) {
        guard let number = sessions.accountNumber(of: address, turn) else { return }
        if presence.presenceType == .unsubscribed, let from = presence.from { lastKnown.forget(from, of: number, turn) }
        pubsub.heardRemote(presence, to: address, number, turn)
    }

    /// An IQ to the bare JID of an account: the site answers on its behalf (RFC 6121 §8.5.2.1.3). Only who may see the account's
    /// presence learns that it exists (XEP-0030 §8); for everybody else it is as if there were none.
    private mutating func deliverIQ(_ envelope: borrowing Envelope, toAccount jid: JID, _ turn: Turn) {
        let stanza = envelope.stanza
        guard stanza.iqType?.isRequest == true else {
            if push.isUsed { push.answered(stanza, at: jid, connected: sessions.connectedResources(of: jid), turn) }
            return pubsub.answered(stanza, turn)
        }
        // Where there is no account, whoever asks is a stranger to it.
        let number = sessions.accountNumber(of: jid, turn)
        let scope = number.map { self.scope(of: envelope, to: jid, $0, turn) } ?? .stranger
        let account = number.map { AccountName(jid, $0) }
        guard let request = Request(copy envelope, scope: scope, account: account, host: nil) else {
            let isOwn = scope == .ownAccount || scope == .login
            return refuse(envelope, StanzaError(isOwn ? .badRequest : .serviceUnavailable), turn)
        }
        answer(request, turn)
    }

    private func scope(
        of envelope: borrowing Envelope, to jid: JID, _ number: AddressNumber, _ turn: Turn
    ) -> RequestScope {
        // Whose own it is stands in the origin, which we know, not in `from`, which somebody has written.
        switch envelope.origin {
        case .login: return .login
        case .session(let origin) where origin.account == number: return .ownAccount
        case .session, .account, .peer, .component, .bundle, .service, .room, .site:
            guard let from = envelope.stanza.from, !from.hasSameBare(as: jid) else { return .stranger }
            return sessions.isSubscribed(from, to: number, turn) ? .contact : .stranger
        }
    }

    /// An error goes back to whoever sent the stanza.
    func refuse(_ envelope: borrowing Envelope, _ error: StanzaError, _ turn: Turn) {
        if let reply = envelope.stanza.errorReply(error) { send(reply, backTo: envelope.origin, from: .site, turn) }
    }

    /// An answer goes over the bus; but to a connection without session on that connection, since it has no address yet.
    func send(_ reply: Stanza, backTo asker: Origin, from origin: Origin, _ turn: Turn) {
        if case .login(let connection, _) = asker {
            turn.perform(.send(reply.serialized()), on: connection)
        } else {
            turn.route(reply, from: origin)
        }
    }
}
