// XEP-0077: In-Band Registration, version 2.4, complete without data forms
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Accounts made and changed by their owners. Off unless the operator allows it: a company's accounts are not self-made.
extension Sessions {
    /// A request on a stream that has not logged in.
    mutating func registrationRequested(_ stanza: Stanza, on connection: ConnectionID, _ turn: Turn) {
        let reply = registrationReply(stanza, turn)
        if let reply { turn.perform(.send(reply.serialized()), on: connection) }
    }

    private mutating func registrationReply(_ stanza: Stanza, _ turn: Turn) -> Stanza? {
        guard let query = stanza.payload("query", Namespaces.register), let type = stanza.iqType, type.isRequest else {
            return stanza.errorReply(StanzaError(.badRequest))
        }
        guard turn.policy.allowsRegistration else { return stanza.errorReply(StanzaError(.notAllowed)) }
        if type == .get {
            return stanza.result(
                Element(
                    "query", Namespaces.register,
                    elements: [
                        Element("instructions", Namespaces.register, text: "Choose a user name and a password."),
                        Element("username", Namespaces.register), Element("password", Namespaces.register),
                    ]))
        }
        // XEP-0077 §3.1
        guard let name = query.first("username", Namespaces.register)?.text, !name.isEmpty,
            let password = query.first("password", Namespaces.register)?.text, !password.isEmpty
        else { return stanza.errorReply(StanzaError(.notAcceptable)) }
        guard let jid = try? JID(localpart: name, domainpart: turn.policy.domains[0].domainpart) else {
            return stanza.errorReply(StanzaError(.jidMalformed))
        }
        guard let prepared = try? OpaqueString.prepare(password) else {
            return stanza.errorReply(StanzaError(.notAcceptable))
        }
        if accountNumber(of: jid, turn) != nil { return stanza.errorReply(StanzaError(.conflict)) }
        guard !turn.isBelowReserve, registrations.take(limit: turn.policy.registrationsPerMinute, now: turn.now) else {
            return stanza.errorReply(StanzaError(.resourceConstraint))
        }
        addAccount(jid, AccountRow(password: Array(prepared.utf8), random: &turn.random), turn)
        return stanza.result()
    }

    /// A request of somebody who has logged in to `account`: another password (XEP-0077 §3.3), or the end of the account
    /// (§3.2).
    mutating func registration(
        _ query: Element, _ stanza: Stanza, account: JID, _ number: AddressNumber, _ turn: Turn
    ) -> Stanza {
        func refused(_ condition: StanzaError.Condition) -> Stanza {
            stanza.errorReply(StanzaError(condition)) ?? stanza.result()
        }
        if stanza.iqType == .get {
            return stanza.result(
                Element(
                    "query", Namespaces.register,
                    elements: [
                        Element("registered", Namespaces.register),
                        Element("username", Namespaces.register, text: account.localpart ?? ""),
                        Element("password", Namespaces.register),
                    ]))
        }
        guard turn.policy.allowsRegistration else { return refused(.notAllowed) }
        if query.first("remove", Namespaces.register) != nil {
            guard query.elements.count == 1 else { return refused(.badRequest) }
            pendingRemovals.append((account, number))
            return stanza.result()
        }
        guard let name = query.first("username", Namespaces.register)?.text,
            let password = query.first("password", Namespaces.register)?.text, !password.isEmpty,
            let prepared = try? OpaqueString.prepare(password)
        else { return refused(.badRequest) }
        guard let jid = try? JID(localpart: name, domainpart: account.domainpart), jid == account else {
            return refused(.notAllowed)
        }
        guard registrations.take(limit: turn.policy.registrationsPerMinute, now: turn.now) else {
            return refused(.resourceConstraint)
        }
        changeKeys(number, account, AccountRow(password: Array(prepared.utf8), random: &turn.random), turn)
        return stanza.result()
    }

    /// Removes the accounts whose owners asked for it, once they have their answer.
    mutating func removeCancelled(_ turn: Turn) {
        while let (account, number) = pendingRemovals.popLast() { removeAccount(account, number, turn) }
    }
}
