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
        let reply = registrationReply(stanza, on: connection, turn)
        if let reply { turn.perform(.send(reply.serialized()), on: connection) }
    }

    /// The answer, unless it has to wait for the keys of a password.
    private mutating func registrationReply(_ stanza: Stanza, on connection: ConnectionID, _ turn: Turn) -> Stanza? {
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
        deriveKeys(of: prepared, AwaitedKeys(purpose: .account(jid), asker: .connection(connection), request: stanza), turn)
        return nil
    }

    /// A request of somebody who has logged in to `account`: another password (XEP-0077 §3.3), or the end of the account
    /// (§3.2). Returns the answer, unless it has to wait for the keys of the password.
    mutating func registration(
        _ query: Element, _ stanza: Stanza, by asker: AwaitedKeys.Asker, account: JID, _ number: AddressNumber, _ turn: Turn
    ) -> Stanza? {
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
        guard let row = AccountTable.row(number, in: turn.store) else { return refused(.itemNotFound) }
        let change = AwaitedKeys.Purpose.change(account, number, generation: row.generation)
        deriveKeys(of: prepared, AwaitedKeys(purpose: change, asker: asker, request: stanza), turn)
        return nil
    }

    private mutating func deriveKeys(of password: String, _ awaited: AwaitedKeys, _ turn: Turn) {
        keysRequests += 1
        let id = KeysRequest.ID(keysRequests)
        awaitedKeys[id] = awaited
        turn.perform(
            .deriveKeys(
                KeysRequest(
                    id: id, password: Array(password.utf8), sha1Salt: turn.random.bytes(16),
                    sha256Salt: turn.random.bytes(16))))
    }

    /// The keys of a password are there, or cannot be had now. What was true when it was chosen need not be true any more.
    public mutating func keysDerived(_ id: KeysRequest.ID, _ keys: PasswordKeys?, _ turn: Turn) {
        guard let awaited = awaitedKeys.removeValue(forKey: id) else { return }
        let refusal: StanzaError.Condition?
        switch awaited.purpose {
        case .account(let jid): refusal = makeAccount(jid, keys, turn)
        case .change(let account, let number, let generation):
            refusal = change(account, number, generation, keys, turn)
            if refusal == nil { remainsLoggedIn(awaited.asker, number, turn) }
        }
        let request = awaited.request
        if let reply = refusal.map({ request.errorReply(StanzaError($0)) }) ?? request.result() {
            tell(awaited.asker, reply, turn)
        }
        endDoomed(turn)
    }

    private mutating func makeAccount(_ jid: JID, _ keys: PasswordKeys?, _ turn: Turn) -> StanzaError.Condition? {
        guard let keys, !turn.isBelowReserve else { return .resourceConstraint }
        // Somebody else may have taken the name meanwhile.
        if accountNumber(of: jid, turn) != nil { return .conflict }
        addAccount(jid, AccountRow(keys, generation: 0), turn)
        return nil
    }

    private func change(
        _ account: JID, _ number: AddressNumber, _ generation: UInt64, _ keys: PasswordKeys?, _ turn: Turn
    ) -> StanzaError.Condition? {
        guard let keys else { return .resourceConstraint }
        // Of two changes at a time the first one wins; an account made anew belongs to somebody else.
        guard AccountTable.row(number, in: turn.store)?.generation == generation else { return .conflict }
        changeKeys(number, account, AccountRow(keys, generation: 0), turn)
        return nil
    }

    /// A connection that has bound nothing is not ended by its own change of the password.
    private mutating func remainsLoggedIn(_ asker: AwaitedKeys.Asker, _ number: AddressNumber, _ turn: Turn) {
        guard case .connection(let connection) = asker, let row = AccountTable.row(number, in: turn.store),
            case .authenticated(let account, number, _) = connections[connection]
        else { return }
        connections[connection] = .authenticated(account: account, number: number, generation: row.generation)
    }

    private mutating func tell(_ asker: AwaitedKeys.Asker, _ reply: Stanza, _ turn: Turn) {
        switch asker {
        case .session(let id):
            if sessions.contains(id) { send(reply, to: id, turn) }
        case .connection(let connection):
            if case .bound(let id) = connections[connection] {
                send(reply, to: id, turn)
            } else {
                turn.perform(.send(reply.serialized()), on: connection)
            }
        }
    }

    /// Removes the accounts whose owners asked for it, once they have their answer.
    mutating func removeCancelled(_ turn: Turn) {
        while let (account, number) = pendingRemovals.popLast() { removeAccount(account, number, turn) }
    }
}

/// A password whose keys are being derived, and what becomes of them. Lives in ``Sessions`` until
/// ``Sessions/keysDerived(_:_:_:)``; a restart forgets it, and whoever asked has had no answer.
struct AwaitedKeys {
    /// Who gets the answer.
    enum Asker {
        case session(SessionID)
        /// It had not logged in, or had bound no resource, when it asked.
        case connection(ConnectionID)
    }

    /// What the keys are for.
    enum Purpose {
        /// An account to be made.
        case account(JID)
        /// Another password for an account, which was of that generation.
        case change(JID, AddressNumber, generation: UInt64)
    }

    var purpose: Purpose
    var asker: Asker
    var request: Stanza
}
